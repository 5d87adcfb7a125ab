"""What is guarded, and that a run that diverged says what was not finite first."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from reppo.algorithms import AbstractAlgorithm, AlgorithmState
from reppo.component import static
from reppo.environments import Observation
from reppo.rollout import Trajectory
from reppo.spec import resolve
from reppo.summary import Summary, flatten
from reppo.training import init, loop
from reppo.training.faults import first_fault, suspects
from tests.algorithms.toys import ToyReplay, ToyReplayPolicy
from tests.tiny import tiny_reppo, tiny_spec

NAMES = ["actor/entropy", "actor/loss", "critic/gradient_norm", "critic/loss", "critic/q", "episodes/return"]
NAMES += ["targets/value"]
MINIBATCHES = 4


def rollout(**changes):
    ones, flags = jnp.ones((2, 3)), jnp.zeros((2, 3), bool)
    observation = Observation(jnp.ones((2, 3, 4)), None)
    fields = {
        "observation": observation,
        "action": ones[..., None],
        "extras": (ones,),
        "reward": ones,
        "terminated": flags,
    }
    return Trajectory(**(fields | {"truncated": flags, "final_observation": observation} | changes))


def named(algorithm, broken, state=1.0, trajectory=None):
    """The name of the first, where each of these metrics breaks at a minibatch, and stays so."""
    values = {name: jnp.arange(MINIBATCHES) >= broken.get(name, MINIBATCHES) for name in NAMES}
    stacked = {name: jax.vmap(Summary.of)(jnp.where(bad, jnp.nan, 1.0)) for name, bad in values.items()}
    metrics = {name: flatten(summary) for name, summary in stacked.items()}
    tree = AlgorithmState({"critic": jnp.array([1.0, state]), "count": jnp.array(3)})
    place = first_fault(algorithm, tree, metrics, rollout() if trajectory is None else trajectory)
    return suspects(algorithm, tree, metrics)[int(place)]


@pytest.mark.parametrize(
    ("broken", "first"),
    [
        ({"actor/loss": 0, "actor/entropy": 1}, "actor/loss"),  # an earlier minibatch comes first
        ({"actor/loss": 1, "actor/entropy": 1}, "actor/entropy"),  # in one minibatch, the cause
        ({"critic/gradient_norm": 1, "critic/q": 2, "critic/loss": 2, "actor/loss": 2}, "critic/gradient_norm"),
        ({"critic/q": 3, "critic/loss": 3, "actor/loss": 3}, "critic/q"),
        ({"critic/q": 3, "actor/loss": 0}, "critic/q"),  # the actor's later minibatches of CriticThenActor
        ({"targets/value": 0, "critic/loss": 0, "actor/loss": 0}, "targets/value"),
        ({}, "state/learner/critic"),
    ],
)
def test_the_cause_comes_before_what_it_spoils(broken, first):
    assert named(tiny_reppo(), broken, state=jnp.inf) == first


def test_what_was_collected_comes_before_everything():
    bad = rollout(reward=jnp.full((2, 3), jnp.nan))
    assert named(tiny_reppo(), {"targets/value": 0}, jnp.nan, bad) == "rollout/reward"


def test_an_algorithm_that_names_no_causes_still_gives_a_name():
    assert named(ToyReplay(), {"critic/loss": 0}, jnp.nan) == "critic/loss"


def test_the_moment_is_kept_when_summaries_are_merged():
    one, nan = Summary.of(jnp.ones(3)), Summary.of(jnp.array([1.0, jnp.nan]))
    assert one.broken == jnp.inf and nan.broken == 0
    assert one.merge(nan).broken == 3 and nan.merge(one).broken == 0
    assert one.merge(one).merge(nan).merge(nan).broken == 6
    hidden = Summary.of(jnp.array([1.0, jnp.nan]), jnp.array([True, False]))
    assert hidden.broken == jnp.inf and Summary.none().merge(nan).broken == 0


@final
class Breaks(AbstractAlgorithm):
    """Its data are not finite after the first update, its statistics after the second."""

    num_environments: int = static(4)
    rollout_length: int = static(2)

    def init(self, key, interface):
        return AlgorithmState({"action": jnp.zeros(1), "count": jnp.zeros(())}, jnp.zeros(()), jnp.zeros(()))

    def policy(self, state):
        return ToyReplayPolicy(state.learner["action"])

    def update(self, state, trajectory, key):
        count = state.learner["count"]
        broken = lambda at: jnp.where(count == at, jnp.nan, 1.0)
        return AlgorithmState(state.learner | {"count": count + 1}, broken(1), broken(0)), {"count": Summary.of(count)}


def test_statistics_are_guarded_and_data_are_not():
    spec = resolve(tiny_spec(algorithm=Breaks()))
    step = eqx.filter_jit(lambda state: loop.iterate(spec, state, loop.make_environment(spec)))
    first, _ = step(eqx.filter_jit(init)(spec, 0))
    second, metrics = step(first)
    assert first.diverged_at == -1 and jnp.isnan(first.algorithm.data) and first.algorithm.learner["count"] == 1
    assert second.diverged_at == 1
    assert second.algorithm.learner["count"] == second.algorithm.statistics == 1
    named = suspects(spec.algorithm, second.algorithm, metrics)
    assert named[int(second.diverged_by)] == "state/statistics"
