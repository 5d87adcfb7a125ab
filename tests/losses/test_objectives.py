import pathlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.losses import (
    ClippedKL,
    FixedMultiplier,
    LearnedMultiplier,
    NoGate,
    OutweighedKL,
    PenalizedKL,
    PerBatch,
    PerState,
    Unconstrained,
    WithoutEntropy,
)

GOLDEN = np.load(pathlib.Path(__file__).parents[1] / "data" / "golden.npz")
VALUE = st.floats(-100, 100, width=32)
POSITIVE = st.floats(0, 10, width=32)


def evaluate(objective, inputs, inside=None):
    """The objective and its gradients with respect to q, log_prob and kl."""
    return _evaluate(objective, {name: np.float32(value) for name, value in inputs.items()}, inside)


@eqx.filter_jit
def _evaluate(objective, inputs, inside):
    weights = {name: inputs.pop(name) for name in ("temperature", "kl_multiplier")}
    return jax.value_and_grad(lambda varied: objective(**varied, **weights, inside=inside))(inputs)


INPUTS = st.fixed_dictionaries(
    {"q": VALUE, "log_prob": VALUE, "kl": POSITIVE, "temperature": POSITIVE, "kl_multiplier": POSITIVE}
)


def check(result, value, q, log_prob, kl):
    np.testing.assert_allclose(result[0], value, rtol=1e-5, atol=1e-3)
    actual = [result[1][name] for name in ("q", "log_prob", "kl")]
    np.testing.assert_array_equal(actual, np.float32([q, log_prob, kl]))


def free(x):
    return x["temperature"] * x["log_prob"] - x["q"]


@given(INPUTS, st.floats(0.015625, 8, width=32))
def test_clipped_kl_drops_everything_but_the_kl_beyond_the_bound(x, bound):
    result = evaluate(ClippedKL(bound), x)
    if x["kl"] < bound:
        check(result, free(x), -1, x["temperature"], 0)
    else:
        check(result, x["kl_multiplier"] * x["kl"], 0, 0, x["kl_multiplier"])


@given(INPUTS, st.floats(0.015625, 8, width=32))
def test_outweighed_kl_keeps_the_gradient_of_q_beyond_the_bound(x, bound):
    result = evaluate(OutweighedKL(bound), x)
    beyond = x["kl"] >= bound
    penalty = x["kl_multiplier"] * x["kl"] if beyond else 0
    check(result, free(x) + penalty, -1, x["temperature"], x["kl_multiplier"] if beyond else 0)


@given(INPUTS, st.sampled_from([ClippedKL(1.0), PenalizedKL(1.0), OutweighedKL(1.0)]))
def test_without_entropy_an_objective_is_that_of_temperature_0(x, objective):
    without = WithoutEntropy(objective)
    check(evaluate(without, x), *flattened(evaluate(objective, x | {"temperature": 0.0})))
    assert without.kl_bound == objective.kl_bound


def flattened(result):
    return [result[0], *(result[1][name] for name in ("q", "log_prob", "kl"))]


@given(INPUTS, st.booleans())
def test_outweighed_kl_lies_between_penalized_and_unconstrained(x, inside):
    inside = np.asarray(inside)
    other = evaluate(Unconstrained() if inside else PenalizedKL(), x)  # pyright: ignore[reportCallIssue]
    check(evaluate(OutweighedKL(), x, inside), other[0], *(other[1][name] for name in ("q", "log_prob", "kl")))


@given(arrays(np.float32, 5, elements=POSITIVE), POSITIVE)
def test_without_a_gate_every_state_is_inside(kl, bound):
    np.testing.assert_array_equal(NoGate()(jnp.asarray(kl), np.float32(bound)), np.ones(5, bool))


@given(INPUTS)
def test_at_the_bound_a_state_counts_as_beyond_it(x):
    assert evaluate(ClippedKL(0.25), x | {"kl": 0.25})[1]["q"] == 0
    assert evaluate(ClippedKL(0.25), x | {"kl": np.nextafter(np.float32(0.25), np.float32(0))})[1]["q"] == -1


@given(INPUTS, st.booleans())
def test_the_gates_verdict_overrides_the_bound(x, inside):
    gradient = evaluate(ClippedKL(0.1), x, jnp.asarray(inside))[1]
    assert gradient["q"] == (-1 if inside else 0)
    assert gradient["kl"] == (0 if inside else np.float32(x["kl_multiplier"]))


@given(INPUTS, st.sampled_from([None, True, False]))
def test_penalized_kl_adds_all_terms_everywhere(x, inside):
    result = evaluate(PenalizedKL(0.1), x, None if inside is None else jnp.asarray(inside))
    check(result, free(x) + x["kl_multiplier"] * x["kl"], -1, x["temperature"], x["kl_multiplier"])


@given(INPUTS, st.sampled_from([None, True, False]))
def test_unconstrained_ignores_the_kl(x, inside):
    result = evaluate(Unconstrained(), x, None if inside is None else jnp.asarray(inside))
    check(result, free(x), -1, x["temperature"], 0)


def test_bounds():
    assert ClippedKL(0.2).kl_bound == np.float32(0.2) and PenalizedKL(0.3).kl_bound == np.float32(0.3)
    assert Unconstrained().kl_bound == np.inf


@pytest.mark.parametrize(
    ("objective", "name"), [(ClippedKL, "clipped"), (PenalizedKL, "full"), (lambda bound: Unconstrained(), "value")]
)
def test_golden(objective, name):
    kl, log_prob, q = (jnp.asarray(GOLDEN[f"actor/{field}"]) for field in ("kl", "log_prob", "q"))
    alpha, beta, bound, _ = GOLDEN["actor/alpha_beta_bound_actiondim"].tolist()
    actual = jax.vmap(
        lambda q, log_prob, kl: objective(bound)(q=q, log_prob=log_prob, kl=kl, temperature=alpha, kl_multiplier=beta)
    )(q, log_prob, kl)
    np.testing.assert_allclose(actual, GOLDEN[f"actor/{name}"], rtol=1e-5, atol=1e-5)


KLS = arrays(np.float32, 8, elements=st.floats(0, 1, width=32))
per_state = jax.jit(PerState())
per_batch = jax.jit(PerBatch())


@given(KLS, st.floats(0.015625, 1, width=32))
def test_gates(kl, bound):
    bound = np.float32(bound)
    np.testing.assert_array_equal(per_state(kl, bound), kl < bound)
    if abs(kl.mean() - bound) > 1e-6:
        np.testing.assert_array_equal(per_batch(kl, bound), np.full(8, kl.mean() < bound))


def test_gates_are_strict_at_the_bound():
    kl = jnp.full(4, 0.25)
    assert not jnp.any(PerState()(kl, np.float32(0.25))) and not jnp.any(PerBatch()(kl, np.float32(0.25)))


def test_gates_part_ways_where_states_differ():
    kl = jnp.array([0.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(PerState()(kl, np.float32(0.5)), [True, True, True, False])
    np.testing.assert_array_equal(PerBatch()(kl, np.float32(0.5)), [True] * 4)
    np.testing.assert_array_equal(PerBatch()(kl, np.float32(0.2)), [False] * 4)


@eqx.filter_jit
def multiplier_gradient(multiplier, parameter, slack):
    return jax.value_and_grad(multiplier.loss, argnums=(0, 1))(parameter, slack)


@given(st.floats(1e-4, 10), VALUE)
def test_a_learned_multiplier_is_moved_by_multiplier_times_slack(initial, slack):
    multiplier = LearnedMultiplier(initial)
    parameter = multiplier.init()
    np.testing.assert_allclose(multiplier.value(parameter), initial, rtol=1e-5)
    value, (gradient, slack_gradient) = multiplier_gradient(multiplier, parameter, jnp.asarray(slack, jnp.float32))
    np.testing.assert_allclose([value, gradient], initial * slack, rtol=1e-5, atol=1e-30)
    assert slack_gradient == 0


def test_the_multipliers_gradients_equal_the_golden_ones():
    kl, log_prob = GOLDEN["actor/kl"], GOLDEN["actor/log_prob"]
    alpha, beta, bound, action_size = GOLDEN["actor/alpha_beta_bound_actiondim"].tolist()
    entropy_slack = jnp.float32(-log_prob.mean() - (-0.5) * action_size)
    kl_slack = jnp.float32(bound - kl.mean())
    for initial, slack, name in ((alpha, entropy_slack, "grad_log_alpha"), (beta, kl_slack, "grad_log_beta")):
        multiplier = LearnedMultiplier(initial)
        _, (gradient, _) = multiplier_gradient(multiplier, multiplier.init(), slack)
        np.testing.assert_allclose(gradient, GOLDEN[f"actor/{name}"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("slack", "rises"),
    [(-2.0 - (-0.5) * 3, True), (-1.0 - (-0.5) * 3, False), (0.1 - 0.3, True), (0.1 - 0.05, False)],
    ids=["entropy below its target", "entropy above it", "KL above its bound", "KL below it"],
)
def test_a_learned_multiplier_rises_while_its_constraint_is_violated(slack, rises):
    multiplier = LearnedMultiplier(0.5)
    parameter = multiplier.init()
    _, (gradient, _) = multiplier_gradient(multiplier, parameter, jnp.float32(slack))
    assert bool(multiplier.value(parameter - 0.1 * gradient) > multiplier.value(parameter)) == rises


@pytest.mark.parametrize(("far", "value"), [(1e4, 1e8), (-1e4, 1e-8)])
def test_a_learned_multiplier_is_held_within_its_limits_and_comes_back_from_them(far, value):
    multiplier = LearnedMultiplier()
    parameter = jnp.float32(far)
    np.testing.assert_allclose(multiplier.value(parameter), value, rtol=1e-4)
    slopes = [multiplier_gradient(multiplier, parameter, jnp.float32(s))[1][0] for s in (np.sign(far), -np.sign(far))]
    assert slopes[0] * far > 0 and slopes[1] == 0


def test_a_learned_multiplier_is_a_constant_to_other_losses():
    assert jax.grad(lambda parameter: 3 * LearnedMultiplier().value(parameter))(jnp.float32(-1.0)) == 0


def test_a_fixed_multiplier_has_no_parameter_and_no_loss():
    multiplier = FixedMultiplier(0.3)
    assert multiplier.init() is None
    assert multiplier.value(None) == np.float32(0.3)
    assert multiplier.loss(None, jnp.float32(5.0)) == 0
