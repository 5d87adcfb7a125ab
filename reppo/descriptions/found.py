"""What was measured of ablations of the catalog: so far, what the authors of REPPO published."""

import functools
from typing import NamedTuple, final

import numpy as np

from reppo.analysis.curves.published import JOYSTICK, published, published_variants
from reppo.analysis.statistics.aggregates import iqm

_SIZES = ("reppo-large", "reppo-medium", "reppo-small")
_VARIANTS = {
    "auxiliary/none": "no-auxiliary",
    "kl/no_kl": "no-kl",
    "kl/penalized": "penalized-kl",
    "normalization/no_norm": "no-norm",
    "value/mse": "mse-critic",
}
_OTHER_SIZES = {"updates/half_data": "reppo-medium", "updates/quarter_data": "reppo-small"}


@final
class Finding(NamedTuple):
    """Published final scores of an ablation beside those of its base: unpaired, without a test.

    Attributes:
        variant: the published variant (`reppo.analysis.published`).
        base: that of its base.
        score: interquartile mean over tasks of the control suite of the interquartile mean over runs, in returns.
        base_score: that of the base on the same tasks.
        tasks: how many tasks both have.
    """

    variant: str
    base: str
    score: float
    base_score: float
    tasks: int

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.variant}: {self.score:.0f}; {self.base}: {self.base_score:.0f} ({self.tasks} tasks)"


@functools.cache
def findings(ablation: str) -> tuple[Finding, ...]:
    """What was found of an ablation, by its name; nothing where it was not measured yet."""
    if ablation in _OTHER_SIZES:
        return (_compared(_OTHER_SIZES[ablation], _SIZES[0]),)
    pairs = [(f"{base}/{_VARIANTS[ablation]}", base) for base in _SIZES] if ablation in _VARIANTS else []
    return tuple(_compared(variant, base) for variant, base in pairs if variant in published_variants())


def _compared(variant: str, base: str) -> Finding:
    both = {curve.environment for curve in published(variant)} & {curve.environment for curve in published(base)}
    tasks = [name for name in both if not name.startswith(JOYSTICK)]  # their scores are on another scale
    scores = [float(iqm(np.array([one.final_iqm for one in published(name, tasks)]))) for name in (variant, base)]
    return Finding(variant, base, scores[0], scores[1], len(tasks))
