"""Algorithms with parts of each other, on probes whose best returns and values are known."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.ablation import Arm, find_ablation
from reppo.distributions import CategoricalHead
from reppo.environments import Observation
from reppo.errors import ConfigurationError
from reppo.losses import ClippedKL, ClippedSurrogateLoss, ExpectedLoss, FixedMultiplier, StateValue, SupportFromRewards
from reppo.networks import ActionAsOutput, Critic
from reppo.optimization import Adam, NoClip
from reppo.spec import Evaluation, Spec, resolve
from reppo.targets import ExpectedAction
from tests.tiny import tiny_ppo, tiny_reppo, train_alone

CONTINUOUS, DISCRETE = environments.probe("BestAction"), environments.probe("DelayedChoice")
OF_REPPO = [
    "actor/score_function",
    "actor/lambda_advantage",
    "actor/clipped_surrogate",
    "actor/weighted_likelihood",
    "actor/weighted_likelihood_alone",
    "entropy/only_in_targets",
]
CRITIC = "ppo/auxiliary_task+ppo/categorical_value+ppo/normalization_layers"
OF_PPO = [
    "ppo/categorical_value",
    "ppo/normalization_layers",
    "ppo/auxiliary_task",
    "ppo/kl_gate",
    "ppo/running_reward_scale",
    "ppo/shared_trunk",
    CRITIC,
    f"{CRITIC}+ppo/kl_gate",
]


def arm(names):
    return Arm(tuple(find_ablation(name) for name in names.split("+")))


def base(name, environment, **changes):
    """REPPO or PPO in small, for the actions of the task."""
    settings = {"gamma": 0.5, "multiplier_optimizer": Adam(learning_rate=3e-3, clip=NoClip())} | changes
    if environment.discrete:
        settings |= {"head": CategoricalHead(0.5)}
    if name.startswith("ppo"):
        algorithm = tiny_ppo(**settings)
    else:
        if environment.discrete:
            exact = {"actor_loss": ExpectedLoss(), "next_value": ExpectedAction()}
            settings |= exact | {"critic": Critic(width=16, action=ActionAsOutput())}
        algorithm = tiny_reppo(**settings)
    return Spec(environment=environment, algorithm=algorithm, evaluation=Evaluation(interval=128 * 100, episodes=16))


@pytest.mark.slow
@pytest.mark.parametrize("environment", [CONTINUOUS, DISCRETE], ids=lambda task: task.name)
@pytest.mark.parametrize("name", [*OF_REPPO, *OF_PPO])
def test_the_best_action_is_learned(name, environment):
    steps = 128 * (200 if environment.discrete else 800)
    _, reports = train_alone(arm(name)(base(name, environment)), seed=0, steps=steps)
    returns = np.stack([report.evaluated.episode_return for report in reports])
    if environment.discrete:
        assert np.all(returns[-1] == 1)
    else:  # at a learning rate of 0.01 a single evaluation may fall on a bad moment
        assert np.median(returns.mean(1)[-3:]) > -0.05 > returns[0].mean(), returns.mean(1)


@pytest.mark.slow  # two programs
@pytest.mark.parametrize("probe", ["TruncatedStep", "TerminalStep"])
def test_a_categorical_value_with_all_parts_of_reppos_critic_learns_those_of_the_probe(probe):
    environment = environments.probe(probe)
    spec = resolve(arm(CRITIC)(base("ppo", environment)))
    state, _ = train_alone(spec, seed=0, steps=128 * 100)
    task, critic = environment.make(), StateValue(state.algorithm.learner.critic, spec.algorithm.value)
    statistics = state.algorithm.statistics.observations.actor
    for row in np.unique(np.asarray(state.episodes.observation.actor), axis=0):
        value = critic(spec.algorithm.normalizer(statistics, jnp.asarray(row)))
        np.testing.assert_allclose(value, task.value(Observation(actor=jnp.asarray(row)), 0.5), atol=0.15)


def test_what_a_hybrid_changes_is_what_it_says():
    algorithm = arm(f"{CRITIC}+ppo/kl_gate")(base("ppo", DISCRETE)).algorithm
    reppo = tiny_reppo()
    assert type(algorithm.value) is type(reppo.value) and algorithm.value.support == SupportFromRewards()
    assert algorithm.actor.norm == algorithm.critic.norm == reppo.actor.norm
    assert algorithm.auxiliary == reppo.auxiliary and algorithm.actor_loss.objective == ClippedKL(0.02)
    assert algorithm.head == CategoricalHead(0.5) and algorithm.temperature == FixedMultiplier(0.0)
    for name in OF_REPPO[:5]:
        made = arm(name)(base(name, CONTINUOUS))
        changed = {"actor_loss"} | ({"kl_multiplier"} if name == "actor/clipped_surrogate" else set())
        assert {field for field in changes(base(name, CONTINUOUS), made)} == changed, name


def changes(before, after):
    fields = [field.name for field in dataclasses.fields(before.algorithm)]
    return [name for name in fields if getattr(before.algorithm, name) != getattr(after.algorithm, name)]


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        (
            "ppo/categorical_value",
            lambda: base("reppo", CONTINUOUS),
            "parts of REPPO in Ppo, and the algorithm is Reppo",
        ),
        ("ppo/kl_gate", lambda: base("reppo", CONTINUOUS), r"surrogate, which is not a path of Reppo.*a path of Ppo"),
        ("actor/weighted_likelihood", lambda: base("ppo", CONTINUOUS), "asks a critic for the values of actions"),
        ("actor/lambda_advantage", lambda: base("ppo", CONTINUOUS), "asks a critic for the values of actions"),
        ("entropy/only_in_targets", lambda: base("ppo", CONTINUOUS), "targets of Ppo have no entropy bonus anyway"),
        (
            "actor/weighted_likelihood",
            lambda: base("reppo", CONTINUOUS, actor_loss=ClippedSurrogateLoss(), kl_multiplier=FixedMultiplier(0.0)),
            "has no .*objective|objective.* is not",
        ),
        (
            "ppo/categorical_value",
            lambda: find_ablation("ppo/clipped_value")(base("ppo", CONTINUOUS)),
            r"outputs stand for HLGauss\. Choose algorithm.value=ScalarValue\(\)",
        ),
        (
            "ppo/categorical_value",
            lambda: find_ablation("ppo/running_reward_scale")(base("ppo", CONTINUOUS)),
            "changes the units of values as it goes, and HLGauss has a support",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(name, spec, message):
    with pytest.raises(ConfigurationError, match=message):
        find_ablation(name)(spec())
