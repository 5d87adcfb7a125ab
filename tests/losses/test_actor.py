import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo.distributions import TanhNormal
from reppo.losses import (
    AbstractDivergence,
    ClippedKL,
    ExactKL,
    PathwiseLoss,
    PenalizedKL,
    PerBatch,
    SampledKL,
    Unconstrained,
)
from tests.losses.problems import ACTION, BATCH, MULTIPLIER, OBSERVATION, SEED, TEMPERATURE, at, close, problem, run


def rows(batch, index):
    return jax.tree.map(lambda x: x[index], batch)


@settings(max_examples=20)
@given(SEED, st.booleans())
def test_equals_the_slow_reference(seed, near):
    policy, critic, batch = problem(seed, near)
    value, metrics, _ = run(PathwiseLoss(), policy, critic, batch, jax.random.key(seed))
    weight, scale = np.asarray(policy.weight, float), np.exp(np.asarray(policy.log_std, float))
    log_prob = -np.asarray(metrics["entropy"], float)
    kl = np.zeros(BATCH)
    for i in range(BATCH):
        shift = (np.asarray(batch.old.loc[i], float) - weight @ np.asarray(batch.observation.actor[i], float)) / scale
        ratio = np.asarray(batch.old.scale[i], float) / scale
        kl[i] = np.sum(0.5 * (ratio**2 + shift**2 - 1) - np.log(ratio))
    np.testing.assert_allclose(metrics["kl"], kl, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(metrics["behind_gate"], kl >= 0.1)
    if not near:
        np.testing.assert_allclose(value, MULTIPLIER * kl.mean(), rtol=1e-4)
        assert np.all(kl > 0.1)
    assert np.all(np.isfinite(log_prob)) and {m.shape for m in metrics.values()} == {(BATCH,)}


@settings(max_examples=20)
@given(SEED)
def test_within_the_bound_the_gradient_is_that_of_entropy_and_q(seed):
    policy, critic, batch = problem(seed)
    arguments = (policy, critic, batch, jax.random.key(seed))
    clipped, free = run(PathwiseLoss(ClippedKL(1e6)), *arguments), run(PathwiseLoss(Unconstrained()), *arguments)
    jax.tree.map(close, clipped[2], free[2])
    close(clipped[0], free[0])


def sampled_objective(weight, log_std, critic, batch, noise):
    """`temperature * log_prob - q` in float64 for given noise: common random numbers."""
    total = 0.0
    for i in range(BATCH):
        scale = np.exp(log_std)
        u = weight @ np.asarray(batch.observation.actor[i], float) + scale * noise[i]
        action = np.tanh(u)
        log_prob = np.sum(-0.5 * noise[i] ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi) - np.log(1 - action**2))
        q = float(batch.observation.critic[i, 0]) - np.sum((action - np.asarray(critic.best, float)) ** 2)
        total += float(TEMPERATURE) * log_prob - q
    return total / BATCH


@pytest.mark.parametrize("seed", range(3))
def test_the_pathwise_gradient_equals_finite_differences_with_common_random_numbers(seed):
    policy, critic, batch = problem(seed)
    # The samples, recovered through a critic that hands out the action it is asked about.
    key = jax.random.key(seed)
    noise = np.zeros((BATCH, ACTION))
    for dimension in range(ACTION):
        handed_out = sampled_actions(policy, batch, key, dimension)
        loc = np.asarray(jax.vmap(policy)(batch.observation.actor).loc, float)[:, dimension]
        noise[:, dimension] = (np.arctanh(np.asarray(handed_out, float)) - loc) / np.exp(
            float(policy.log_std[dimension])
        )
    value, _, gradient = run(PathwiseLoss(Unconstrained()), policy, critic, batch, key)
    weight, log_std = np.asarray(policy.weight, float), np.asarray(policy.log_std, float)
    np.testing.assert_allclose(value, sampled_objective(weight, log_std, critic, batch, noise), rtol=1e-4, atol=1e-4)
    step = 1e-5
    for index in np.ndindex(*weight.shape):
        ends = []
        for sign in (1, -1):
            moved = weight.copy()
            moved[index] += sign * step
            ends.append(sampled_objective(moved, log_std, critic, batch, noise))
        np.testing.assert_allclose(gradient.weight[index], (ends[0] - ends[1]) / (2 * step), rtol=1e-2, atol=1e-3)
    for i in range(ACTION):
        ends = []
        for sign in (1, -1):
            moved = log_std.copy()
            moved[i] += sign * step
            ends.append(sampled_objective(weight, moved, critic, batch, noise))
        np.testing.assert_allclose(gradient.log_std[i], (ends[0] - ends[1]) / (2 * step), rtol=1e-2, atol=1e-3)


@eqx.filter_jit
def sampled_actions(policy, batch, key, dimension):
    """What is sampled at each row: the loss is `-mean(q)`, so a critic that is 0 at all others gives it away."""

    def of_row(row):
        marked = eqx.tree_at(lambda b: b.observation.critic, batch, (jnp.arange(BATCH) == row)[:, None] * 1.0)
        critic = lambda observation, action: observation[0] * action[dimension]
        zero = np.float32(0)
        return -BATCH * PathwiseLoss(Unconstrained())(at(policy, batch), critic, marked, zero, zero, key)[0]

    return jax.vmap(of_row)(jnp.arange(BATCH))


@settings(max_examples=20)
@given(SEED)
def test_a_state_beyond_the_bound_contributes_its_kl_gradient_alone(seed):
    policy, critic, batch = problem(seed)
    # Row 2 is far away; the others are near.
    batch = eqx.tree_at(lambda b: b.old.loc, batch, batch.old.loc.at[2].add(3.0))
    key = jax.random.key(seed)
    value, metrics, gradient = run(PathwiseLoss(), policy, critic, batch, key)
    np.testing.assert_array_equal(metrics["behind_gate"], [0, 0, 1, 0, 0])

    # Its q may be anything without effect; that of the others may not.
    poisoned = eqx.tree_at(lambda b: b.observation.critic, batch, batch.observation.critic.at[2].set(1e6))
    again, _, same_gradient = run(PathwiseLoss(), policy, critic, poisoned, key)
    assert again == value
    jax.tree.map(np.testing.assert_array_equal, gradient, same_gradient)

    # The gradient of the batch is that of row 2's KL and the others' entropy and Q.
    kl = kl_gradient(policy, rows(batch, 2))
    near = eqx.tree_at(lambda b: b.old.loc, batch, batch.old.loc.at[2].add(-3.0))
    free = run(PathwiseLoss(), policy, critic, near, key)[2]
    alone = row_gradient(policy, critic, near, key, 2)
    expected = jax.tree.map(lambda f, a, k: f + (MULTIPLIER * k - a) / BATCH, free, alone, kl)
    jax.tree.map(lambda a, e: np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4), gradient, expected)


@eqx.filter_jit
def kl_gradient(policy, row):
    return eqx.filter_grad(lambda policy: row.old.kl(policy(row.observation.actor)))(policy)


@eqx.filter_jit
def row_gradient(policy, critic, batch, key, row):
    """The gradient of one row's entropy and Q: the policy is held still at all others."""
    others = jnp.arange(BATCH) != row

    def masked(policy):
        moving = at(policy, batch)
        new = jax.tree.map(lambda x: jnp.where(others[:, None], jax.lax.stop_gradient(x), x), moving)
        return PathwiseLoss(Unconstrained())(new, critic, batch, TEMPERATURE, MULTIPLIER, key)[0]

    return jax.tree.map(lambda g: g * BATCH, eqx.filter_grad(masked)(policy))


@settings(max_examples=20)
@given(SEED, st.integers(0, BATCH - 1))
def test_rows_do_not_mix(seed, row):
    policy, critic, batch = problem(seed)
    key = jax.random.key(seed)
    value, metrics, _ = run(PathwiseLoss(), policy, critic, batch, key)
    # q moves by exactly the change in its own row's observation, and no metric of another row moves.
    changed = eqx.tree_at(
        lambda b: (b.observation.critic, b.old.loc),
        batch,
        (batch.observation.critic.at[row].add(1.0), batch.old.loc.at[row].multiply(1.001)),
    )
    other_value, other_metrics, _ = run(PathwiseLoss(ClippedKL(1e6)), policy, critic, changed, key)
    base_value, _, _ = run(PathwiseLoss(ClippedKL(1e6)), policy, critic, batch, key)
    np.testing.assert_allclose(other_value - base_value, -1 / BATCH, atol=1e-5)
    others = np.arange(BATCH) != row
    for name in ("entropy", "kl"):
        np.testing.assert_array_equal(metrics[name][others], other_metrics[name][others])
    assert value.shape == ()


def test_one_far_state_moves_the_gate_of_the_batch_but_of_no_other_state():
    policy, critic, batch = problem(0)
    batch = eqx.tree_at(lambda b: b.old.loc, batch, batch.old.loc.at[0].add(5.0))
    for gate, expected in ((PathwiseLoss().gate, [1, 0, 0, 0, 0]), (PerBatch(), [1] * 5)):
        _, metrics, _ = run(PathwiseLoss(gate=gate), policy, critic, batch, jax.random.key(0))
        np.testing.assert_array_equal(metrics["behind_gate"], expected)


def test_every_row_draws_its_own_action_and_the_key_decides():
    policy, critic, batch = problem(0)
    same = eqx.tree_at(lambda b: b.observation.actor, batch, jnp.ones((BATCH, OBSERVATION)))
    first = run(PathwiseLoss(), policy, critic, same, jax.random.key(0))[1]["entropy"]
    second = run(PathwiseLoss(), policy, critic, same, jax.random.key(1))[1]["entropy"]
    assert len({*first.tolist(), *second.tolist()}) == 2 * BATCH


def test_the_sampled_kl_draws_apart_from_the_action():
    policy, critic, batch = problem(0)
    exact, sampled = (
        run(PathwiseLoss(ClippedKL(1e6), kl), policy, critic, batch, jax.random.key(0))
        for kl in (ExactKL(), SampledKL())
    )
    np.testing.assert_array_equal(exact[1]["entropy"], sampled[1]["entropy"])
    assert not np.array_equal(exact[1]["kl"], sampled[1]["kl"])


class KeyOfDivergence(AbstractDivergence):
    """What a policy would draw with the key that the divergence is given."""

    def __call__(self, old, new, key):
        return new.sample(key)[0]


def test_the_divergence_has_a_key_of_its_own():
    policy, critic, batch = problem(0)
    drawn = run(PathwiseLoss(Unconstrained(), KeyOfDivergence()), policy, critic, batch, jax.random.key(0))[1]["kl"]
    actions = sampled_actions(policy, batch, jax.random.key(0), 0)
    assert len({*drawn.tolist(), *actions.tolist()}) == 2 * BATCH and np.abs(drawn - actions).min() > 1e-4


def test_metrics_are_constants():
    policy, critic, batch = problem(0)

    def metrics(policy):
        _, seen = PathwiseLoss()(at(policy, batch), critic, batch, TEMPERATURE, MULTIPLIER, jax.random.key(0))
        return sum(jnp.sum(value) for value in seen.values())

    jax.tree.map(lambda g: np.testing.assert_array_equal(g, 0), eqx.filter_jit(eqx.filter_grad(metrics))(policy))


def test_the_bound_is_the_objectives():
    assert PathwiseLoss(ClippedKL(0.3)).kl_bound == np.float32(0.3)
    assert PathwiseLoss(PenalizedKL(0.4)).kl_bound == np.float32(0.4)
    assert PathwiseLoss(Unconstrained()).kl_bound == np.inf


P = TanhNormal(jnp.array([0.2, -0.4]), jnp.array([0.7, 0.4]))
Q = TanhNormal(jnp.array([0.5, -0.1]), jnp.array([0.5, 0.6]))
sampled_kl = eqx.filter_jit(lambda divergence, old, new, key: divergence(old, new, key))


@given(SEED)
def test_the_sampled_kl_of_a_policy_from_itself_is_exactly_zero(seed):
    assert sampled_kl(SampledKL(), P, P, jax.random.key(seed)) == 0


def test_the_sampled_kl_converges_to_the_exact_one():
    exact = ExactKL()(P, Q, jax.random.key(0))
    np.testing.assert_allclose(exact, P.kl(Q))
    errors = [float(sampled_kl(SampledKL(50_000), P, Q, jax.random.key(s)) - exact) for s in range(2)]
    np.testing.assert_allclose(errors, 0, atol=0.03)
    assert errors[0] != errors[1]


@given(SEED, SEED)
def test_the_sampled_kl_depends_on_its_key(seed, other):
    first, second = (sampled_kl(SampledKL(), P, Q, jax.random.key(s)) for s in (seed, other))
    assert (first == second) == (seed == other)
