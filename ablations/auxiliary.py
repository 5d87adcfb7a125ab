"""The auxiliary task of the critic."""

from reppo.ablation import ablation
from reppo.losses import EmbeddingPrediction, NoAuxiliary, NoMask, RewardPrediction, UnlessTruncated
from reppo.spec import Spec

from .edit import replace

TASK = "algorithm.auxiliary"
WEIGHT = "algorithm.auxiliary.weight"
MASK = "algorithm.auxiliary.mask"


@ablation(
    "auxiliary/none",
    question="Does the auxiliary task help?",
    touches=[TASK],
    reference="arXiv 2507.11019",
    expects="same",
)
def none(spec: Spec) -> Spec:
    """No auxiliary task, and no head for it. The paper finds a difference on the humanoids only."""
    return replace(spec, {TASK: NoAuxiliary()})


@ablation(
    "auxiliary/zero_weight",
    question="Is a weight of 0 the same as no auxiliary task?",
    touches=[WEIGHT],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
    expects="same",
)
def zero_weight(spec: Spec) -> Spec:
    """The head is there but learns nothing. In theory the same as `auxiliary/none`."""
    return replace(spec, {WEIGHT: 0.0})


@ablation(
    "auxiliary/embedding_only",
    question="Must the auxiliary task predict the reward too?",
    touches=[TASK],
    reference="the reference's PyTorch version (github.com/cvoelcker/reppo)",
    expects="same",
)
def embedding_only(spec: Spec) -> Spec:
    """Predicts the next embedding, not the reward."""
    return replace(spec, {TASK: EmbeddingPrediction()})


@ablation(
    "auxiliary/reward_only",
    question="Must the auxiliary task predict the next embedding, or is the reward enough?",
    touches=[TASK],
)
def reward_only(spec: Spec) -> Spec:
    """Predicts the reward, not the next embedding."""
    return replace(spec, {TASK: RewardPrediction()})


@ablation(
    "auxiliary/with_terminations",
    question="Should the auxiliary task learn from terminated steps?",
    touches=[MASK],
    reference="the reference's PyTorch version (github.com/cvoelcker/reppo)",
    expects="same",
)
def with_terminations(spec: Spec) -> Spec:
    """Only truncated steps are left out."""
    return replace(spec, {MASK: UnlessTruncated()})


@ablation(
    "auxiliary/no_mask",
    question="With the true final observation at hand, must any step be left out of the auxiliary task?",
    touches=[MASK],
    expects="same",
)
def no_mask(spec: Spec) -> Spec:
    """Every step counts."""
    return replace(spec, {MASK: NoMask()})
