"""Which action evaluation takes: the policy's mode, or the best of several by the critic."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.algorithms import BestOfDraws, GreedyPolicy
from reppo.environments import Observation
from reppo.errors import ConfigurationError
from reppo.policies import evaluate_policy, load_policy
from reppo.results import RunFolder
from reppo.rollout import AbstractPolicy
from reppo.spec import replace_path
from reppo.sweep import Experiment, execute
from reppo.tracking import NoTracker
from tests.tiny import tiny_preset, tiny_reppo, tiny_sac, tiny_spec

INTERFACE = environments.probe("BestAction").make().interface()


@pytest.mark.parametrize("tiny", [tiny_reppo, tiny_sac])
def test_the_best_of_the_draws_by_the_critic_is_taken_and_the_policy_collects_as_before(tiny):
    plain, greedy = tiny(), tiny(preference=BestOfDraws(8))
    state = plain.init(jax.random.key(0), INTERFACE)
    policy, other = plain.policy(state), greedy.policy(state)
    assert isinstance(other, GreedyPolicy) and isinstance(other, AbstractPolicy)
    observation = Observation(actor=jnp.ones(1))
    act = eqx.filter_jit(lambda one, key, deterministic: one((), observation, jax.random.key(key), deterministic)[0])
    draws = jax.vmap(policy.distribution(observation).sample)(jax.random.split(jax.random.key(0), 8))
    seen = policy.normalizer(policy.statistics, observation.actor)
    actions = jnp.clip(
        jnp.concatenate([act(policy, 0, True)[None], draws]), -plain.head.max_action, plain.head.max_action
    )
    values = [float(other.q(seen, action)) for action in actions]
    np.testing.assert_allclose(act(other, 5, True), actions[int(np.argmax(values))], rtol=1e-5)
    assert max(values) > values[0]  # of the mode
    np.testing.assert_array_equal(act(other, 3, False), act(policy, 3, False))


def test_a_task_whose_critic_sees_more_is_refused():
    spec = tiny_spec("PrivilegedValue", algorithm=tiny_reppo(preference=BestOfDraws()))
    with pytest.raises(ConfigurationError, match=r"the critic of this task sees more .* Choose OwnMode"):
        spec.algorithm.init(jax.random.key(0), spec.environment.make().interface())


def greedy_preset(environment):
    return replace_path(tiny_preset(environment), "algorithm.preference", BestOfDraws(4))


def test_an_exported_policy_acts_as_it_was_evaluated(tmp_path):
    tasks = [environments.probe("BestAction")]
    execute(Experiment(name="e", base=greedy_preset, environments=tasks, seeds=1, steps=256), tmp_path, NoTracker())
    run = tmp_path / "runs" / "base" / "BestAction" / "seed0"
    trained = load_policy(run, "last")
    assert isinstance(trained.policy, GreedyPolicy)
    found = np.asarray(evaluate_policy(trained, seed=0).episode_return)
    evaluations = RunFolder(run).read_evaluations()
    last = evaluations.returns[evaluations.environment_steps == evaluations.environment_steps.max()]
    np.testing.assert_allclose(found, last, rtol=1e-4, atol=1e-6)
