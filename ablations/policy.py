"""The policy's distribution, and the actions that are stored."""

from reppo.ablation import ablation
from reppo.spec import Spec

from .edit import replace

FLOOR = "algorithm.head.floor"
LIMIT = "algorithm.head.max_action"


@ablation(
    "policy/floor",
    question="Does a floor of 0.1 under the standard deviation help exploration?",
    touches=[FLOOR],
    reference="the reference implementation (github.com/cvoelcker/reppo)",
)
def floor(spec: Spec) -> Spec:
    """The standard deviation is exp(log std) + 0.1, as in the published runs."""
    return replace(spec, {FLOOR: 0.1})


@ablation(
    "policy/small_floor",
    question="Does a tiny floor under the standard deviation matter?",
    touches=[FLOOR],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
    expects="same",
)
def small_floor(spec: Spec) -> Spec:
    """The standard deviation is exp(log std) + 1e-6."""
    return replace(spec, {FLOOR: 1e-6})


@ablation(
    "policy/unclipped_action",
    question="Must sampled actions be kept away from the borders?",
    touches=[LIMIT],
    reference="the reference's PyTorch version (github.com/cvoelcker/reppo)",
    expects="same",
)
def unclipped_action(spec: Spec) -> Spec:
    """A limit of 1 on sampled actions, which the tanh keeps anyway."""
    return replace(spec, {LIMIT: 1.0})
