"""The presets against the published tables, and the reference's choices against the catalog."""

import warnings

import numpy as np
import pytest

from reppo import environments, presets
from reppo.ablation import Arm, find_ablation
from reppo.distributions import TanhNormalHead
from reppo.errors import ConfigurationError
from reppo.losses import FixedMultiplier, FixedSupport, HLGauss, LearnedMultiplier, MismatchedKL
from reppo.networks import LayerNorm, LecunNormal, LinearEmbedding, NoNorm, RMSNorm, ZeroOffset
from reppo.normalization import PerStepStatistics, RunningMeanVariance
from reppo.optimization import Adam, ClipByGlobalNorm, Epochs, NoClip, WithActor
from reppo.spec import difference, get_path, resolve
from reppo.targets import BonusAlways, FreshAction, FreshValueClippedBonus, ShiftedFlag

TASK = environments.playground("CartpoleSwingup")
HUMANOID = environments.playground("G1JoystickFlatTerrain", config={"push_config": {"enable": False}})

DIFFERENCES = {
    # what of the reference differs from `reppo`: the ablation that makes it so
    "algorithm.head.floor": "policy/floor",
    "algorithm.actor_loss.kl": "kl/mismatched",
    "algorithm.entropy_bonus": "entropy/bonus_at_termination",
    "algorithm.multiplier_optimizer": "optimizer/shared_multipliers",
    "algorithm.critic_offset": "critic/zero_offset",
    "algorithm.truncation": "targets/shifted_truncation",
    "algorithm.normalizer": "observations/per_step",
}


@pytest.mark.parametrize("environment", [TASK, environments.gymnax("Pendulum-v1")], ids=lambda e: e.name)
def test_the_reference_is_the_base_after_a_registered_ablation_for_each_difference(environment):
    base, reference = presets.reppo(environment), presets.reppo_reference(environment)
    assert {path for path, _, _ in difference(base, reference)} == set(DIFFERENCES)
    assert Arm(tuple(find_ablation(name) for name in DIFFERENCES.values()))(base) == reference


@pytest.mark.parametrize(("path", "name"), DIFFERENCES.items())
def test_each_of_these_ablations_makes_its_difference_and_no_other(path, name):
    base, reference = presets.reppo(TASK), presets.reppo_reference(TASK)
    after = find_ablation(name)(base)
    assert [changed for changed, _, _ in difference(base, after)] == [path]
    assert get_path(after, path) == get_path(reference, path)


@pytest.mark.parametrize("name", ["observations/deviation", "value/wide_support"])
def test_an_entry_that_does_not_fit_a_preset_is_named(name):
    base = presets.reppo_humanoid(HUMANOID) if name == "value/wide_support" else presets.reppo_reference(TASK)
    with pytest.raises(
        ConfigurationError, match=rf"The ablation '{name}' (does not fit this base|touches .* not a path)"
    ):
        find_ablation(name)(base)


def test_the_choices_of_the_reference_one_by_one():
    algorithm = resolve(presets.reppo_reference(TASK)).algorithm
    assert algorithm.head == TanhNormalHead(floor=0.1)
    assert algorithm.actor_loss.kl == MismatchedKL(num_samples=16)
    assert algorithm.entropy_bonus == BonusAlways()
    assert algorithm.multiplier_optimizer == WithActor()
    assert algorithm.actor_optimizer == algorithm.critic_optimizer == Adam(3e-4, ClipByGlobalNorm(0.5))
    assert algorithm.critic_offset == ZeroOffset(scale=40.0)
    assert algorithm.truncation == ShiftedFlag()
    assert algorithm.normalizer == PerStepStatistics(RunningMeanVariance(epsilon=1e-2))
    assert algorithm.next_value == FreshAction(num_samples=1)
    assert algorithm.actor.norm == algorithm.critic.norm == RMSNorm()
    assert algorithm.actor.initializer == algorithm.critic.initializer == LecunNormal()
    assert algorithm.critic.embedding == LinearEmbedding()
    assert algorithm.temperature == algorithm.kl_multiplier == LearnedMultiplier(initial=0.01)
    assert (algorithm.actor.width, algorithm.actor.depth, algorithm.critic.width) == (512, 2, 512)


# What of the single-file version differs from `reppo`: the ablation that makes it so.
SINGLE_FILE = {
    "algorithm.rollout_length": "updates/quarter_length",
    "algorithm.batches.num_minibatches": "updates/half_the_minibatches",
    "algorithm.batches.epochs": "updates/half_the_epochs",
    "algorithm.normalizer.epsilon": "observations/small_epsilon",
    "algorithm.actor.depth": "network/deeper_actor",
    "algorithm.critic.encoder_depth": "network/deeper_critic",
    "algorithm.critic.embedding": "critic/activated_embedding",
    "algorithm.critic_offset": "critic/zero_offset",
    "algorithm.head.floor": "policy/small_floor",
    "algorithm.auxiliary.weight": "auxiliary/zero_weight",
    "algorithm.next_value": "targets/taken_bonus_clipped",
    "algorithm.entropy_bonus": "entropy/bonus_at_termination",
    "algorithm.truncation": "targets/masked_truncation",
    "algorithm.actor_loss.kl": "kl/mismatched_4",
    "algorithm.temperature.initial": "entropy/low_start",
    "algorithm.multiplier_optimizer": "optimizer/shared_multipliers",
    "algorithm.actor.norm": "normalization/layer_norm",
    "algorithm.critic.norm": "normalization/layer_norm",
}


@pytest.mark.parametrize("environment", [TASK, environments.gymnax("Pendulum-v1")], ids=lambda e: e.name)
def test_the_single_file_is_the_base_after_a_registered_ablation_for_each_difference(environment):
    base, single = presets.reppo(environment), presets.reppo_single_file(environment)
    assert {path for path, _, _ in difference(base, single)} == set(SINGLE_FILE)
    names = sorted(set(SINGLE_FILE.values()))
    assert Arm(tuple(find_ablation(name) for name in names))(base) == single
    changed = [path for name in names for path, _, _ in difference(base, find_ablation(name)(base))]
    assert sorted(changed) == sorted(SINGLE_FILE)  # each makes its own difference and no other
    sourced = [name for name in names if "single-file" in find_ablation(name).reference]
    assert set(names) - set(sourced) == {
        "normalization/layer_norm",  # named by the paper's text too
        "critic/zero_offset",  # what both official versions share, and `reppo` has not
        "entropy/bonus_at_termination",
        "optimizer/shared_multipliers",
    }


def test_the_single_file_has_its_published_settings():
    algorithm = resolve(presets.reppo_single_file(TASK)).algorithm
    assert (algorithm.num_environments, algorithm.rollout_length) == (1024, 32)
    assert algorithm.batches == Epochs(epochs=4, num_minibatches=32)
    assert algorithm.value == HLGauss(FixedSupport(0.0, 150.0), num_bins=151)
    assert algorithm.actor_loss.kl == MismatchedKL(num_samples=4)
    assert algorithm.next_value == FreshValueClippedBonus(num_samples=64)
    assert algorithm.temperature == LearnedMultiplier(initial=0.001)
    assert algorithm.kl_multiplier == LearnedMultiplier(initial=0.01)
    assert algorithm.auxiliary.weight == 0
    assert algorithm.normalizer == RunningMeanVariance(epsilon=1e-8)
    assert algorithm.critic_offset == ZeroOffset(scale=40.0)
    assert (algorithm.actor.depth, algorithm.critic.encoder_depth, algorithm.critic.head_depth) == (3, 2, 1)
    assert algorithm.actor.norm == algorithm.critic.norm == LayerNorm()
    assert algorithm.actor_optimizer == algorithm.critic_optimizer == Adam(3e-4, ClipByGlobalNorm(0.5))


def test_the_humanoids_have_the_published_settings():
    spec = resolve(presets.reppo_humanoid(HUMANOID))
    algorithm = spec.algorithm
    assert (algorithm.num_environments, algorithm.rollout_length) == (1024, 128)
    assert algorithm.batches == Epochs(epochs=8, num_minibatches=16)
    assert algorithm.steps_per_iteration // 16 == 8192
    assert round(float(algorithm.gamma), 6) == 0.97
    assert (algorithm.actor.width, algorithm.critic.width) == (512, 1024)
    assert algorithm.value.support == FixedSupport(-10.0, 10.0)
    assert algorithm.reward_scale == 1


def test_the_control_suite_has_the_published_settings():
    algorithm = resolve(presets.reppo(TASK)).algorithm
    assert (algorithm.num_environments, algorithm.rollout_length) == (1024, 128)
    assert algorithm.batches == Epochs(epochs=8, num_minibatches=64)
    assert algorithm.value.support == FixedSupport(0.0, 150.0)
    small = resolve(find_ablation("updates/quarter_data")(presets.reppo(TASK))).algorithm
    medium = resolve(find_ablation("updates/half_data")(presets.reppo(TASK))).algorithm
    for smaller, length, minibatches in ((medium, 64, 32), (small, 32, 16)):
        assert (smaller.rollout_length, smaller.batches.num_minibatches) == (length, minibatches)
        assert smaller.steps_per_iteration // minibatches == 2048


def test_the_ablations_of_the_paper_apply_to_the_humanoids():
    base = presets.reppo_humanoid(HUMANOID)
    for name in ("kl/no_kl", "kl/penalized", "value/mse", "normalization/no_norm", "auxiliary/none"):
        resolve(find_ablation(name)(base))
    assert find_ablation("normalization/no_norm")(base).algorithm.critic.norm == NoNorm()


def test_ppo_has_the_settings_that_playground_publishes_for_it():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what it imports
        from mujoco_playground.config.dm_control_suite_params import brax_ppo_config

    published, algorithm = brax_ppo_config("CartpoleSwingup"), resolve(presets.ppo(TASK)).algorithm
    assert algorithm.num_environments == published.num_envs
    assert algorithm.steps_per_iteration == published.batch_size * published.num_minibatches * published.unroll_length
    assert algorithm.batches == Epochs(published.num_updates_per_batch, published.num_minibatches)
    assert algorithm.gamma == np.float32(published.discounting)
    assert algorithm.reward_scale == np.float32(published.reward_scaling)
    assert algorithm.temperature == FixedMultiplier(published.entropy_cost)
    assert algorithm.actor_optimizer == algorithm.critic_optimizer == Adam(published.learning_rate, NoClip())
    assert published.normalize_observations and "max_grad_norm" not in published


def test_the_small_presets_are_of_one_size():
    ours, rival = (preset(TASK) for preset in (presets.reppo_small, presets.ppo_small))
    for path in (
        "algorithm.num_environments",
        "algorithm.rollout_length",
        "algorithm.batches",
        "algorithm.gamma",
        "algorithm.reward_scale",
        "algorithm.actor.width",
        "algorithm.actor.depth",
        "algorithm.critic.width",
        "evaluation",
    ):
        assert get_path(ours, path) == get_path(rival, path), path


@pytest.mark.parametrize("preset", [presets.reppo, presets.reppo_small])
def test_games_that_show_an_image_have_bins_where_their_returns_are(preset):
    """Rewards of 1 now and then: not one in a hundred of what rewards of 1 at every step would give."""
    support = resolve(preset(environments.gymnax("Asterix-MinAtar"))).algorithm.value.support
    assert (support.low, support.high) == (-2.0, 30.0)
    support = resolve(preset(environments.gymnax("CartPole-v1"))).algorithm.value.support
    assert (support.low, support.high) == (0.0, 150.0)


def test_a_critic_that_becomes_categorical_has_them_too():
    spec = presets.ppo_small(environments.gymnax("Breakout-MinAtar"))
    changed = resolve(find_ablation("ppo/categorical_value")(spec))
    assert changed.algorithm.value.support == FixedSupport(-2.0, 30.0)
