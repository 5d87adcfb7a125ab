"""Statistics that observations are normalized by."""

from reppo.ablation import ablation
from reppo.normalization import MergedTwice, NoNormalization, PerStepStatistics, RunningMeanDeviation
from reppo.spec import Spec, get_path

from .edit import replace

NORMALIZER = "algorithm.normalizer"
EPSILON = "algorithm.normalizer.epsilon"


@ablation(
    "observations/none",
    question="Must observations be normalized?",
    touches=[NORMALIZER],
    expects="worse",
)
def none(spec: Spec) -> Spec:
    """Observations as they come, for actor and critic."""
    return replace(spec, {NORMALIZER: NoNormalization()})


@ablation(
    "observations/per_step",
    question="May the statistics move while the rollout is collected?",
    touches=[NORMALIZER],
    reference="the reference implementation (github.com/cvoelcker/reppo)",
    expects="same",
)
def per_step(spec: Spec) -> Spec:
    """The statistics are updated at every environment step, before acting."""
    return replace(spec, {NORMALIZER: PerStepStatistics(get_path(spec, NORMALIZER))})


@ablation(
    "observations/merged_twice",
    question="Does it matter that the PyTorch version counts every observation twice?",
    touches=[NORMALIZER],
    reference="the reference's PyTorch version (github.com/cvoelcker/reppo)",
    expects="same",
)
def merged_twice(spec: Spec) -> Spec:
    """Every observation is merged twice into the statistics: in theory they stay the same."""
    normalizer = get_path(spec, NORMALIZER)
    if isinstance(normalizer, PerStepStatistics):  # they still move while collecting
        return replace(spec, {NORMALIZER: PerStepStatistics(MergedTwice(normalizer.normalizer))})
    return replace(spec, {NORMALIZER: MergedTwice(normalizer)})


@ablation(
    "observations/deviation",
    question="Should epsilon be added to the variance or to the standard deviation?",
    touches=[NORMALIZER],
    reference="the reference's PyTorch version (github.com/cvoelcker/reppo)",
    expects="same",
)
def deviation(spec: Spec) -> Spec:
    """Divides by the standard deviation plus epsilon: with 0.01, nearly constant entries grow ten times as large."""
    return replace(spec, {NORMALIZER: RunningMeanDeviation(get_path(spec, EPSILON))})


@ablation(
    "observations/small_epsilon",
    question="Does the size of epsilon matter?",
    touches=[EPSILON],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
)
def small_epsilon(spec: Spec) -> Spec:
    """1e-8 under the root: what hardly varies is blown up to unit variance."""
    return replace(spec, {EPSILON: 1e-8})
