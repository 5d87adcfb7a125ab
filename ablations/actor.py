"""The gradient that the actor follows."""

from reppo.ablation import ablation
from reppo.losses import ClippedSurrogateLoss, FixedMultiplier, ScoreFunctionLoss
from reppo.spec import Spec, get_path

from .edit import replace

LOSS = "algorithm.actor_loss"


@ablation(
    "actor/score_function",
    question="With the same critic, is the pathwise gradient better than the score-function gradient?",
    touches=[LOSS],
    reference="arXiv 2507.11019",
    expects="worse",
)
def score_function(spec: Spec) -> Spec:
    """The score-function gradient of the same objective at 4 actions a state; Q is not differentiated."""
    parts = {name: get_path(spec, f"{LOSS}.{name}") for name in ("objective", "kl", "gate")}
    return replace(spec, {LOSS: ScoreFunctionLoss(**parts)})


@ablation(
    "actor/clipped_surrogate",
    question="With the same critic, is the pathwise gradient better than the clipped surrogate of PPO?",
    touches=[LOSS, "algorithm.kl_multiplier"],
    reference="arXiv 1707.06347",
    expects="worse",
)
def clipped_surrogate(spec: Spec) -> Spec:
    """PPO's loss at the actions taken, with advantages by the critic; its clip replaces the KL constraint."""
    return replace(spec, {LOSS: ClippedSurrogateLoss(), "algorithm.kl_multiplier": FixedMultiplier(0.0)})
