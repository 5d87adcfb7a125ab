"""What holds the policy of PPO back, and the details around it.

Lambda, truncation, normalization, entropy and the rest of what PPO has in common with REPPO is asked by the entries of
those themes.
"""

from reppo.ablation import ablation
from reppo.losses import ClippedValueLoss, PlainAdvantages, PlainRatio, StandardizedRollouts
from reppo.optimization import LinearAnnealing, TargetKL
from reppo.spec import Spec, get_path

from .edit import replace

SURROGATE = "algorithm.actor_loss.surrogate"
CLIP = "algorithm.actor_loss.surrogate.ratio_clip"
ADVANTAGES = "algorithm.advantages"
STOP = "algorithm.stop"


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
