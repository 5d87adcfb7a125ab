"""What the critic's outputs stand for."""

from reppo.ablation import ablation
from reppo.losses import DecodedMSE, ScalarValue, TwoHot
from reppo.spec import Spec, get_path

from .edit import replace

VALUE = "algorithm.value"
BINS = "algorithm.value.num_bins"
SIGMA = "algorithm.value.sigma"
SUPPORT = "algorithm.value.support"
MARGIN = "algorithm.value.support.margin"
BEYOND = "algorithm.value.support.beyond"


@ablation(
    "value/mse",
    question="Does the critic need a categorical loss, or does a scalar trained by the squared error do?",
    touches=[VALUE],
    reference="arXiv 2507.11019",
    expects="worse",
)
def mse(spec: Spec) -> Spec:
    """A scalar critic with mean squared error."""
    return replace(spec, {VALUE: ScalarValue()})


@ablation(
    "value/decoded_mse",
    question="Is it the histogram that helps the critic, or the cross-entropy that trains it?",
    touches=[VALUE],
    reference="arXiv 2403.03950",
    expects="worse",
)
def decoded_mse(spec: Spec) -> Spec:
    """The same bins, trained by the squared error of the histogram's mean."""
    return replace(spec, {VALUE: DecodedMSE(get_path(spec, SUPPORT), get_path(spec, BINS))})


@ablation(
    "value/two_hot",
    question="Must the categorical target be smoothed over neighboring bins?",
    touches=[VALUE],
    reference="arXiv 2403.03950",
    expects="worse",
)
def two_hot(spec: Spec) -> Spec:
    """All mass on the two bins next to the target: what C51's projection of a scalar target gives."""
    return replace(spec, {VALUE: TwoHot(get_path(spec, SUPPORT), get_path(spec, BINS))})


@ablation(
    "value/fewer_bins",
    question="Does the critic need as many bins?",
    touches=[BINS],
    reference="arXiv 1707.06887",
    expects="same",
)
def fewer_bins(spec: Spec) -> Spec:
    """A third of the bins: 51 for the published settings, as in C51."""
    return replace(spec, {BINS: max(2, (get_path(spec, BINS) + 2) // 3)})


@ablation(
    "value/narrow_sigma",
    question="How much smoothing does the categorical target need?",
    touches=[SIGMA],
    reference="arXiv 2403.03950",
)
def narrow_sigma(spec: Spec) -> Spec:
    """A Gaussian of a quarter of a bin: nearly all mass in one bin."""
    return replace(spec, {SIGMA: 0.25})


@ablation(
    "value/tight_support",
    question="Does the value support need a margin over the returns?",
    touches=[MARGIN],
    expects="same",
)
def tight_support(spec: Spec) -> Spec:
    """The support is the range of discounted returns, without margin; entropy bonuses may leave it."""
    return replace(spec, {MARGIN: 1.0})


@ablation(
    "value/wide_support",
    question="What does it cost to choose the value support far too wide?",
    touches=[MARGIN],
    expects="worse",
)
def wide_support(spec: Spec) -> Spec:
    """A support ten times as wide, so that each bin is."""
    return replace(spec, {MARGIN: 10 * get_path(spec, MARGIN)})


@ablation(
    "value/support_beyond",
    question="Does it help that the support reaches beyond the returns, where HL-Gauss pulls values inward?",
    touches=[BEYOND],
)
def support_beyond(spec: Spec) -> Spec:
    """Three bins beyond either end: a value of 0 is held at 0, not 0.37 bins above."""
    return replace(spec, {BEYOND: 3.0})
