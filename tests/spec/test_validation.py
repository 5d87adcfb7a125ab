import dataclasses
import re

import numpy as np
import pytest

from reppo import environments
from reppo.ablation import grid, setting
from reppo.algorithms import BestOfDraws, Ppo, Reppo, Sac, SharedEncoder, Td3, WiderDraws
from reppo.component import Component, concrete_components, is_hyper
from reppo.distributions import CategoricalHead, FixedScale, FreeScale, SoftplusScale, TanhNormalHead
from reppo.errors import ConfigurationError
from reppo.losses import (
    ClippedKL,
    ClippedRatio,
    ClippedSurrogateLoss,
    ClippedValueLoss,
    DecodedMSE,
    EmbeddingPrediction,
    FixedMultiplier,
    FixedSupport,
    HLGauss,
    LambdaAdvantageLoss,
    LearnedMultiplier,
    LowVarianceKL,
    MismatchedKL,
    OutweighedKL,
    PathwiseLoss,
    PenalizedKL,
    RewardPrediction,
    SampledKL,
    ScalarValue,
    ScoreFunctionLoss,
    SelfPrediction,
    SmoothActionGradient,
    SupportFromRewards,
    TwoHot,
    Unconstrained,
    WeightedLikelihoodLoss,
)
from reppo.networks import Actor, BatchNorm, Convolution, Critic, Orthogonal, ResidualBlocks, ZeroBias, ZeroOffset
from reppo.normalization import RunningMeanDeviation, RunningMeanVariance, RunningReturnScale
from reppo.optimization import Adam, AdamW, ClipByGlobalNorm, Epochs, LinearAnnealing, Polyak, Sampled, TargetKL
from reppo.presets import reppo, reppo_small
from reppo.replay import UniformReplay
from reppo.spec import (
    Evaluation,
    Spec,
    concerns,
    format_value,
    from_json,
    list_paths,
    replace_path,
    resolve,
    to_json,
    validate,
)
from reppo.sweep import Experiment, Rival, train
from reppo.targets import (
    FreshAction,
    FreshValueClippedBonus,
    FreshValueTakenBonus,
    SoftLambda,
    TakenAction,
    TakenActionClippedBonus,
)

SPEC = reppo(environments.probe("ConstantReward"))
NAN = float("nan")

# Component, field, values out of range, and what the error says of the last of them.
RANGES = [
    (Reppo, "num_environments", [-1, 0], r"num_environments is 0; give at least 1"),
    (Reppo, "rollout_length", [-1, 0], r"rollout_length is 0; give at least 1"),
    (Reppo, "gamma", [NAN, -0.1, 1.5], r"gamma is 1\.5; give one in \[0, 1\]"),
    (Reppo, "reward_scale", [NAN, -1, 0], r"reward_scale is 0\.0; give a positive one"),
    (TanhNormalHead, "max_action", [NAN, 0, 1.5], r"max_action is 1\.5; give one in \(0, 1\]"),
    (Evaluation, "interval", [-1, 0], r"evaluation\.interval is 0 steps; give at least 1"),
    (Evaluation, "episodes", [-1, 0], r"evaluation\.episodes is 0; give at least 1"),
    (Spec, "matmul_precision", ["", "low"], r"matmul_precision is 'low'; give one of highest, high, default"),
    (TanhNormalHead, "floor", [NAN, 11, -0.1], r"floor of the standard deviation is -0\.1; give one in \[0, 10\]"),
    (RunningMeanVariance, "epsilon", [NAN, -1, 0], r"epsilon of observation normalization is 0\.0; give a positive"),
    (RunningMeanDeviation, "epsilon", [NAN, -1, 0], r"epsilon of observation normalization is 0\.0; give a positive"),
    (Actor, "width", [-1, 0], r"actor's width is 0; give at least 1 unit"),
    (Actor, "depth", [-1, 0], r"actor's depth is 0; give at least 1 hidden layer"),
    (Convolution, "channels", [-1, 0], r"channels of the convolution are 0; give at least 1"),
    (Convolution, "kernel", [-1, 0], r"kernel of the convolution is 0 pixels wide; give at least 1"),
    (ResidualBlocks, "expansion", [-1, 0], r"expansion of the residual blocks is 0; give at least 1"),
    (Critic, "width", [-1, 0], r"critic's width is 0; give at least 1 unit"),
    (Critic, "encoder_depth", [-1], r"critic's depths are -1 \(encoder\) and 1 \(heads\); give at least 0"),
    (Critic, "head_depth", [-1], r"critic's depths are 1 \(encoder\) and -1 \(heads\); give at least 0"),
    (Critic, "embedding_width", [-1], r"width of the critic's embedding is -1; give at least 1 unit, or 0 for as many"),
    (ZeroBias, "scale", [NAN, -1.0, 81.0, 0.0], r"scale of the critic's bias is 0\.0; give one in \(0, 80\]"),
    (ZeroOffset, "scale", [NAN, -1.0, 81.0, 0.0], r"scale of the critic's offset is 0\.0; give one in \(0, 80\]"),
    (FixedSupport, "low", [NAN, 200, 150], r"value support is \[150\.0, 150\.0\]; low must be below high"),
    (FixedSupport, "high", [NAN, -1, 0], r"value support is \[0\.0, 0\.0\]; low must be below high"),
    (SupportFromRewards, "beyond", [NAN, -1], r"reaches -1\.0 bins beyond the returns; give at least 0"),
    (SupportFromRewards, "margin", [NAN, -1, 0], r"margin of the value support is 0\.0; give a positive one"),
    (HLGauss, "num_bins", [-1, 1], r"number of bins is 1; give at least 2"),
    (HLGauss, "sigma", [NAN, -1, 0], r"sigma of HLGauss is 0\.0 bin widths; give a positive one"),
    (TwoHot, "num_bins", [-1, 1], r"number of bins is 1; give at least 2"),
    (DecodedMSE, "num_bins", [-1, 1], r"number of bins is 1; give at least 2"),
    (EmbeddingPrediction, "weight", [NAN, -1], r"weight of the auxiliary task is -1\.0; give one of at least 0"),
    (RewardPrediction, "weight", [NAN, -1], r"weight of the auxiliary task is -1\.0; give one of at least 0"),
    (SelfPrediction, "weight", [NAN, -1], r"weight of the auxiliary task is -1\.0; give one of at least 0"),
    (FreshAction, "num_samples", [-1, 0], r"number of next actions is 0; give at least 1"),
    (TakenAction, "num_samples", [-1, 0], r"number of next actions is 0; give at least 1"),
    (FreshValueTakenBonus, "num_samples", [-1, 0], r"number of next actions is 0; give at least 1"),
    (FreshValueClippedBonus, "num_samples", [-1, 0], r"number of next actions is 0; give at least 1"),
    (TakenActionClippedBonus, "num_samples", [-1, 0], r"number of next actions is 0; give at least 1"),
    (SoftLambda, "lam", [NAN, -0.1, 1.5], r"lambda is 1\.5; give one in \[0, 1\]"),
    (ClippedKL, "kl_bound", [NAN, -1, 0], r"KL bound is 0\.0; give a positive one"),
    (PenalizedKL, "kl_bound", [NAN, -1, 0], r"KL bound is 0\.0; give a positive one"),
    (OutweighedKL, "kl_bound", [NAN, -1, 0], r"KL bound is 0\.0; give a positive one"),
    (LowVarianceKL, "num_samples", [-1, 0], r"number of samples of the KL is 0; give at least 1"),
    (BestOfDraws, "number", [-1, 0], r"number of draws to choose from is 0; give at least 1"),
    (BatchNorm, "rate", [NAN, -1, 1.5, 0], r"rate of the running averages is 0; give one in \(0, 1\]"),
    (WiderDraws, "least", [NAN, -1, 0.5], r"least factor on the standard deviation is 0\.5; give at least 1"),
    (
        WiderDraws,
        "most",
        [NAN, 0.5],
        r"greatest factor on the standard deviation is 0\.5; give at least the least, 1\.0",
    ),
    (WiderDraws, "least_weight", [NAN, 0, 1.5], r"least weight of an action is 1\.5; give one in \(0, 1\]"),
    (SmoothActionGradient, "mixed", [NAN, -1], r"mixed of SmoothActionGradient is -1\.0; give at least 0"),
    (SmoothActionGradient, "curvature", [NAN, -1], r"curvature of SmoothActionGradient is -1\.0; give at least 0"),
    (SmoothActionGradient, "margin", [NAN, -1], r"margin of SmoothActionGradient is -1\.0; give at least 0"),
    (SmoothActionGradient, "noise", [NAN, -1, 0], r"noise of SmoothActionGradient is 0\.0; give a positive one"),
    (MismatchedKL, "num_samples", [-1, 0], r"number of samples of the KL is 0; give at least 1"),
    (ScoreFunctionLoss, "num_samples", [0, 1], r"actions of the score-function loss is 1; give at least 2"),
    (ClippedSurrogateLoss, "clip", [NAN, 0, 1], r"clip of the surrogate is 1\.0; give one between 0 and 1"),
    (ClippedSurrogateLoss, "num_samples", [-1, 0], r"number of fresh actions is 0; give at least 1"),
    (SampledKL, "num_samples", [-1, 0], r"number of samples of the KL is 0; give at least 1"),
    (LearnedMultiplier, "initial", [NAN, -1, 1e9, 0], r"initial multiplier is 0\.0; give one in \[1e-08, 1e\+08\]"),
    (FixedMultiplier, "weight", [NAN, -1], r"multiplier is -1\.0; give one of at least 0"),
    (Epochs, "epochs", [-1, 0], r"number of epochs is 0; give at least 1"),
    (Epochs, "num_minibatches", [-1, 0], r"number of minibatches is 0; give at least 1"),
    (Sampled, "updates", [-1, 0], r"number of updates is 0; give at least 1"),
    (Sampled, "size", [-1, 0], r"size of a minibatch is 0; give at least 1"),
    (CategoricalHead, "entropy_target", [NAN, -0.5, 1.5], r"entropy_target is 1\.5; give one in \[0, 1\]"),
    (AdamW, "learning_rate", [NAN, -1, 0], r"learning rate is 0\.0; give a positive one"),
    (AdamW, "weight_decay", [NAN, -1], r"weight decay is -1\.0; give one of at least 0"),
    (Adam, "learning_rate", [NAN, -1, 0], r"learning rate is 0\.0; give a positive one"),
    (Ppo, "num_environments", [-1, 0], r"num_environments is 0; give at least 1"),
    (Ppo, "rollout_length", [-1, 0], r"rollout_length is 0; give at least 1"),
    (Ppo, "gamma", [NAN, -0.1, 1.5], r"gamma is 1\.5; give one in \[0, 1\]"),
    (Ppo, "reward_scale", [NAN, -1, 0], r"reward_scale is 0\.0; give a positive one"),
    (Sac, "num_environments", [-1, 0], r"num_environments is 0; give at least 1"),
    (Sac, "rollout_length", [-1, 0], r"rollout_length is 0; give at least 1"),
    (Sac, "num_critics", [-1, 0], r"num_critics is 0; give at least 1"),
    (Sac, "updates", [-1, 0], r"updates is 0; give at least 1"),
    (Sac, "batch_size", [-1, 0], r"batch_size is 0; give at least 1"),
    (Sac, "return_steps", [-1, 0], r"return_steps is 0; give at least 1"),
    (Sac, "actor_interval", [-1, 0], r"actor_interval is 0; give at least 1"),
    (Sac, "gamma", [NAN, -0.1, 1.5], r"gamma is 1\.5; give one in \[0, 1\]"),
    (Sac, "reward_scale", [NAN, -1, 0], r"reward_scale is 0\.0; give a positive one"),
    (Sac, "learning_starts", [-1], r"learning_starts is -1; give at least 0"),
    (Td3, "num_environments", [-1, 0], r"num_environments is 0; give at least 1"),
    (Td3, "rollout_length", [-1, 0], r"rollout_length is 0; give at least 1"),
    (Td3, "num_critics", [-1, 0], r"num_critics is 0; give at least 1"),
    (Td3, "updates", [-1, 0], r"updates is 0; give at least 1"),
    (Td3, "batch_size", [-1, 0], r"batch_size is 0; give at least 1"),
    (Td3, "return_steps", [-1, 0], r"return_steps is 0; give at least 1"),
    (Td3, "actor_interval", [-1, 0], r"actor_interval is 0; give at least 1"),
    (Td3, "gamma", [NAN, -0.1, 1.5], r"gamma is 1\.5; give one in \[0, 1\]"),
    (Td3, "reward_scale", [NAN, -1, 0], r"reward_scale is 0\.0; give a positive one"),
    (Td3, "learning_starts", [-1], r"learning_starts is -1; give at least 0"),
    (Td3, "least_noise", [NAN, -0.5], r"least_noise is -0\.5; give at least 0"),
    (Td3, "most_noise", [NAN, -1, 0], r"most_noise is 0\.0; give at least least_noise, which is 0\.001"),
    (Td3, "target_noise", [NAN, -0.5], r"target_noise is -0\.5; give at least 0"),
    (Td3, "target_noise_clip", [NAN, -0.5], r"target_noise_clip is -0\.5; give at least 0"),
    (Polyak, "rate", [NAN, 1.5, 0], r"rate of a target network is 0\.0; give one in \(0, 1\]"),
    (UniformReplay, "capacity", [-1, 0], r"capacity of the replay buffer is 0; give at least 1"),
    (ClippedRatio, "ratio_clip", [NAN, 0, 1], r"clip of the ratio is 1\.0; give one between 0 and 1"),
    (
        ClippedValueLoss,
        "value_clip",
        [NAN, -1, 0],
        r"clip of the value is 0\.0; give a positive one, or PlainValueLoss",
    ),
    (FixedScale, "value", [NAN, 0, 51], r"standard deviation is 51\.0; give one in \[1e-4, 50\]"),
    (FreeScale, "initial", [NAN, 0, 51], r"standard deviation is 51\.0; give one in \[1e-4, 50\]"),
    (SoftplusScale, "floor", [NAN, 11, 0], r"floor of the standard deviation is 0\.0; give one in \(0, 10\]"),
    (Orthogonal, "gain", [NAN, -1, 0], r"gain of initial weights is 0\.0; give a positive one"),
    (Orthogonal, "last_gain", [NAN, -1, 0], r"gain of the last layer of initial weights is 0\.0; give a positive one"),
    (LinearAnnealing, "horizon", [NAN, -1, 0], r"horizon of the annealing is 0\.0 steps; give a positive one"),
    (
        LinearAnnealing,
        "rate_floor",
        [NAN, -0.1, 1.5],
        r"floor of the learning rate is 1\.5 of it; give one in \[0, 1\]",
    ),
    (LambdaAdvantageLoss, "num_samples", [-1, 0], r"actions of the baseline is 0; give at least 1"),
    (WeightedLikelihoodLoss, "num_samples", [0, 1], r"number of weighted actions is 1; give at least 2"),
    (WeightedLikelihoodLoss, "weight_bound", [NAN, -1, 0], r"bound on the weights is 0\.0; give a positive one"),
    (SharedEncoder, "value_weight", [NAN, -1, 0], r"weight of the value's loss is 0\.0; give a positive one"),
    (RunningReturnScale, "epsilon", [NAN, -1, 0], r"epsilon of the reward scaling is 0\.0; give a positive one"),
    (TargetKL, "target_kl", [NAN, -1, 0], r"target of the KL is 0\.0 nats; give a positive one, or NoStop"),
    (ClipByGlobalNorm, "max_norm", [NAN, -1, 0], r"limit on the gradient norm is 0\.0; give a positive one, or NoClip"),
]

# Any number will do.
UNBOUNDED = {
    ("NormalHead", "entropy_target"),
    ("TanhNormalHead", "entropy_target"),
    ("Sac", "saves_replay"),
    ("Td3", "saves_replay"),
}


def default(component):
    return SPEC if component is Spec else component()


@pytest.mark.parametrize(
    ("component", "field", "bad", "message"), RANGES, ids=[f"{c.__name__}.{field}" for c, field, _, _ in RANGES]
)
def test_out_of_range(component, field, bad, message):
    validate(default(component))
    for value in bad:
        with pytest.raises(ConfigurationError) as error:
            validate(dataclasses.replace(default(component), **{field: value}))
    assert re.search(message, str(error.value)), str(error.value)


HYPERS = [
    (component, field.name)
    for component in concrete_components().values()
    if component.__module__.startswith("reppo.")
    for field in dataclasses.fields(component)
    if is_hyper(field)
]


@pytest.mark.parametrize(("component", "field"), HYPERS, ids=lambda item: getattr(item, "__name__", item))
def test_every_scalar_must_be_finite_and_is_shown_without_a_tail(component, field):
    for bad in (np.inf, -np.inf, NAN):
        with pytest.raises(ConfigurationError, match=rf"{field} is {bad}; give a finite number"):
            validate(dataclasses.replace(component(), **{field: bad}))
    for number, text in ((-1.1, "-1.1"), (1.1, "1.1"), (123.4, "123.4")):
        try:
            validate(dataclasses.replace(component(), **{field: number}))
        except ConfigurationError as error:
            assert text in str(error)  # and not -1.100000023841858
            assert re.search(rf"{re.escape(text)}(?!\d)", str(error))


def test_no_field_was_forgotten_in_the_table_above():
    fields = {
        (component.__name__, field.name)
        for component in Component.registry.values()
        if component.__module__.startswith("reppo.") and ".environments." not in component.__module__
        for field in dataclasses.fields(component)
        if not isinstance(field.default, Component) and field.default is not dataclasses.MISSING
    }
    assert fields == {(component.__name__, field) for component, field, _, _ in RANGES} | UNBOUNDED


GOOD = [
    Reppo(gamma=0), Reppo(gamma=1), TanhNormalHead(max_action=1), TanhNormalHead(entropy_target=3),
    TanhNormalHead(0), Actor(depth=1),
    Critic(encoder_depth=0, head_depth=0), SoftLambda(0), SoftLambda(1), SelfPrediction(0), FixedMultiplier(0),
    HLGauss(num_bins=2), FixedSupport(-1, -0.5),
]  # fmt: skip


@pytest.mark.parametrize("component", GOOD, ids=repr)
def test_the_ends_of_closed_ranges_are_allowed(component):
    assert validate(component) is component


def test_the_error_names_the_path():
    with pytest.raises(ConfigurationError, match=r"^algorithm\.actor_loss\.objective: The KL bound is -1"):
        validate(replace_path(SPEC, "kl_bound", -1))
    with pytest.raises(ConfigurationError, match=r"^algorithm: gamma is 2"):
        validate(replace_path(SPEC, "gamma", 2))


SLOTS = [path for path, value in list_paths(SPEC).items() if isinstance(value, Component)]


@pytest.mark.parametrize("path", SLOTS)
def test_a_slot_refuses_what_it_is_not_for(path, unchecked):
    for wrong in (SPEC, "text", 1.0, None):
        with pytest.raises(ConfigurationError, match=rf"(?s)^{re.escape(path)} holds .*, but it is a slot for \w+\."):
            validate(replace_path(SPEC, path, wrong))


def test_slots_are_told_apart(unchecked):
    with pytest.raises(ConfigurationError, match=r"algorithm\.value holds FixedSupport\(.*slot for AbstractValue"):
        validate(replace_path(SPEC, "algorithm.value", FixedSupport()))


STATICS = [(path, type(value)) for path, value in list_paths(SPEC).items() if type(value) in (int, str)]


@pytest.mark.parametrize(("path", "kind"), STATICS, ids=[path for path, _ in STATICS])
def test_static_fields_refuse_other_types(path, kind, unchecked):
    expected = "a whole number" if kind is int else "a text"
    for wrong in (2.5, True, None, "2" if kind is int else 2):
        with pytest.raises(ConfigurationError, match=rf"^{re.escape(path)} is .*; give {expected}\."):
            validate(replace_path(SPEC, path, wrong))


def test_minibatches_must_divide_the_rollout():
    with pytest.raises(ConfigurationError, match=r"131072 rows, which 60 minibatches do not divide"):
        validate(replace_path(SPEC, "num_minibatches", 60))


def test_a_learned_kl_multiplier_needs_a_bound():
    spec = replace_path(SPEC, "objective", Unconstrained())
    with pytest.raises(ConfigurationError, match=r"no bound for it to aim at.*kl_multiplier=FixedMultiplier\(0\)"):
        validate(spec)
    validate(replace_path(spec, "algorithm.kl_multiplier", FixedMultiplier(0)))
    validate(Reppo(actor_loss=PathwiseLoss(PenalizedKL()), kl_multiplier=LearnedMultiplier()))


@pytest.mark.parametrize("preset", [reppo, reppo_small])
@pytest.mark.parametrize("task", ["CartpoleBalance", "HumanoidRun", "WalkerWalk"])
def test_the_support_of_the_control_suite_is_the_published_one(preset, task):
    spec = resolve(preset(environments.playground(task)))
    assert spec.algorithm.value.support == FixedSupport(0, 150)
    assert spec.algorithm.reward_scale == 1
    assert resolve(spec) == spec


@pytest.mark.parametrize(
    ("environment", "gamma", "margin", "scale", "expected"),
    [
        (environments.gymnax("Pendulum-v1"), 0.99, 1.0, 1.0, (-(np.pi**2 + 6.404) * 100, 0)),
        (environments.playground("CartpoleBalance"), 0.9, 2.0, 0.5, (0, 10)),
        (environments.playground("CartpoleBalance", config={"action_repeat": 4}), 0.99, 1.5, 0.25, (0, 150)),
        (environments.gymnax("MountainCarContinuous-v0"), 0.5, 1.0, 1.0, (-0.2, 100)),
        (environments.gymnax("MountainCarContinuous-v0"), 0.99, 1.5, 0.5, (-7.5, 75)),
        (environments.probe("TerminalStep"), 0.99, 1.5, 1.0, (0, 1.5)),
    ],
)
def test_the_support_follows_rewards_discount_scale_and_margin(environment, gamma, margin, scale, expected):
    spec = reppo(environment)
    for path, value in (("gamma", gamma), ("margin", margin), ("reward_scale", scale)):
        spec = replace_path(spec, path, value)
    support = resolve(spec).algorithm.value.support
    np.testing.assert_allclose([support.low, support.high], expected, rtol=1e-5)


def test_a_support_needs_a_known_range_and_a_discount_below_1():
    unknown = reppo(environments.playground("Go1JoystickFlatTerrain"))
    with pytest.raises(ConfigurationError, match=r"rewards of Go1Joystick.* is not known.*support=FixedSupport\("):
        resolve(unknown)
    assert resolve(replace_path(unknown, "algorithm.value", ScalarValue())).algorithm.value == ScalarValue()
    with pytest.raises(ConfigurationError, match=r"SupportFromRewards needs gamma < 1"):
        resolve(replace_path(SPEC, "gamma", 1))


def test_resolving_validates_before_and_after():
    with pytest.raises(ConfigurationError, match=r"algorithm: gamma is 2"):
        resolve(replace_path(SPEC, "gamma", 2))


@pytest.mark.parametrize(
    ("low", "high", "gamma", "fits"),
    [(0, 150, 0.99, True), (0, 100, 0.99, True), (0, 99, 0.99, False), (1, 150, 0.99, False), (0, 150, 0.995, False)],
)
def test_a_support_that_cannot_hold_the_returns_is_a_concern(low, high, gamma, fits):
    spec = reppo(environments.playground("CartpoleBalance"))  # rewards from 0 to 1
    spec = replace_path(replace_path(spec, "support", FixedSupport(low, high)), "gamma", gamma)
    found = concerns(resolve(spec))
    assert len(found) == (0 if fits else 1)
    if not fits:
        assert f"The value support [{low:.1f}, {high:.1f}] cannot hold all returns" in found[0]
        assert f"from 0 to {1 / (1 - gamma):.4g}." in found[0]


def test_supports_made_from_rewards_hold_them():
    for name, entry in environments.GYMNAX.items():
        task = environments.gymnax(name)
        if entry.reward_range is None:
            continue
        if task.observes_image:  # games pay a reward now and then, and have bins where their returns are
            (line,) = concerns(resolve(reppo(task)))
            assert "cannot hold all returns" in line
            continue
        assert concerns(resolve(reppo(task))) == []
        narrow = replace_path(reppo(task), "margin", 0.5)
        assert len(concerns(resolve(narrow))) == 1


@pytest.mark.parametrize("value", [HLGauss, TwoHot, DecodedMSE], ids=lambda value: value.__name__)
@pytest.mark.parametrize(
    ("high", "bins", "span"), [(150, 151, 100), (1500, 151, 10), (1600, 151, 9.38), (150, 11, 6.67), (50, 11, 10)]
)
def test_returns_that_span_a_few_bins_are_a_concern(value, high, bins, span):
    spec = reppo(environments.playground("CartpoleBalance"))
    spec = replace_path(spec, "algorithm.value", value(FixedSupport(0, high), bins))
    found = [line for line in concerns(resolve(spec)) if "tells few of them apart" in line]
    assert len(found) == (span < 10)
    if found:
        assert f"from 0 to 100 with rewards times reward_scale 1.0, span {span} of the {bins} bins" in found[0]


@pytest.mark.parametrize("preset", [reppo, reppo_small])
def test_action_repeat_moves_the_scale_and_a_support_that_does_not_follow_is_a_concern(preset):
    spec = preset(environments.playground("PendulumSwingup", config={"action_repeat": 4}))
    assert resolve(spec).algorithm.value.support == FixedSupport(0, 150) and spec.algorithm.reward_scale == 0.25
    assert concerns(resolve(spec)) == []
    unscaled = replace_path(spec, "reward_scale", 1)
    np.testing.assert_allclose(resolve(unscaled).algorithm.value.support.high, 600, rtol=1e-5)
    (line,) = concerns(resolve(replace_path(unscaled, "support", FixedSupport(0, 150))))
    assert "give discounted returns from 0 to 400" in line


def test_a_goal_that_is_reached_once_fills_the_support():
    algorithm = resolve(reppo(environments.gymnax("MountainCarContinuous-v0"))).algorithm
    assert round(float(algorithm.reward_scale), 4) == 0.9091  # returns from -10 to 100 are brought to a length of 100
    np.testing.assert_allclose(
        [algorithm.value.support.low, algorithm.value.support.high], [-13.636, 136.36], rtol=1e-4
    )


@pytest.mark.parametrize("beyond", [1, 3, 2.5])
def test_a_support_may_reach_some_bins_beyond_the_returns(beyond):
    spec = replace_path(reppo_small(environments.playground("CartpoleBalance")), "beyond", beyond)
    value = resolve(spec).algorithm.value
    width = (value.support.high - value.support.low) / 50
    np.testing.assert_allclose(value.support.low, -beyond * width, rtol=1e-5)
    np.testing.assert_allclose(value.support.high, 150 + beyond * width, rtol=1e-5)
    with pytest.raises(ConfigurationError, match=r"reaches 30.0 bins beyond .* of 51 bins leaves none"):
        resolve(replace_path(spec, "beyond", 30))


def test_nothing_is_said_where_the_range_of_rewards_is_unknown():
    spec = reppo(environments.playground("Go1JoystickFlatTerrain"))
    assert concerns(resolve(replace_path(spec, "support", FixedSupport(-1, 1)))) == []


UNFIT = {
    "actor_loss": (PathwiseLoss(), "no gradient goes through those of CategoricalHead. Choose TanhNormalHead"),
    "smoothness": (
        SmoothActionGradient(),
        "gradient of Q in the action, .* those of CategoricalHead. Choose NoSmoothness",
    ),
    "kl": (MismatchedKL(), "MismatchedKL clips actions .* nothing for those of CategoricalHead. Choose ExactKL"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_needs_a_continuum_of_actions_is_refused_for_a_choice_wherever_it_comes_from(name):
    spec = dataclasses.replace(SPEC, environment=environments.probe("BestChoice"))
    base = replace_path(replace_path(spec, "algorithm.actor_loss", ScoreFunctionLoss()), "head", CategoricalHead())
    part, fault = UNFIT[name]
    path = "algorithm." + {"kl": "actor_loss.kl"}.get(name, name)
    bad, fault = replace_path(base, path, part), rf"{re.escape(path)}: .*{fault}"
    assert resolve(base)
    assert validate(replace_path(dataclasses.replace(bad, environment=SPEC.environment), "head", TanhNormalHead()))
    declare = lambda **changes: Experiment(
        **({"name": "x", "base": lambda task: base, "environments": [base.environment], "steps": 1} | changes)
    )
    text = f"{path}={format_value(part)}"
    for made in (
        lambda: resolve(bad),
        lambda: resolve(from_json(to_json(bad))),
        lambda: train(bad, 1),
        lambda: setting(path, part)(base),
        lambda: declare(arms=[setting(path, part)]),
        lambda: declare(base=lambda task: bad),
        lambda: declare(overrides=[text]),
        lambda: declare(rivals=[Rival(lambda task: bad, name="rival")]),
        lambda: declare(rivals=[Rival(lambda task: replace_path(base, "gamma", 0.5), "rival", [setting(path, part)])]),
        lambda: declare(arms=grid(path, [part])),
    ):
        with pytest.raises(ConfigurationError, match=fault):
            made()
