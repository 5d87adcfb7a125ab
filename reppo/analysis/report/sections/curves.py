"""Learning curves."""

from typing import Any

import numpy as np

from reppo.analysis import figures
from reppo.analysis.figures.curves import drawn_beside
from reppo.analysis.figures.style import PAGE, Picture
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study


def section(study: Study) -> Section:
    """Return over training."""
    curves, base, highlight, beside = study.curves, study.base, study.highlight, study.published

    def draw(**options: Any) -> Picture:
        return figures.plot_learning_curves(curves, base, highlight=highlight, width=PAGE, **options)

    pictures = [("learning_curves", draw(against=beside))]
    clocks = [curve.seconds for curve in curves if np.isfinite(curve.seconds).any()]
    if any(np.nanmax(clock) > 0 for clock in clocks):
        pictures.append(("learning_curves_seconds", draw(x="seconds")))
    clock = " Time is a run's share of its batch, without compilation." if len(pictures) > 1 else ""
    text = "Interquartile mean over seeds with its 95% interval. Lines are faint beyond the point that every seed has "
    text += "reached; where more than eight arms share a panel, bands are left out, and the arms that differ most are "
    text += "colored."
    if any(len(curve.seeds) in (2, 3) for curve in curves):
        text += " Bands of two or three seeds are wide, and may go on beyond a panel."
    text += clock
    drawn = list(dict.fromkeys(curve.variant for curve in drawn_beside(beside, curves)))
    if drawn:
        text += f" Dashed gray: {', '.join(drawn)}, as published; not paired with these runs."
    return Section(key="curves", title="Learning curves", text=text, pictures=tuple(pictures))
