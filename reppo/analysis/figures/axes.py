"""Figures of the four axes: when runs reach a threshold, how scores lie over settings, what tuning finds."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from reppo.analysis.comparisons.axes import Axes
from reppo.analysis.comparisons.searches import SearchScores
from reppo.analysis.figures import style
from reppo.analysis.figures.curves import clock_locator, panel_columns
from reppo.analysis.statistics.best_of import best_of
from reppo.errors import require
from reppo.results.formatting import human_count, human_seconds

_PANEL_HEIGHT = 1.95


def plot_reached(
    rows: Sequence[Axes],
    base: str = "base",
    *,
    x: Literal["steps", "seconds"] = "steps",
    highlight: Sequence[str] | None = None,
    width: float | None = None,
) -> style.Picture:
    """The share of runs that have reached the threshold, over steps or seconds: one panel per task, one line per arm.

    A line ends where runs were watched no longer: at the steps to which all of the task count, or at the seconds of the
    slowest run of the arm. All runs stay in the share to that end, those that diverged too.

    Args:
        rows: of `axes`, with thresholds.
        base: the arm that is drawn in the text's color.
        x: environment steps, or seconds of a run's share of its batch, without compilation.
        highlight: as in `plot_learning_curves`.
        width: of the figure in inches; None for what so many panels take in print.

    Raises:
        ConfigurationError: if there is nothing to draw.
    """
    require(x in ("steps", "seconds"), f"x={x!r} is neither 'steps' nor 'seconds'.")
    known = [(row, time) for row in rows if (time := row.steps if x == "steps" else row.seconds) is not None]
    require(len(known) > 0, "No task has a threshold to be reached, or no run a clock.")
    arms = style.base_first([row.arm for row, _ in known], base)
    with _panels([row.task for row, _ in known], arms, base, highlight, width) as (figure, panels, looks):
        for row, time in known:
            panel, look = panels[row.task], looks.get(row.arm)
            come = np.sort(np.minimum(time.times[time.reached], time.horizon))
            clock = np.concatenate([[0.0], come, [time.horizon]])
            share = np.concatenate([np.arange(len(come) + 1), [len(come)]]) / len(time.times)
            if look is None:
                panel.step(clock, share, where="post", color=style.MUTED, alpha=0.55, linewidth=0.7, zorder=1.5)
                continue
            full = {**look, "marker": look["marker"], "zorder": 3 if row.arm == base else 2.5}
            panel.step(clock, share, where="post", markersize=3.6, markevery=_every(len(clock)), **full)
        for panel in panels.values():
            panel.set_xlim(left=0)
            _clock(panel, x)
            _shares(panel)
        _label(panels, "environment steps" if x == "steps" else "seconds of a run", "runs at the threshold")
    what = "environment steps" if x == "steps" else "seconds"
    parts = [f"{row.arm} on {row.task} {int(time.reached.sum())} of {len(time.reached)}" for row, time in known]
    return style.Picture(
        figure,
        f"Runs that reach the threshold over {what}",
        f"Share of runs that have reached the threshold over {what}, for {', '.join(looks)}. By the end: "
        f"{'; '.join(parts[:12])}{' and others' if len(parts) > 12 else ''}.",
    )


def plot_searches(
    found: Sequence[SearchScores],
    thresholds: Mapping[str, float] | None = None,
    base: str = "base",
    *,
    highlight: Sequence[str] | None = None,
    width: float | None = None,
) -> style.Picture:
    """How scores are distributed over settings: for each score the share of settings that are at least as high.

    The higher and the further right a line, the more settings do well. A mark is the mean of the default; a dotted line
    the threshold.

    Args:
        found: of `search_scores`.
        thresholds: by task, as far as there are some.
        base: the algorithm that is drawn in the text's color.
        highlight: as in `plot_learning_curves`: what is highlighted there looks alike here.
        width: of the figure in inches; None for what so many panels take in print.

    Raises:
        ConfigurationError: if there is nothing to draw.
    """
    require(len(found) > 0, "No setting of a search has a score to draw.")
    starts = style.base_first([one.start for one in found], base)
    with _panels([one.task for one in found], starts, base, highlight, width) as (figure, panels, looks):
        for one in found:
            panel, look = panels[one.task], looks.get(one.start, {"color": style.MUTED})
            ordered = np.sort(one.scores)
            share = 1 - np.arange(len(ordered)) / len(ordered)  # at least as high as each
            places = np.concatenate([ordered[:1], ordered, ordered[-1:]])
            heights = np.concatenate([[1.0], share, [0.0]])
            line = {name: look[name] for name in ("color", "linestyle") if name in look}
            panel.step(places, heights, where="pre", zorder=2.5, **line)
            if one.default.size:
                mean = float(one.default.mean())
                height = float((one.scores >= mean).mean())
                mark = {"marker": look.get("marker", "o"), "color": look["color"]}
                panel.plot(mean, height, linestyle="none", markersize=6.5, clip_on=False, zorder=4, **mark)
        for task, panel in panels.items():
            if thresholds and task in thresholds:
                panel.axvline(thresholds[task], color=style.MUTED, linestyle=(0, (1.2, 1.2)), linewidth=1.1, zorder=1)
            panel.margins(x=0.05)
            _few_ticks(panel)
            _shares(panel)
        _label(panels, "return", "settings at least as high")
    parts = [f"{one.start} on {one.task}: median {np.median(one.scores):.4g} of {len(one.scores)}" for one in found]
    return style.Picture(
        figure,
        "Scores over settings of hyperparameters",
        "For each return the share of settings that are at least as high, a mark for the default and a dotted line for "
        f"the threshold. {'; '.join(parts[:12])}.",
    )


def plot_tuning(
    found: Sequence[SearchScores],
    base: str = "base",
    *,
    highlight: Sequence[str] | None = None,
    width: float | None = None,
) -> style.Picture:
    """What tuning finds: the best of so many settings, on average over which, against their number.

    Dotted lines are the means of the defaults.

    Args:
        found: of `search_scores`.
        base: the algorithm that is drawn in the text's color.
        highlight: as in `plot_learning_curves`: what is highlighted there looks alike here.
        width: of the figure in inches; None for what so many panels take in print.

    Raises:
        ConfigurationError: if there is nothing to draw.

    Source: Dodge et al. 2019, arXiv:1909.03004.
    """
    require(len(found) > 0, "No setting of a search has a score to draw.")
    starts = style.base_first([one.start for one in found], base)
    with _panels([one.task for one in found], starts, base, highlight, width) as (figure, panels, looks):
        for one in found:
            panel, look = panels[one.task], looks.get(one.start, {"color": style.MUTED})
            counts = list(range(1, len(one.scores) + 1))
            every = {"markevery": _every(len(counts)), "markersize": 3.6} if "marker" in look else {}
            panel.plot(counts, best_of(one.scores, counts), zorder=2.5, **look, **every)
            if one.default.size:
                dotted = {"linestyle": (0, (1.2, 1.2)), "linewidth": 1.1, "color": look["color"]}
                panel.axhline(float(one.default.mean()), zorder=1.5, **dotted)
        for panel in panels.values():
            panel.set_xlim(left=0)
            _few_ticks(panel, whole=True)
        _label(panels, "settings tried", "return of the best")
    parts = [f"{one.start} on {one.task}: {one.scores.max():.4g} of {len(one.scores)}" for one in found]
    return style.Picture(
        figure,
        "The best of so many settings",
        "Return of the best of so many settings against their number; dotted, the means of the defaults. The best of "
        f"all: {'; '.join(parts[:12])}.",
    )


@contextmanager
def _panels(
    tasks: Sequence[str], arms: Sequence[str], base: str, highlight: Sequence[str] | None, width: float | None
) -> Iterator[tuple[Any, dict[str, Any], dict[str, dict[str, Any]]]]:
    """A figure with a panel for each task and a legend of arms; and the look of each arm that is told apart."""
    from matplotlib.lines import Line2D

    tasks = list(dict.fromkeys(tasks))
    looks = style.arm_looks(arms, base, highlight)
    colored = list(looks)
    columns = panel_columns(len(tasks))
    lines = math.ceil(len(tasks) / columns)
    width = max(2.35 * columns if columns > 1 else 5.6, 5.2, width or 0.0)
    handles: list[Any] = [Line2D([], [], markersize=4.5, **looks[arm]) for arm in colored]
    labels = [style.shorten(arm, int((width - 0.9) / style.LETTER)) for arm in colored]
    if len(colored) < len(arms):
        handles.append(Line2D([], [], linewidth=0.8, color=style.MUTED, alpha=0.7))
        labels.append(f"{len(arms) - len(colored)} other arms")
    height = (_PANEL_HEIGHT if columns > 1 else 3.0) * lines + style.legend_height(labels, width) + 0.25
    with style.house_style():
        figure = style.new_figure(width, height)
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        for panel in grid[len(tasks) :]:
            panel.remove()
        panels = dict(zip(tasks, grid, strict=False))
        for task, panel in panels.items():
            letters = int((width / columns - 0.6) / 0.074)
            panel.set_title(style.plain(style.shorten(task, letters)), loc="left")
            panel.grid(color=style.MUTED, linewidth=0.5, alpha=0.35)
        yield figure, panels, looks
        style.legend_below(figure, handles, labels, width)


def _label(panels: Mapping[str, Any], below: str, beside: str) -> None:
    """Names the axes: below in the last panel of each column, beside in the first of each row."""
    columns = panel_columns(len(panels))
    for i, panel in enumerate(panels.values()):
        panel.set_ylabel(beside if i % columns == 0 else "")
        panel.set_xlabel(below if i + columns >= len(panels) else "")


def _clock(panel: Any, x: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    write: Callable[[float], str] = human_count if x == "steps" else human_seconds
    steps = MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10], integer=True)
    panel.xaxis.set_major_locator(steps if x == "steps" else clock_locator(panel.get_xlim()[1]))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))


def _shares(panel: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    panel.set_ylim(-0.02, 1.04)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _few_ticks(panel: Any, whole: bool = False) -> None:
    from matplotlib.ticker import MaxNLocator

    panel.xaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10], integer=whole))
    panel.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))


def _every(points: int) -> int:
    return max(1, points // 5)
