"""The critic's targets: how far they look, what the next state is worth, and what truncation does to them."""

from reppo.ablation import ablation
from reppo.spec import Spec
from reppo.targets import (
    FreshAction,
    FreshValueClippedBonus,
    FreshValueTakenBonus,
    MaskedFlag,
    ModeAction,
    ShiftedFlag,
    TakenAction,
    TakenActionClippedBonus,
    TruncationAsTermination,
)

from .edit import replace

LAMBDA = "algorithm.targets.lam"
NEXT_VALUE = "algorithm.next_value"


@ablation(
    "targets/one_step",
    question="Do targets need to look further than one step?",
    touches=[LAMBDA],
    reference="arXiv 2507.11019",
    expects="worse",
)
def one_step(spec: Spec) -> Spec:
    """Lambda 0: reward and discounted value of the next state."""
    return replace(spec, {LAMBDA: 0.0})


@ablation(
    "targets/monte_carlo",
    question="Do targets need to bootstrap within the rollout?",
    touches=[LAMBDA],
    expects="worse",
)
def monte_carlo(spec: Spec) -> Spec:
    """Lambda 1: all rewards up to the end of the episode or of the rollout."""
    return replace(spec, {LAMBDA: 1.0})


@ablation(
    "targets/many_samples",
    question="Does it help to average the next state's value over many actions?",
    touches=[NEXT_VALUE],
    reference="for the number of samples, the reference's single-file version (github.com/cvoelcker/reppo)",
    expects="same",
)
def many_samples(spec: Spec) -> Spec:
    """The mean of Q over 64 fresh actions, and of their log-densities."""
    return replace(spec, {NEXT_VALUE: FreshAction(64)})


@ablation(
    "targets/taken_action",
    question="Is the action that was really taken next as good as a fresh one?",
    touches=[NEXT_VALUE],
    expects="same",
)
def taken_action(spec: Spec) -> Spec:
    """Q at the action really taken next, its density before the clip; where there is none, means over 8 fresh ones."""
    return replace(spec, {NEXT_VALUE: TakenAction(8)})


@ablation(
    "targets/taken_action_clipped",
    question="Does it do harm to take the entropy bonus of the action really taken next after its clip?",
    touches=[NEXT_VALUE],
    reference="a later version of the reference implementation (github.com/cvoelcker/reppo)",
)
def taken_action_clipped(spec: Spec) -> Spec:
    """As `targets/taken_action`, with the log-density of the clipped action: no entropy where policies saturate."""
    return replace(spec, {NEXT_VALUE: TakenActionClippedBonus(8)})


@ablation(
    "targets/taken_bonus",
    question="May the entropy bonus be that of the action really taken next, while the value is that of fresh ones?",
    touches=[NEXT_VALUE],
    expects="same",
)
def taken_bonus(spec: Spec) -> Spec:
    """The value of 64 fresh actions with the log-density of the one taken, before its clip."""
    return replace(spec, {NEXT_VALUE: FreshValueTakenBonus(64)})


@ablation(
    "targets/taken_bonus_clipped",
    question="May the entropy bonus be that of the action really taken next after its clip, beside fresh values?",
    touches=[NEXT_VALUE],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
)
def taken_bonus_clipped(spec: Spec) -> Spec:
    """The value of 64 fresh actions with the log-density of the one taken, after its clip to +-0.999."""
    return replace(spec, {NEXT_VALUE: FreshValueClippedBonus(64)})


@ablation(
    "targets/mode_action",
    question="Should the next state be valued by how the policy acts, or by how evaluation acts?",
    touches=[NEXT_VALUE],
    reference="arXiv 1802.09477",
)
def mode_action(spec: Spec) -> Spec:
    """Q at the mode of the policy."""
    return replace(spec, {NEXT_VALUE: ModeAction()})


@ablation(
    "targets/shifted_truncation",
    question="Is the true final observation worth keeping, or may truncated steps be masked?",
    touches=["algorithm.truncation"],
    reference="the reference implementation (github.com/cvoelcker/reppo)",
    expects="same",
)
def shifted_truncation(spec: Spec) -> Spec:
    """The step before a truncated one is cut, and the truncated one does not enter the critic's loss."""
    return replace(spec, {"algorithm.truncation": ShiftedFlag()})


@ablation(
    "targets/masked_truncation",
    question="Should the critic learn from truncated steps, whose targets bootstrap at once?",
    touches=["algorithm.truncation"],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
    expects="same",
)
def masked_truncation(spec: Spec) -> Spec:
    """Truncated steps are cut where they are, and do not enter the critic's loss."""
    return replace(spec, {"algorithm.truncation": MaskedFlag()})


@ablation(
    "targets/truncation_as_termination",
    question="What does it cost to take a time limit for the end of the task?",
    touches=["algorithm.truncation"],
    reference="arXiv 1712.00378",
    expects="worse",
)
def truncation_as_termination(spec: Spec) -> Spec:
    """A truncated step is worth its reward and no more. Nothing changes where no episode is truncated."""
    return replace(spec, {"algorithm.truncation": TruncationAsTermination()})
