"""Figures, drawn without a display and without pyplot's global state."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reppo.analysis.aggregates import iqm
from reppo.analysis.confidence import bootstrap_band
from reppo.analysis.curves import LearningCurve, learning_curves
from reppo.errors import require
from reppo.results import RunData
from reppo.results.files import write_atomically
from reppo.results.formatting import human_count, natural_order

# Okabe and Ito 2008, Color Universal Design. Black is the base's; yellow is darker than theirs, to be seen on white.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B5A800")
_BASE_COLOR = "#000000"
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
_LETTER_INCHES, _HANDLE_INCHES = 0.075, 0.75  # of a legend's entries in 9 point text
_CROSS: dict[str, Any] = {"marker": "x", "color": "#B00020", "markersize": 7, "markeredgewidth": 1.8}
_FONT: dict[Any, Any] = {"font.family": "DejaVu Sans", "font.size": 9.0, "axes.titlesize": 10.0, "legend.fontsize": 9.0}


def plot_learning_curves(
    results: Sequence[RunData],
    path: str | Path,
    base: str = "base",
    resamples: int = 1000,
    seed: int = 0,
) -> Path:
    """Draws evaluation return over environment steps: one panel per environment, one line per arm.

    A line is the interquartile mean over seeds; its band the 95% bootstrap interval, absent where there are
    fewer than two seeds. Beyond the point that every seed has reached, a line is faint and has no band: it is of fewer
    seeds there, and may jump. A seed that diverged is marked with a red cross and goes on with its last value, so that
    its loss does not flatter the arm.

    Args:
        results: runs of one experiment, with at least one finite evaluation among them.
        path: the PNG to write; replaced whole if it exists.
        base: the arm that is drawn black and listed first.
        resamples: resamples of the bootstrap at each point.
        seed: seed of the bootstrap.

    Returns:
        The path.

    Raises:
        ConfigurationError: if there is nothing to draw.

    Source: Agarwal et al. 2021, arXiv:2108.13264, for interquartile means with bootstrap bands.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    curves = [curve for curve in learning_curves(results, base) if np.isfinite(curve.returns).any()]
    require(len(curves) > 0, "There is no evaluation to draw yet. Train for at least one evaluation interval.")
    environments = list(dict.fromkeys(curve.environment for curve in curves))
    arms = sorted({curve.arm for curve in curves}, key=lambda arm: (arm != base, natural_order(arm)))
    styles = {arm: _style(i, arm == base) for i, arm in enumerate(arms)}

    columns = _columns(len(environments))
    rows = math.ceil(len(environments) / columns)
    width = max(3.1 * columns, 5.2)
    handles = [Line2D([], [], linewidth=1.6, markersize=4.5, **styles[arm]) for arm in arms]
    longest = int((width - _HANDLE_INCHES) / _LETTER_INCHES)
    labels = [_label(arm, longest) for arm in arms]
    if any(curve.diverged.any() for curve in curves):
        handles.append(Line2D([], [], linestyle="none", **_CROSS))
        labels.append("a seed diverged")
    per_line = _legend_columns(labels, width)
    height = (2.5 if columns > 1 else 3.2) * rows + 0.22 * math.ceil(len(labels) / per_line) + 0.5

    with matplotlib.rc_context(_FONT):
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in panels[len(environments) :]:
            panel.remove()
        for i, panel in enumerate(panels[: len(environments)]):
            panel.set_ylabel("evaluation return" if i % columns == 0 else "")
            panel.set_xlabel("environment steps" if i + columns >= len(environments) else "")
        for panel, environment in zip(panels, environments, strict=False):
            own = [curve for curve in curves if curve.environment == environment]
            for curve in own:
                _draw(panel, curve, styles[curve.arm], arms.index(curve.arm), len(own), resamples, seed)
            _dress(panel, environment)
        legend = figure.legend(
            handles=handles,
            labels=labels,
            loc="outside lower center",
            ncols=per_line,
            frameon=False,
            handlelength=3.0,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        content = io.BytesIO()
        figure.savefig(content, format="png")
    target = Path(path)
    write_atomically(target, content.getvalue())
    return target


def _draw(
    panel: Any, curve: LearningCurve, style: dict[str, Any], place: int, arms: int, resamples: int, seed: int
) -> None:
    returns = curve.carried_forward()
    shown = np.flatnonzero(np.isfinite(returns).any(axis=0))
    returns, steps = returns[:, shown], curve.environment_steps[shown]
    line = np.array([float(iqm(column[np.isfinite(column)])) for column in returns.T])
    known = np.isfinite(returns)
    last = returns.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)  # of each seed
    common = 1 + int(last[known.any(axis=1)].min())  # points that every seed with any value has reached
    low, high = bootstrap_band(returns[:, :common], resamples=resamples, seed=seed)
    panel.fill_between(steps[:common], low, high, color=style["color"], alpha=0.16 if arms <= 6 else 0.08, linewidth=0)
    # Markers sit at other places on each line, so that lines that coincide can still be told apart.
    spacing = max(1, common // 6)
    look = {"linewidth": 1.6, "markersize": 4.5, "zorder": 3 if style["color"] == _BASE_COLOR else 2.5, **style}
    panel.plot(steps[:common], line[:common], markevery=(place % spacing, spacing), **look)
    panel.plot(steps[common - 1 :], line[common - 1 :], **{**look, "marker": "", "alpha": 0.4})
    for row in np.flatnonzero(curve.diverged):
        known = np.flatnonzero(np.isfinite(curve.returns[row, shown]))
        if known.size:
            last = known[-1]
            panel.plot(steps[last], line[last], linestyle="none", zorder=4, **_CROSS)


def _dress(panel: Any, environment: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    panel.set_title(environment, parse_math=False)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="y", linewidth=0.5, alpha=0.35)
    panel.set_xlim(left=0)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10], integer=True))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: human_count(value)))
    panel.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))


def _style(index: int, base: bool) -> dict[str, Any]:
    """The look of an arm: no two alike, and told apart without color by line and marker."""
    if base:
        return {"color": _BASE_COLOR, "linestyle": "-", "marker": "o"}
    return {
        "color": _COLORS[index % len(_COLORS)],
        "linestyle": _LINES[index % len(_LINES)],
        "marker": _MARKERS[index % len(_MARKERS)],
    }


def _columns(panels: int) -> int:
    """Columns of the grid of panels: close to square, at most five."""
    return panels if panels <= 3 else min(5, math.ceil(math.sqrt(panels)))


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """How many entries of the longest label fit side by side into a width in inches."""
    entry = _LETTER_INCHES * max(map(len, labels)) + _HANDLE_INCHES
    return max(1, min(len(labels), int(width / entry)))


def _label(arm: str, longest: int) -> str:
    """An arm's name in the legend, cut in the middle if it is too long for one line."""
    if len(arm) > longest:
        half = (longest - 1) // 2
        arm = f"{arm[:half]}…{arm[-half:]}"
    return f"\u200b{arm}" if arm.startswith("_") else arm  # matplotlib leaves out labels with a leading underscore
