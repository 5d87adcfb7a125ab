"""Figures of what training cost and how it went."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reppo.analysis.curves.diagnostics import Diagnostic
from reppo.analysis.figures import style
from reppo.analysis.figures.curves import panel_columns
from reppo.analysis.scores.arms import arms_in_order
from reppo.errors import require
from reppo.results import RunData
from reppo.results.formatting import human_count


def plot_costs(results: Sequence[RunData], base: str = "base") -> style.Picture:
    """Bars per arm of what a run costs: training and compilation time, speed, and memory where it was recorded.

    Bars are medians over runs; whiskers go from the fastest tenth to the slowest. Times are those of a batch, which
    its runs share.

    Args:
        results: runs.
        base: the arm at the top.

    Raises:
        ConfigurationError: if no run has recorded a time.
    """
    measures: list[tuple[str, Any]] = [
        ("seconds per 1M steps", lambda record: record.steps_per_second or None),
        ("compilation in seconds", lambda record: record.compile_seconds),
        ("program memory in MiB", _mebibytes),
    ]
    arms = arms_in_order(results, base)
    values = {
        name: [[v for run in results if run.record.arm == arm and (v := of(run.record)) is not None] for arm in arms]
        for name, of in measures
    }
    shown = [name for name, _ in measures if any(values[name])]
    require(len(shown) > 0, "No run has recorded how long it took.")
    names = [style.shorten(arm, style.NAME) for arm in arms]
    width = 0.7 + style.LETTER * max(map(len, names)) + 2.3 * len(shown)
    with style.house_style():
        figure = style.new_figure(width, 0.75 + 0.24 * len(arms))
        panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        for panel, name in zip(panels, shown, strict=True):
            for row, own in enumerate(values[name]):
                if own:
                    low, middle, high = np.quantile(own, [0.1, 0.5, 0.9])
                    if name == measures[0][0]:  # of the median speed, which is in the table
                        low, middle, high = 1e6 / high, 1e6 / middle, 1e6 / low
                    color = style.INK if arms[row] == base else style.COLORS[0]
                    panel.barh(row, middle, height=0.62, color=color, alpha=0.55, linewidth=0)
                    if len(own) > 1:
                        panel.plot([low, high], [row, row], color=color, linewidth=1.2)
                    panel.annotate(
                        f"{middle:.3g}" if middle < 1000 else human_count(middle), (max(middle, high), row),
                        xytext=(3, 0), textcoords="offset points", va="center", fontsize=7.5,
                    )  # fmt: skip
            panel.set_title(name)
            panel.tick_params(axis="y", length=0)
            panel.margins(x=0.22)
            panel.set_xlim(left=0)
            panel.set_axisbelow(True)
            panel.grid(axis="x", color=style.MUTED, linewidth=0.5, alpha=0.35)
            panel.xaxis.set_major_locator(_locator())
        panels[0].set_yticks(range(len(arms)), [style.plain(name) for name in names])
        panels[0].set_ylim(len(arms) - 0.4, -0.6)
    return style.Picture(
        figure, "Time and memory", f"Median {', '.join(shown)} of each arm; the numbers are in the table of costs."
    )


def _locator() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10])


def _mebibytes(record: Any) -> float | None:
    return None if record.program_bytes is None else record.program_bytes / 2**20


def plot_diagnostics(
    diagnostics: Mapping[str, Sequence[Diagnostic]], base: str = "base", *, highlight: Sequence[str] | None = None
) -> style.Picture:
    """How training went: one panel per metric, one line per arm, over the share of training that is done.

    A line is the median over all runs of an arm, on all tasks; its band goes from the lowest tenth to the highest.

    Args:
        diagnostics: for each arm what `training_diagnostics` gives.
        base: the arm that is drawn in the text's color.
        highlight: as in `plot_learning_curves`.

    Raises:
        ConfigurationError: if nothing was recorded.
    """
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    titles = list(dict.fromkeys(d.title for own in diagnostics.values() for d in own))
    require(len(titles) > 0, "No training metrics were recorded.")
    arms = style.base_first(diagnostics, base)
    looks = style.arm_looks(arms, base, highlight)
    colored = list(looks)
    columns = min(4, panel_columns(len(titles)))
    rows = math.ceil(len(titles) / columns)
    width = max(2.6 * columns, 5.2)
    handles: list[Any] = [Line2D([], [], markersize=4, **looks[arm]) for arm in colored]
    labels = [style.shorten(arm, int((width - 0.9) / style.LETTER)) for arm in colored]
    if len(colored) < len(arms):
        handles.append(Line2D([], [], linewidth=0.8, color=style.MUTED))
        labels.append(f"{len(arms) - len(colored)} other arms")
    with style.house_style():
        figure = style.new_figure(width, 1.95 * rows + style.legend_height(labels, width) + 0.2)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in panels[len(titles) :]:
            panel.remove()
        for panel, title in zip(panels, titles, strict=False):
            for arm in reversed(arms):
                for one in (d for d in diagnostics[arm] if d.title == title):
                    if arm not in looks:
                        panel.plot(one.progress, one.median, color=style.MUTED, alpha=0.55, linewidth=0.7, zorder=1.5)
                        continue
                    look, place = looks[arm], colored.index(arm)
                    panel.fill_between(one.progress, one.low, one.high, color=look["color"], alpha=0.12, linewidth=0)
                    spacing = max(1, len(one.progress) // 4)
                    panel.plot(one.progress, one.median, markersize=3.6, markevery=(place % spacing, spacing), **look)
            limits = {one.limit for own in diagnostics.values() for one in own if one.title == title and one.limit}
            if len(limits) == 1:
                panel.axhline(limits.pop(), color=style.BAD, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
            if any(one.logarithmic for own in diagnostics.values() for one in own if one.title == title):
                _log_axis(panel)
            else:
                high = panel.get_ylim()[1]
                if min(float(one.low.min()) for own in diagnostics.values() for one in own if one.title == title) >= 0:
                    panel.set_ylim(0, max(high, 0.01))  # shares: no room below 0, and none made up above it
                panel.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
            panel.set_title(title, loc="left")
            panel.set_xlim(0, 1)
            panel.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            panel.xaxis.set_major_locator(MaxNLocator(nbins=2))
            panel.grid(axis="y", color=style.MUTED, linewidth=0.5, alpha=0.35)
        for i, panel in enumerate(panels[: len(titles)]):
            panel.set_xlabel("training done" if i + columns >= len(titles) else "")
        style.legend_below(figure, handles, labels, width)
    return style.Picture(
        figure,
        "Training diagnostics",
        f"{'; '.join(titles)}: median over the runs of each arm and the middle 80%, for {', '.join(labels)}.",
    )


def _log_axis(panel: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel.set_yscale("log")
    low, high = panel.get_ylim()
    if high / low < 4:  # wide enough for a tick at two places at least
        middle = math.sqrt(low * high)
        low, high = panel.set_ylim(middle / 2.5, middle * 2.5)
    narrow = high / low < 100
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=8 if narrow else 4))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
