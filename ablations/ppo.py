"""What holds the policy of PPO back, the details around it, and parts of REPPO in it.

Lambda, truncation, normalization, entropy and the rest of what PPO has in common with REPPO is asked by the entries of
those themes.
"""

from reppo.ablation import ablation
from reppo.algorithms import Ppo, SharedEncoder
from reppo.losses import (
    ClippedKL,
    ClippedValueLoss,
    HLGauss,
    LearnedMultiplier,
    PlainAdvantages,
    PlainRatio,
    SelfPrediction,
    StandardizedRollouts,
)
from reppo.networks import RMSNorm, ZeroOffset
from reppo.normalization import RunningReturnScale
from reppo.optimization import LinearAnnealing, TargetKL
from reppo.presets.fitting import fitting_support
from reppo.spec import Spec, get_path

from .edit import replace, require_algorithm

SURROGATE = "algorithm.actor_loss.surrogate"
CLIP = "algorithm.actor_loss.surrogate.ratio_clip"
ADVANTAGES = "algorithm.advantages"
STOP = "algorithm.stop"
VALUE = "algorithm.value"
OFFSET = "algorithm.critic_offset"
NORMS = ("algorithm.actor.norm", "algorithm.critic.norm")
OBJECTIVE = "algorithm.actor_loss.objective"
KL_MULTIPLIER = "algorithm.kl_multiplier"
AUXILIARY = "algorithm.auxiliary"


@ablation(
    "ppo/no_clip",
    question="Does PPO need its clip?",
    touches=[SURROGATE],
    reference="arXiv 1707.06347",
    expects="worse",
)
def no_clip(spec: Spec) -> Spec:
    """The ratio counts however far the policy has moved: several epochs of importance-weighted policy gradients."""
    return replace(spec, {SURROGATE: PlainRatio()})


@ablation(
    "ppo/tight_clip",
    question="How tight must the clip be?",
    touches=[CLIP],
    reference="arXiv 1707.06347",
)
def tight_clip(spec: Spec) -> Spec:
    """A clip of half the size."""
    return replace(spec, {CLIP: get_path(spec, CLIP) / 2})


@ablation(
    "ppo/target_kl",
    question="Does it help to stop an iteration's steps of the policy once it has moved far, beside the clip?",
    touches=[STOP],
    reference="Achiam 2018, Spinning Up in Deep Reinforcement Learning",
)
def target_kl(spec: Spec) -> Spec:
    """No further step of the policy in an iteration once the KL from the one that collected is above 0.015."""
    return replace(spec, {STOP: TargetKL(0.015)})


@ablation(
    "ppo/stop_for_clip",
    question="Can a stop by KL take the place of the clip?",
    touches=[SURROGATE, STOP],
    reference="arXiv 2202.00079",
)
def stop_for_clip(spec: Spec) -> Spec:
    """No clip of the ratio; the policy makes no further step once its KL is above 0.015."""
    return replace(spec, {SURROGATE: PlainRatio(), STOP: TargetKL(0.015)})


@ablation(
    "ppo/plain_advantages",
    question="Must advantages be standardized?",
    touches=[ADVANTAGES],
    reference="arXiv 2006.05990",
    expects="same",
)
def plain_advantages(spec: Spec) -> Spec:
    """Advantages in scaled rewards, as they are estimated."""
    return replace(spec, {ADVANTAGES: PlainAdvantages()})


@ablation(
    "ppo/rollout_advantages",
    question="Should advantages be standardized in each minibatch, or once over the rollout?",
    touches=[ADVANTAGES],
    reference="arXiv 2006.05990",
    expects="same",
)
def rollout_advantages(spec: Spec) -> Spec:
    """Advantages have mean 0 and deviation 1 over the rollout, not in every minibatch."""
    return replace(spec, {ADVANTAGES: StandardizedRollouts()})


@ablation(
    "ppo/clipped_value",
    question="Does it help to clip the value loss as well?",
    touches=["algorithm.value_loss"],
    reference="arXiv 2005.12729",
    expects="worse",
)
def clipped_value(spec: Spec) -> Spec:
    """The value of a state is not rewarded for moving further than 0.2, in scaled rewards, in an iteration."""
    return replace(spec, {"algorithm.value_loss": ClippedValueLoss()})


@ablation(
    "ppo/annealing",
    question="Does it help that the learning rates fall?",
    touches=["algorithm.annealing"],
    reference="arXiv 2006.05990",
    expects="better",
)
def annealing(spec: Spec) -> Spec:
    """Learning rates fall linearly to a tenth: over 64 iterations, or a million steps where that is longer."""
    horizon = max(1_000_000, 64 * spec.algorithm.steps_per_iteration)
    return replace(spec, {"algorithm.annealing": LinearAnnealing(horizon=horizon, rate_floor=0.1)})


@ablation(
    "ppo/categorical_value",
    question="Does PPO gain by the categorical critic of REPPO?",
    touches=[VALUE, OFFSET],
    reference="arXiv 2403.03950",
    expects="better",
)
def categorical_value(spec: Spec) -> Spec:
    """HL-Gauss over 51 bins that begins at the value 0, as a scalar does; the support is that of the task's returns."""
    _require_ppo(spec)
    return replace(spec, {VALUE: HLGauss(support=fitting_support(spec.environment), num_bins=51), OFFSET: ZeroOffset()})


@ablation(
    "ppo/normalization_layers",
    question="Does PPO gain by the normalization layers of REPPO?",
    touches=NORMS,
    reference="arXiv 2507.11019",
    expects="better",
)
def normalization_layers(spec: Spec) -> Spec:
    """RMSNorm before each activation of both networks, but the critic's last."""
    _require_ppo(spec)
    return replace(spec, dict.fromkeys(NORMS, RMSNorm()))


@ablation(
    "ppo/kl_gate",
    question="Can the constraint of REPPO take the place of PPO's clip?",
    touches=[SURROGATE, OBJECTIVE, KL_MULTIPLIER],
    reference="arXiv 2507.11019",
    expects="same",
)
def kl_gate(spec: Spec) -> Spec:
    """No clip of the ratio: states within a KL of 0.02 follow it, others return, by a learned multiplier.

    The bound is the KL, to second order, of a policy all of whose ratios are off by a clip of 0.2: half of its square.
    The multiplier begins at 1, since advantages have a deviation of 1.
    """
    _require_ppo(spec)
    return replace(spec, {SURROGATE: PlainRatio(), OBJECTIVE: ClippedKL(0.02), KL_MULTIPLIER: LearnedMultiplier(1.0)})


@ablation(
    "ppo/auxiliary_task",
    question="Does PPO gain by the auxiliary task of REPPO?",
    touches=[AUXILIARY],
    reference="arXiv 2507.11019",
    expects="same",
)
def auxiliary_task(spec: Spec) -> Spec:
    """The critic predicts reward and next embedding: of a state, so that it is their mean over the policy's actions."""
    _require_ppo(spec)
    return replace(spec, {AUXILIARY: SelfPrediction()})


@ablation(
    "ppo/running_reward_scale",
    question="Can a running scale of rewards take the place of one that is known from the task?",
    touches=["algorithm.reward_scaling"],
    reference="arXiv 2005.12729",
    expects="same",
)
def running_reward_scale(spec: Spec) -> Spec:
    """Rewards are divided by the running deviation of their discounted sums, in which `reward_scale` cancels out."""
    return replace(spec, {"algorithm.reward_scaling": RunningReturnScale()})


@ablation(
    "ppo/shared_trunk",
    question="May policy and value share their hidden layers?",
    touches=["algorithm.sharing"],
    reference="arXiv 2006.05990",
    expects="worse",
)
def shared_trunk(spec: Spec) -> Spec:
    """One network with two last layers, which learns by the policy's loss plus half of the value's in one step."""
    return replace(spec, {"algorithm.sharing": SharedEncoder()})


def _require_ppo(spec: Spec) -> None:
    require_algorithm(spec, Ppo, "parts of REPPO in Ppo")
