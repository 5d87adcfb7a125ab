import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo.distributions import TanhNormal
from reppo.errors import ConfigurationError
from reppo.targets import (
    FreshAction,
    FreshValueClippedBonus,
    FreshValueTakenBonus,
    ModeAction,
    Taken,
    TakenAction,
    TakenActionClippedBonus,
)

POLICY = TanhNormal(jnp.array([0.3, -0.5]), jnp.array([0.6, 1.2]))
SEED = st.integers(0, 2**31 - 1)

log_prob = jax.jit(lambda action: POLICY.log_prob(action))


def evaluate(action):
    """A Q whose value and embedding tell the action apart from every other."""
    return 3 * action[0] - action[1] ** 2, jnp.concatenate([action, action**2])


TAKEN = Taken(jnp.array([0.25, -0.75]), jnp.arctanh(jnp.array([0.25, -0.75])))


@eqx.filter_jit
def estimate(next_value, key, continues=True):
    return next_value(POLICY, evaluate, TAKEN, jnp.asarray(continues), key)


@given(SEED)
def test_one_action_serves_value_log_density_and_embedding(seed):
    result = estimate(FreshAction(), jax.random.key(seed))
    action = result.embedding[:2]
    np.testing.assert_allclose(result.value, evaluate(action)[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result.log_prob, log_prob(action), rtol=1e-3, atol=1e-3)


@given(SEED, SEED)
def test_different_keys_draw_different_actions(seed, other):
    first, second = (estimate(FreshAction(), jax.random.key(s)) for s in (seed, other))
    assert bool(jnp.all(first.embedding == second.embedding)) == (seed == other)


def test_many_samples_are_averaged_and_distinct():
    key = jax.random.key(3)
    result = estimate(FreshAction(num_samples=5), key)
    actions = []

    def spy(action):
        jax.debug.callback(lambda a: actions.append(np.array(a)), action)
        return evaluate(action)

    FreshAction(num_samples=5)(POLICY, spy, TAKEN, jnp.asarray(True), key)
    jax.effects_barrier()
    assert len({tuple(action) for action in actions}) == 5
    np.testing.assert_allclose(result.value, np.mean([evaluate(a)[0] for a in actions]), rtol=1e-5)
    np.testing.assert_allclose(result.log_prob, np.mean([log_prob(a) for a in actions]), rtol=1e-4)
    assert any(np.allclose(result.embedding[:2], action, rtol=1e-6) for action in actions)


def test_many_samples_estimate_the_expectation():
    # E[Q] by quadrature of the two independent Gaussians.
    grid, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    means = [weight @ np.tanh(0.3 + 0.6 * grid), weight @ np.tanh(-0.5 + 1.2 * grid) ** 2]
    result = estimate(FreshAction(num_samples=20_000), jax.random.key(0))
    np.testing.assert_allclose(result.value, 3 * means[0] - means[1], atol=0.05)


@given(SEED)
def test_fresh_actions_do_not_know_what_was_taken(seed):
    first, second = (estimate(FreshAction(3), jax.random.key(seed), continues) for continues in (True, False))
    jax.tree.map(np.testing.assert_array_equal, first, second)


@given(SEED)
def test_the_action_taken_is_valued_where_there_is_one_and_fresh_ones_elsewhere(seed):
    key = jax.random.key(seed)
    followed, fresh = estimate(TakenAction(5), key, True), estimate(TakenAction(5), key, False)
    np.testing.assert_allclose(followed.value, evaluate(TAKEN.action)[0], rtol=1e-6)
    np.testing.assert_allclose(followed.embedding, evaluate(TAKEN.action)[1], rtol=1e-6)
    u, loc, scale = np.arctanh([0.25, -0.75]), np.array([0.3, -0.5]), np.array([0.6, 1.2])
    density = np.exp(-0.5 * ((u - loc) / scale) ** 2) / np.sqrt(2 * np.pi) / scale / (1 - np.tanh(u) ** 2)
    np.testing.assert_allclose(followed.log_prob, np.log(density).sum(), rtol=1e-5)
    for a, b in zip(jax.tree.leaves(fresh), jax.tree.leaves(estimate(FreshAction(5), key)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@given(SEED, st.booleans())
def test_the_bonus_of_the_action_taken_leaves_the_value_to_fresh_ones(seed, continues):
    key = jax.random.key(seed)
    mixed, fresh = estimate(FreshValueTakenBonus(5), key, continues), estimate(FreshAction(5), key)
    taken = estimate(TakenAction(5), key)
    np.testing.assert_allclose(mixed.value, fresh.value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed.embedding, fresh.embedding, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed.log_prob, (taken if continues else fresh).log_prob, rtol=1e-5, atol=1e-6)


@given(SEED)
def test_the_mode_is_valued_without_chance_and_its_bonus_is_that_of_a_draw(seed):
    result, other = (estimate(ModeAction(), jax.random.key(s)) for s in (seed, seed + 1))
    mode = np.tanh([0.3, -0.5])
    np.testing.assert_allclose(result.value, 3 * mode[0] - mode[1] ** 2, rtol=1e-5)
    np.testing.assert_allclose(result.embedding, [*mode, *mode**2], rtol=1e-5)
    assert result.value == other.value and result.log_prob != other.log_prob


SATURATED = TanhNormal(jnp.array([6.0, 0.0]), jnp.array([0.2, 0.5]))


def bonuses(next_value, number=400, limit=0.999):
    """Of `-log pi` at many actions that a policy drew whose first dimension saturates, and that were clipped."""

    def one(key):
        u = SATURATED.draw(jax.random.fold_in(key, 1))
        taken = Taken(jnp.clip(jnp.tanh(u), -limit, limit), u)
        return -next_value(SATURATED, evaluate, taken, jnp.asarray(True), key).log_prob

    return np.asarray(eqx.filter_jit(jax.vmap(one))(jax.random.split(jax.random.key(0), number)))


def entropy_of_saturated():
    """By quadrature: -10.8 in the dimension that saturates."""
    grid, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    total = 0.0
    for loc, scale in ((6.0, 0.2), (0.0, 0.5)):
        u = loc + scale * grid
        log_density = -0.5 * grid**2 - np.log(scale * np.sqrt(2 * np.pi)) - 2 * (np.log(2) - np.logaddexp(u, -u))
        total -= weight @ log_density
    return total


@pytest.mark.parametrize("next_value", [FreshAction(), TakenAction(), FreshValueTakenBonus()])
def test_the_bonus_is_the_entropy_also_where_actions_are_clipped(next_value):
    made = bonuses(next_value)
    np.testing.assert_allclose(made.mean(), entropy_of_saturated(), atol=5 * made.std() / 20)


@pytest.mark.parametrize("next_value", [TakenActionClippedBonus(), FreshValueClippedBonus()])
def test_the_bonus_of_a_clipped_action_is_no_entropy_there(next_value):
    u, kept = np.arctanh(0.999), entropy_of_saturated() + 10.803
    at_limit = 0.5 * ((u - 6) / 0.2) ** 2 + np.log(0.2 * np.sqrt(2 * np.pi)) + 2 * (np.log(2) - np.logaddexp(u, -u))
    made = bonuses(next_value)
    np.testing.assert_allclose(at_limit, 53.58, atol=0.01)
    np.testing.assert_allclose(made.mean(), at_limit + kept, atol=0.3)


@pytest.mark.parametrize(
    ("clipped", "right"),
    [(TakenActionClippedBonus(5), TakenAction(5)), (FreshValueClippedBonus(5), FreshValueTakenBonus(5))],
)
@pytest.mark.parametrize("continues", [True, False])
def test_away_from_the_limit_the_clipped_bonus_is_the_right_one(clipped, right, continues):
    key = jax.random.key(0)
    for a, b in zip(*(jax.tree.leaves(estimate(kind, key, continues)) for kind in (clipped, right)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "kind", [FreshAction, TakenAction, TakenActionClippedBonus, FreshValueTakenBonus, FreshValueClippedBonus]
)
def test_no_samples_are_refused(kind):
    with pytest.raises(ConfigurationError, match="number of next actions is 0; give at least 1"):
        kind(num_samples=0).validate()
