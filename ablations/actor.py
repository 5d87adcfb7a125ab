"""The gradient that the actor follows."""

from typing import Any

from reppo.ablation import ablation
from reppo.losses import (
    ClippedSurrogateLoss,
    FixedMultiplier,
    LambdaAdvantageLoss,
    ScoreFunctionLoss,
    WeightedLikelihoodLoss,
    WithoutEntropy,
)
from reppo.spec import Spec, get_path

from .edit import replace

LOSS = "algorithm.actor_loss"


@ablation(
    "actor/score_function",
    question="With the same critic, is a pathwise or exact gradient better than the score-function gradient?",
    touches=[LOSS],
    reference="arXiv 2507.11019",
    expects="worse",
)
def score_function(spec: Spec) -> Spec:
    """The score-function gradient of the same objective at 4 actions a state; Q is asked for its values alone."""
    return replace(spec, {LOSS: ScoreFunctionLoss(**_constraint(spec))})


@ablation(
    "actor/lambda_advantage",
    question="Is it enough that the policy learns from lambda-returns, with the critic as a baseline alone?",
    touches=[LOSS],
    reference="arXiv 1506.02438",
    expects="worse",
)
def lambda_advantage(spec: Spec) -> Spec:
    """Generalized advantage estimates at the actions taken, in place of Q; constraint and entropy are as before."""
    return replace(spec, {LOSS: LambdaAdvantageLoss(**_constraint(spec))})


@ablation(
    "actor/weighted_likelihood",
    question="With the same critic, is a pathwise or exact gradient better than MPO's weighted likelihood?",
    touches=[LOSS],
    reference="arXiv 1806.06920",
    expects="worse",
)
def weighted_likelihood(spec: Spec) -> Spec:
    """The likelihood of 16 actions of the old policy, or of all, weighted by Q; constraint and entropy as before."""
    return replace(spec, {LOSS: WeightedLikelihoodLoss(**_constraint(spec))})


@ablation(
    "actor/weighted_likelihood_alone",
    question="Does MPO's weighted likelihood need the entropy beside it, which MPO itself has not?",
    touches=[LOSS],
    reference="arXiv 1806.06920",
    expects="worse",
)
def weighted_likelihood_alone(spec: Spec) -> Spec:
    """As `actor/weighted_likelihood`, but the policy is not rewarded for its entropy; the critic's targets are soft."""
    parts = _constraint(spec)
    parts["objective"] = WithoutEntropy(parts["objective"])
    return replace(spec, {LOSS: WeightedLikelihoodLoss(**parts)})


@ablation(
    "actor/clipped_surrogate",
    question="With the same critic, is a pathwise or exact gradient better than the clipped surrogate of PPO?",
    touches=[LOSS, "algorithm.kl_multiplier"],
    reference="arXiv 1707.06347",
    expects="worse",
)
def clipped_surrogate(spec: Spec) -> Spec:
    """PPO's loss at the actions taken, with advantages by the critic; its clip replaces the KL constraint."""
    return replace(spec, {LOSS: ClippedSurrogateLoss(), "algorithm.kl_multiplier": FixedMultiplier(0.0)})


def _constraint(spec: Spec) -> dict[str, Any]:
    """What another loss takes over from the one that is there."""
    return {name: get_path(spec, f"{LOSS}.{name}") for name in ("objective", "kl", "gate")}
