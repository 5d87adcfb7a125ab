"""Learning curves: one panel per environment, one line per arm, published curves beside them."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from reppo.analysis.curves.learning_curves import LearningCurve, learning_curves
from reppo.analysis.curves.published import PublishedCurve
from reppo.analysis.figures import style
from reppo.analysis.statistics.aggregates import trimmed_mean
from reppo.analysis.statistics.intervals import bootstrap_band
from reppo.errors import require
from reppo.results import RunData
from reppo.results.formatting import human_count, human_seconds, natural_order
from reppo.text import counted

MOST_COLUMNS = 5
"""Panels side by side."""

_FAINT_POINTS = 26
_RESAMPLES = 500


def plot_learning_curves(
    results: Sequence[RunData] | Sequence[LearningCurve],
    base: str = "base",
    *,
    x: Literal["steps", "seconds"] = "steps",
    against: Sequence[PublishedCurve] = (),
    highlight: Sequence[str] | None = None,
    width: float | None = None,
) -> style.Picture:
    """Draws evaluation return over environment steps: one panel per environment, one line per arm.

    A line is the interquartile mean over seeds; its band the 95% interval of `bootstrap_band`, absent
    where there are fewer than two seeds, and where a panel has more than eight arms. Panels are as high as lines and
    bands, but bands take at most two thirds of them: those of two or three seeds may be cut beyond. A line begins where
    every seed has been evaluated; beyond the point that every seed has reached, it is faint and has no band: it is of
    fewer seeds there, and may jump. A seed that was not evaluated at a step between is interpolated. One that diverged
    is marked with a red cross and goes on at the worst return, so that its loss does not flatter the arm.

    Args:
        results: runs of one experiment, with at least one finite evaluation among them, or their learning curves.
        base: the arm that is drawn in the text's color and listed first.
        x: environment steps, or seconds of training, a run's share of its batch: the median over seeds at each
            evaluation.
        against: published curves, drawn gray and dashed from their first evaluation to their last or to the last of
            one's own, whichever comes first; over steps only.
        highlight: arms that are colored where there are more than seven besides the base; the others are thin and gray.
            None for the first seven.
        width: of the figure in inches; None for what so many panels take in print. Panels are never narrower.

    Raises:
        ConfigurationError: if there is nothing to draw, or published curves are to be drawn over seconds.

    Source: Agarwal et al. 2021, arXiv:2108.13264, for interquartile means with bands.
    """
    from matplotlib.lines import Line2D

    require(x in ("steps", "seconds"), f"x={x!r} is neither 'steps' nor 'seconds'.")
    require(x == "steps" or not against, "Published curves have no clock that compares; draw them over steps.")
    curves = [curve for curve in _curves(results, base) if np.isfinite(curve.returns).any()]
    require(len(curves) > 0, "There is no evaluation to draw yet. Train for at least one evaluation interval.")
    environments = list(dict.fromkeys(curve.environment for curve in curves))
    ranks = {curve.arm: (curve.rank, natural_order(curve.arm)) for curve in curves}
    arms = style.base_first(sorted(ranks, key=lambda arm: ranks[arm]), base)
    looks = style.arm_looks(arms, base, highlight)
    colored = list(looks)

    columns = panel_columns(len(environments))
    rows = math.ceil(len(environments) / columns)
    own_width = max(2.35 * columns, 5.2) if columns > 1 else 5.6
    width = max(own_width, width or 0.0)
    longest = int((width - 0.9) / style.LETTER)
    handles: list[Any] = [Line2D([], [], linewidth=1.6, markersize=4.5, **looks[arm]) for arm in colored]
    labels = [style.shorten(arm, longest) for arm in colored]
    if len(colored) < len(arms):
        handles.append(Line2D([], [], linewidth=0.8, color=style.MUTED, alpha=0.7))
        labels.append(f"{len(arms) - len(colored)} other arms")
    shown = drawn_beside(against, curves)
    for variant in dict.fromkeys(curve.variant for curve in shown):
        handles.append(Line2D([], [], **_published_look([c.variant for c in shown], variant)))
        labels.append(f"published: {variant}")
    if any(curve.diverged.any() for curve in curves):
        handles.append(Line2D([], [], linestyle="none", **style.CROSS))
        labels.append("a seed diverged")
    panel_height = (1.95 if columns > 1 else 3.2) * (width / own_width) ** 0.6
    height = panel_height * rows + style.legend_height(labels, width) + 0.25

    with style.house_style():
        figure = style.new_figure(width, height)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in panels[len(environments) :]:
            panel.remove()
        for panel, environment in zip(panels, environments, strict=False):
            own = [curve for curve in curves if curve.environment == environment]
            bands = []
            for curve in sorted(own, key=lambda curve: (curve.arm in looks, curve.arm == base)):
                if curve.arm in looks:
                    place = colored.index(curve.arm)
                    bands += _draw(panel, curve, x, looks[curve.arm], place, band=len(own) <= style.HIGHLIGHTED + 1)
                else:
                    _draw_faint(panel, curve, x)
            _frame(panel, own, [c for c in shown if c.environment == environment], bands)
            for curve in (c for c in shown if c.environment == environment):
                _draw_published(panel, curve, own, _published_look([c.variant for c in shown], curve.variant))
            _dress(panel, environment, x, int((width / columns - 0.6) / 0.074))
        for i, panel in enumerate(panels[: len(environments)]):
            panel.set_ylabel("evaluation return" if i % columns == 0 else "")
            last = i + columns >= len(environments)
            panel.set_xlabel(("environment steps" if x == "steps" else "training time") if last else "")
        style.legend_below(figure, handles, labels, width)
    what = "environment steps" if x == "steps" else "training time"
    return style.Picture(
        figure,
        f"Learning curves over {what}",
        f"Evaluation return over {what} on {counted(len(environments), 'environment')}: interquartile mean over "
        f"seeds and its 95% interval for {', '.join(colored)}"
        + (f"; beside them, as published, {', '.join(dict.fromkeys(c.variant for c in shown))}." if shown else "."),
    )


def _curves(results: Any, base: str) -> list[LearningCurve]:
    return learning_curves(results, base) if results and isinstance(results[0], RunData) else list(results)


def _clock(curve: LearningCurve, x: str) -> np.ndarray:
    if x == "steps":
        return curve.environment_steps.astype(np.float64)
    known = np.isfinite(curve.seconds).any(axis=0)
    clock = np.full(curve.seconds.shape[1], np.nan)
    clock[known] = np.nanmedian(curve.seconds[:, known], axis=0)
    return np.maximum.accumulate(np.where(known, clock, -np.inf))


def _draw(panel: Any, curve: LearningCurve, x: str, look: dict[str, Any], place: int, band: bool) -> list[np.ndarray]:
    """Draws a line with its band; returns the ends of the band."""
    returns, common, rest = _points(curve)
    line = np.asarray(trimmed_mean(returns.T))
    clock = _clock(curve, x)
    ends = []
    if band:
        low, high = np.clip(bootstrap_band(returns[:, common], resamples=_RESAMPLES), *curve.limits)
        panel.fill_between(clock[common], low, high, color=look["color"], alpha=0.16, linewidth=0)
        ends = [low, high]
    # Markers sit at other places on each line, so that lines that coincide can still be told apart.
    spacing = max(1, len(common) // 5)
    full = {"markersize": 3.6, "zorder": 3 if look["color"] == style.INK else 2.5, **look}
    panel.plot(clock[common], line[common], markevery=(place % spacing, spacing), **full)
    if len(rest):
        joined = np.append(common[-1:], rest)
        panel.plot(clock[joined], line[joined], **{**full, "marker": "", "alpha": 0.4})
    for row in np.flatnonzero(curve.diverged):
        finite = np.flatnonzero(np.isfinite(curve.returns[row]))
        if finite.size:
            panel.plot(clock[finite[-1]], line[finite[-1]], linestyle="none", zorder=4, **style.CROSS)
    return ends


def _points(curve: LearningCurve) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The returns of the seeds that have any, the columns that all of them have, and those after them."""
    returns = curve.completed()
    returns = returns[np.isfinite(returns).any(axis=1)]
    common = curve.common_steps()
    after = common[-1] if common.size else -1
    rest = np.flatnonzero(np.isfinite(returns).any(axis=0) & (np.arange(returns.shape[1]) > after))
    return returns, common, rest


def _draw_faint(panel: Any, curve: LearningCurve, x: str) -> None:
    returns, common, rest = _points(curve)
    line, shown = np.asarray(trimmed_mean(returns.T)), np.append(common, rest)
    if len(shown) > _FAINT_POINTS:  # keeps figures of many arms small; the last point stays
        shown = shown[np.linspace(0, len(shown) - 1, _FAINT_POINTS).round().astype(np.int64)]
    panel.plot(_clock(curve, x)[shown], line[shown], color=style.MUTED, alpha=0.55, linewidth=0.7, zorder=1.5)


def _frame(
    panel: Any, own: Sequence[LearningCurve], beside: Sequence[PublishedCurve], bands: Sequence[np.ndarray]
) -> None:
    """Room for what runs have reached, and for the bands, up to once as much above and below."""
    values = np.concatenate(
        [*((y := curve.completed())[np.isfinite(y)] for curve in own), *(curve.iqm for curve in beside)]
    )
    low, high = float(values.min()), float(values.max())
    ends = np.concatenate([*bands, *(end for curve in beside for end in (curve.low, curve.high))] or [values])
    ends = np.clip(ends[np.isfinite(ends)], 2 * low - high, 2 * high - low)
    if ends.size:
        low, high = min(low, float(ends.min())), max(high, float(ends.max()))
    pad = 0.06 * (high - low) or max(1e-3, 0.05 * abs(high))
    panel.set_ylim(low - pad, high + pad)


def drawn_beside(against: Sequence[PublishedCurve], own: Sequence[LearningCurve]) -> list[PublishedCurve]:
    """The published curves of tasks that one's own runs have, and that begin before these end."""
    environments = {curve.environment for curve in own if np.isfinite(curve.returns).any()}
    return [
        curve
        for curve in against
        if curve.environment in environments
        and len(curve.environment_steps)
        and _end(curve.environment, own) >= float(curve.environment_steps[0])
    ]


def _end(environment: str, own: Sequence[LearningCurve]) -> float:
    return max(float(curve.environment_steps[-1]) for curve in own if curve.environment == environment)


def _published_look(variants: Sequence[str], variant: str) -> dict[str, Any]:
    lines = [(0, (4, 1.5)), (0, (1, 1)), (0, (7, 1.5, 1, 1.5)), (0, (2, 2))]
    place = list(dict.fromkeys(variants)).index(variant)
    return {"color": style.MUTED, "linestyle": lines[place % len(lines)], "linewidth": 1.8, "zorder": 2.2}


def _draw_published(panel: Any, curve: PublishedCurve, own: Sequence[LearningCurve], look: dict[str, Any]) -> None:
    end = min(_end(curve.environment, own), float(curve.environment_steps[-1]))
    kept = curve.environment_steps < end
    steps = np.append(curve.environment_steps[kept].astype(np.float64), end)
    tip = curve.at(end)
    assert tip is not None
    line, low, high = (
        np.append(y[kept], last) for y, last in zip((curve.iqm, curve.low, curve.high), tip, strict=True)
    )
    panel.fill_between(steps, low, high, color=style.MUTED, alpha=0.2, linewidth=0, zorder=1)
    panel.plot(steps, line, **look)


def _dress(panel: Any, environment: str, x: str, letters: int) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    panel.set_title(style.plain(style.shorten(environment, letters)), loc="left")
    panel.grid(axis="y", color=style.MUTED, linewidth=0.5, alpha=0.35)
    panel.set_xlim(left=0)
    if x == "steps":
        panel.xaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10], integer=True))
    else:
        panel.xaxis.set_major_locator(clock_locator(panel.get_xlim()[1]))
    write = human_count if x == "steps" else human_seconds
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    panel.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))


def clock_locator(end: float | int) -> Any:
    """Where the ticks of an axis of seconds stand, up to an end."""
    from matplotlib.ticker import MultipleLocator

    return MultipleLocator(_clock_step(end))


def _clock_step(end: float | int) -> int:
    """Seconds between ticks up to an end: whole minutes or hours, at most three of them."""
    minutes = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
    steps = [1, 2, 5, 10, 15, 30, *(60 * m for m in minutes)]
    return next((step for step in steps if end <= 3.5 * step), 86_400 * math.ceil(end / 86_400 / 3))


def panel_columns(panels: int) -> int:
    """Columns of a grid of panels: close to square, at most five."""
    return panels if panels <= 3 else min(MOST_COLUMNS, math.ceil(math.sqrt(panels)))
