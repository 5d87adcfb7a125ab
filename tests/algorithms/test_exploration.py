"""What actions are drawn from while they are collected, and what that means for returns."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments, presets
from reppo.ablations import kl
from reppo.ablations import policy as entries
from reppo.algorithms import BestOfDraws, WiderDraws
from reppo.distributions import AbstractDistribution, TanhNormal
from reppo.environments import Observation
from reppo.errors import ConfigurationError
from reppo.losses import ClippedSurrogateLoss
from reppo.spec import replace_path, validate
from reppo.targets import AbstractNextValue, FreshAction, SoftLambda, TakenAction
from tests.algorithms.trajectories import make_trajectory
from tests.tiny import tiny_reppo, tiny_spec, train_alone

INTERFACE = environments.probe("BestAction").make().interface()


def test_the_weight_is_the_clipped_ratio_of_the_densities():
    wider = WiderDraws(least=2.0, most=2.0, least_weight=0.5)
    policy, broad = TanhNormal(jnp.zeros(1), jnp.ones(1)), TanhNormal(jnp.zeros(1), jnp.full(1, 2.0))
    keys = jax.random.split(jax.random.key(0), 4096)
    memory = wider.start(jax.random.key(1))
    draws, weights = jax.vmap(lambda key: wider.draw(policy, memory, key))(keys)
    np.testing.assert_allclose(np.asarray(draws).std(), 2.0, rtol=0.05)
    ratios = np.exp(jax.vmap(policy.log_prob_of_draw)(draws) - jax.vmap(broad.log_prob_of_draw)(draws))
    np.testing.assert_allclose(weights, np.clip(ratios, 0.5, 1.0), rtol=1e-4)
    # Densities in [0.5, 1] times each other: |u| in [1.36, 1.92], with a standard deviation of 2.
    assert 0.1 < np.mean((weights > 0.5) & (weights < 1)) < 0.25


def test_evaluation_acts_as_without_and_a_factor_of_1_learns_the_same():
    plain, one, wide = (
        tiny_spec(algorithm=tiny_reppo(**changes))
        for changes in ({}, {"exploration": WiderDraws(1.0, 1.0)}, {"exploration": WiderDraws(3.0, 3.0)})
    )
    state = plain.algorithm.init(jax.random.key(0), INTERFACE)
    act = eqx.filter_jit(lambda policy, key: policy((), Observation(jnp.ones(1)), jax.random.key(key), True)[0])
    np.testing.assert_array_equal(*(act(spec.algorithm.policy(state), 1) for spec in (plain, wide)))
    (a, _), (b, reports), (c, wider) = (train_alone(spec, seed=0, steps=512) for spec in (plain, one, wide))
    weights = lambda reports: np.concatenate([np.ravel(r.metrics["targets/trace_weight"].mean) for r in reports[1:]])
    np.testing.assert_array_equal(weights(reports), 1)
    assert np.all((weights(wider) > 0.5) & (weights(wider) < 1))
    leaves = [jax.tree.leaves(eqx.filter(state.algorithm.learner.actor, eqx.is_array)) for state in (a, b, c)]
    for own, same, other in zip(*leaves, strict=True):
        np.testing.assert_allclose(own, same, rtol=1e-4, atol=1e-6)
        assert not np.array_equal(own, other)


def test_the_weight_of_the_next_action_goes_with_the_trace_through_it():
    algorithm = tiny_reppo(exploration=WiderDraws(3.0, 3.0))
    state = algorithm.init(jax.random.key(0), INTERFACE)
    trajectory = make_trajectory(algorithm, state)
    weight = jax.random.uniform(jax.random.key(1), trajectory.reward.shape, minval=0.5)
    extras = dataclasses.replace(trajectory.extras, weight=weight)
    flags = {name: jnp.zeros_like(trajectory.terminated) for name in ("terminated", "truncated")}
    trajectory = dataclasses.replace(trajectory, extras=extras, **flags)
    prepare = eqx.filter_jit(lambda algorithm: algorithm.prepare(state, trajectory, jax.random.key(2))[0].target)
    one_step, target = prepare(dataclasses.replace(algorithm, targets=SoftLambda(0.0))), prepare(algorithm)
    one_step, target = (np.asarray(x).reshape(weight.shape) for x in (one_step, target))
    # One-step targets are r + gamma V, so that each return adds gamma lambda w_(t+1) (G_(t+1) - V_t).
    gamma, lam = float(algorithm.gamma), float(algorithm.targets.lam)
    reward_and_bonus = prepare(dataclasses.replace(algorithm, targets=SoftLambda(0.0), next_value=Worthless()))
    value = (one_step - np.asarray(reward_and_bonus).reshape(weight.shape)) / gamma
    expected = one_step[:-1] + gamma * lam * np.asarray(weight)[1:] * (target[1:] - value[:-1])
    np.testing.assert_allclose(target[:-1], expected, rtol=1e-4, atol=1e-5)


class Worthless(AbstractNextValue):
    """Fresh actions, whose values are 0."""

    def __call__(self, distribution, evaluate, taken, continues, key):
        return dataclasses.replace(FreshAction()(distribution, evaluate, taken, continues, key), value=jnp.zeros(()))


def test_once_trained_a_policy_neither_explores_nor_remembers():
    algorithm = tiny_reppo(exploration=WiderDraws(3.0, 3.0), preference=BestOfDraws(2))
    policy = algorithm.policy(algorithm.init(jax.random.key(0), INTERFACE))
    assert jax.tree.leaves(policy.start(jax.random.key(0)))
    done, plain = (
        policy.exploiting(),
        tiny_reppo(preference=BestOfDraws(2)).policy(algorithm.init(jax.random.key(0), INTERFACE)),
    )
    assert done.start(jax.random.key(0)) == ()
    act = eqx.filter_jit(lambda policy: policy((), Observation(jnp.ones(1)), jax.random.key(3), False)[0])
    np.testing.assert_array_equal(act(done), act(plain))


@pytest.mark.parametrize(
    ("path", "component", "cure"),
    [("next_value", TakenAction(), "FreshAction"), ("actor_loss", ClippedSurrogateLoss(), "PathwiseLoss")],
)
def test_what_learns_from_the_taken_actions_as_the_policys_own_is_refused(path, component, cure):
    spec = entries.wider_draws(kl.no_kl(presets.reppo_small(environments.gymnax("Pendulum-v1"))))
    with pytest.raises(ConfigurationError, match=rf"{type(component).__name__} \({path}\) learns from .*{cure}"):
        validate(replace_path(spec, f"algorithm.{path}", component))


def test_a_distribution_without_a_scale_says_so(unchecked):
    with pytest.raises(ConfigurationError, match=r"Fixed has no standard deviation to widen.*OwnDraws"):
        WiderDraws().draw(Fixed(), 1.5, jax.random.key(0))


class Fixed(AbstractDistribution):
    """Only what the test asks for."""

    draw = action_of = draw_of = log_prob_of_draw = log_ratio = kl = entropy = mode = expect = lambda self, *_: None
