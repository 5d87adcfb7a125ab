"""Arms compared: forest plot of effects, aggregates, performance profiles, heat map of differences."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reppo.analysis.comparisons.paired import PairedEffect
from reppo.analysis.comparisons.summaries import AggregateRow, Profile
from reppo.analysis.figures import style
from reppo.errors import require
from reppo.text import counted

_LONGEST = 34  # letters of a name beside a row

_AGGREGATE_TITLES = {
    "task_iqm": "IQM over tasks",
    "pooled_iqm": "pooled IQM",
    "mean": "mean",
    "median": "median over tasks",
    "run_median": "median of medians",
    "optimality_gap": "gap (less is better)",
}


def plot_effects(effects: Sequence[PairedEffect], *, level: float = 0.05, unit: str = "score") -> style.Picture:
    """A forest plot: for each arm its difference from the base with its interval, and the tasks as dots behind it.

    Ordered from the worst arm to the best. Filled marks are differences whose corrected p value is below the level.

    Args:
        effects: of `compare`; rows over all tasks are drawn, rows of a task are the dots.
        level: of the test, in (0, 1).
        unit: what scores are called on the axis.

    Raises:
        ConfigurationError: if there is no difference to draw.
    """
    whole = [effect for effect in effects if effect.task is None and math.isfinite(effect.estimate)]
    require(len(whole) > 0, "There is no difference to draw: no arm shares a seed and a task with the base.")
    whole.sort(key=lambda effect: effect.estimate)
    base = whole[0].base
    names = [style.shorten(effect.arm, _LONGEST) for effect in whole]
    digits = style.decimals([effect.estimate for effect in whole])
    tasks = {
        effect.arm: [e.estimate for e in effects if e.arm == effect.arm and e.task and math.isfinite(e.estimate)]
        for effect in whole
    }
    numbers = [_written(effect, digits) for effect in whole]
    width = 3.6 + style.LETTER * (max(map(len, names)) + max(map(len, numbers)))
    with style.house_style():
        figure = style.new_figure(width, 0.9 + 0.27 * len(whole))
        panel = figure.subplots()
        for row, effect in enumerate(whole):
            if effect.tasks > 1:
                dots = tasks[effect.arm]
                panel.plot(dots, [row] * len(dots), "|", color=style.MUTED, markersize=6, alpha=0.8, zorder=1)
            sure = effect.p_holm < level
            color = style.COLORS[0] if effect.estimate >= 0 else style.COLORS[1]
            if math.isfinite(effect.low):
                panel.plot([effect.low, effect.high], [row, row], color=color, linewidth=2.2, zorder=2)
            face = color if sure else style.PAPER
            panel.plot(effect.estimate, row, "o", color=color, markerfacecolor=face, markersize=6, zorder=3)
        panel.axvline(0, color=style.INK, linewidth=0.9, zorder=1.5)
        panel.set_yticks(range(len(whole)), [style.plain(name) for name in names])
        panel.set_ylim(len(whole) - 0.4, -0.6)
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
        panel.grid(axis="x", color=style.MUTED, linewidth=0.5, alpha=0.35)
        _few_ticks(panel)
        right = panel.secondary_yaxis("right")
        right.set_yticks(range(len(whole)), numbers)
        right.tick_params(axis="y", length=0, colors=style.INK)
        right.spines["right"].set_visible(False)
        panel.set_xlabel(style.plain(f"{unit}, arm minus {style.shorten(base, 24)}; below 0 is worse"))
    worst = whole[0]
    return style.Picture(
        figure,
        "Effects of the arms",
        f"Difference in {unit} of {counted(len(whole), 'arm')} from {base}, with 95% intervals. "
        f"Lowest: {worst.arm} with {numbers[0]}; highest: {whole[-1].arm} with "
        f"{numbers[-1]}. Filled marks: corrected p below {level:g}.",
    )


def _written(effect: PairedEffect, digits: int) -> str:
    text = style.signed(effect.estimate, digits)
    if math.isfinite(effect.low):
        text += f" [{style.signed(effect.low, digits)}, {style.signed(effect.high, digits)}]"
    return text


def plot_aggregates(rows: Sequence[AggregateRow], base: str = "base", unit: str = "score") -> style.Picture:
    """One panel per aggregate, one row per arm: the estimate as a mark, its interval as a bar.

    Args:
        rows: of `aggregate`.
        base: the arm that is drawn in the text's color, at the top.
        unit: what scores are called on the axis.

    Raises:
        ConfigurationError: if there are no rows.

    Source: Agarwal et al. 2021, arXiv:2108.13264.
    """
    require(len(rows) > 0, "There are no aggregates to draw.")
    kinds = list(dict.fromkeys(row.aggregate for row in rows))
    arms = _by_value(rows, kinds[0], base)
    names = [style.shorten(arm, _LONGEST) for arm in arms]
    width = min(11.0, 0.9 + style.LETTER * max(map(len, names)) + 1.75 * len(kinds))
    with style.house_style():
        figure = style.new_figure(width, 0.85 + 0.24 * len(arms))
        panels = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
        for panel, kind in zip(panels, kinds, strict=True):
            for row in (r for r in rows if r.aggregate == kind):
                place = arms.index(row.arm)
                color = style.INK if row.arm == base else style.COLORS[0]
                if math.isfinite(row.low):
                    panel.barh(
                        place, row.high - row.low, left=row.low, height=0.55, color=color, alpha=0.35, linewidth=0
                    )
                panel.plot([row.estimate] * 2, [place - 0.3, place + 0.3], color=color, linewidth=2)
            panel.set_title(_AGGREGATE_TITLES.get(kind, kind))
            panel.grid(axis="x", color=style.MUTED, linewidth=0.5, alpha=0.35)
            panel.tick_params(axis="y", length=0)
            panel.spines["left"].set_visible(False)
            _few_ticks(panel, 4)
        panels[0].set_yticks(range(len(arms)), [style.plain(name) for name in names])
        panels[0].set_ylim(len(arms) - 0.4, -0.6)
        figure.supxlabel(style.plain(unit), fontsize=8.5)
    return style.Picture(
        figure,
        "Aggregates over tasks",
        f"{', '.join(_AGGREGATE_TITLES.get(kind, kind) for kind in kinds)} of {counted(len(arms), 'arm')} with "
        "95% intervals; the numbers are in the table of aggregates.",
    )


def _by_value(rows: Sequence[AggregateRow], kind: str, base: str) -> list[str]:
    values = {row.arm: row.estimate for row in rows if row.aggregate == kind}
    return sorted(values, key=lambda arm: (arm != base, -values[arm] if math.isfinite(values[arm]) else math.inf))


def plot_profiles(
    profiles: Sequence[Profile], base: str = "base", *, highlight: Sequence[str] | None = None, unit: str = "score"
) -> style.Picture:
    """Performance profiles: for each score the share of runs that are higher; the higher curve is the better arm.

    Args:
        profiles: of `performance_profiles`.
        base: the arm that is drawn in the text's color.
        highlight: as in `plot_learning_curves`.
        unit: what scores are called on the axis.

    Raises:
        ConfigurationError: if there are no profiles.

    Source: Agarwal et al. 2021, arXiv:2108.13264.
    """
    from matplotlib.lines import Line2D
    from matplotlib.ticker import PercentFormatter

    require(len(profiles) > 0, "There are no performance profiles to draw.")
    arms = style.base_first([profile.arm for profile in profiles], base)
    colored = style.colored(arms, base, highlight)
    looks = style.arm_styles(colored, base)
    width = 5.6
    handles: list[Any] = [Line2D([], [], markersize=4, **looks[arm]) for arm in colored]
    labels = [style.shorten(arm, 60) for arm in colored]
    if len(colored) < len(arms):
        handles.append(Line2D([], [], linewidth=0.8, color=style.MUTED))
        labels.append(f"{len(arms) - len(colored)} other arms")
    with style.house_style():
        figure = style.new_figure(width, 3.0 + style.legend_height(labels, width))
        panel = figure.subplots()
        for profile in profiles:
            if profile.arm not in looks:
                panel.plot(profile.thresholds, profile.share, color=style.MUTED, alpha=0.55, linewidth=0.7, zorder=1.5)
                continue
            look, place = looks[profile.arm], colored.index(profile.arm)
            band = {"color": look["color"], "alpha": 0.14, "linewidth": 0}
            panel.fill_between(profile.thresholds, profile.low, profile.high, **band)
            spacing = max(1, len(profile.thresholds) // 6)
            every = (place * max(1, spacing // 8) % spacing, spacing)
            panel.plot(profile.thresholds, profile.share, markevery=every, markersize=4, zorder=2.5, **look)
        panel.set_ylim(0, 1.02)
        panel.margins(x=0.01)
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        panel.grid(color=style.MUTED, linewidth=0.5, alpha=0.35)
        panel.set_xlabel(style.plain(unit))
        panel.set_ylabel("runs with a higher score")
        style.legend_below(figure, handles, labels, width)
    return style.Picture(
        figure,
        "Performance profiles",
        f"For each {unit} the share of runs that are higher, averaged over tasks, for {', '.join(labels)}.",
    )


def plot_differences(effects: Sequence[PairedEffect], *, level: float = 0.05, unit: str = "score") -> style.Picture:
    """A heat map: for each task and arm the difference from the base.

    Color shows the difference as a share of the largest difference on the same task, so that tasks of every scale can
    be read; orange is worse than the base, purple better. Numbers are the differences themselves; bold where the
    corrected p value is below the level.

    Args:
        effects: of `compare`.
        level: of the test, in (0, 1).
        unit: what scores are called.

    Raises:
        ConfigurationError: if there is no difference to draw.
    """
    import matplotlib
    from matplotlib.colors import Normalize, to_rgba

    cells = {(e.task, e.arm): e for e in effects if e.task is not None and math.isfinite(e.estimate)}
    require(len(cells) > 0, "There is no difference to draw: no arm shares a seed and a task with the base.")
    order = {e.arm: e.estimate for e in effects if e.task is None}
    arms = sorted({arm for _, arm in cells}, key=lambda arm: order.get(arm, 0.0))
    tasks = list(dict.fromkeys(task for task, _ in cells if task is not None))
    values = np.array([[cells[t, a].estimate if (t, a) in cells else np.nan for a in arms] for t in tasks], np.float64)
    largest = np.nanmax(np.abs(values), axis=1, keepdims=True)
    shares = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    shares = np.where(np.isnan(values), np.nan, shares)
    digits = [style.decimals(row) for row in values]
    texts = [
        [style.signed(v, d) if math.isfinite(v) else "" for v in row] for row, d in zip(values, digits, strict=True)
    ]
    longest = max(len(text) for row in texts for text in row)
    cell_width = max(0.26, 0.062 * longest + 0.08)
    names = [style.shorten(arm, 28) for arm in arms]
    tilted = max(map(len, names)) * style.LETTER > cell_width
    left = style.LETTER * max(len(style.shorten(t, _LONGEST)) for t in tasks)
    width = max(3.4, left + cell_width * len(arms) + (0.9 if tilted else 0.3))
    top = style.LETTER * max(map(len, names)) * 0.75 if tilted else 0.2
    with style.house_style():
        figure = style.new_figure(width, 0.8 + top + 0.21 * len(tasks))
        panel = figure.subplots()
        colors = matplotlib.colormaps["PuOr"].with_extremes(bad=to_rgba(style.MUTED, 0.25))
        image = panel.imshow(np.ma.masked_invalid(shares), cmap=colors, norm=Normalize(-1.25, 1.25), aspect="auto")
        for i, row in enumerate(texts):
            for j, text in enumerate(row):
                if text:
                    sure = cells[tasks[i], arms[j]].p_holm < level
                    dark = abs(shares[i, j]) > 0.75
                    panel.text(
                        j, i, text, ha="center", va="center", fontsize=7.0,
                        color="#ffffff" if dark else "#111111", fontweight="bold" if sure else "normal",
                    )  # fmt: skip
        panel.set_xticks(range(len(arms)), [style.plain(name) for name in names])
        panel.xaxis.tick_top()
        if tilted:
            panel.tick_params(axis="x", rotation=50)
            for label in panel.get_xticklabels():
                label.set(ha="left", rotation_mode="anchor")
        panel.set_yticks(range(len(tasks)), [style.plain(style.shorten(task, _LONGEST)) for task in tasks])
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
        share = min(1.0, 2.2 / (cell_width * len(arms)))
        bar = figure.colorbar(image, ax=panel, location="bottom", shrink=share, aspect=22, pad=0.02)
        bar.ax.set_xlim(-1, 1)
        bar.set_ticks([-1, 0, 1], labels=["worse", "equal", "better"])
        bar.outline.set_visible(False)
    return style.Picture(
        figure,
        "Differences by task",
        f"Difference in {unit} from the base for {counted(len(arms), 'arm')} on "
        f"{counted(len(tasks), 'task')}, colored as a share of the largest "
        "difference on the task; the numbers are in the table of differences.",
    )


def _few_ticks(panel: Any, most: int = 5) -> None:
    from matplotlib.ticker import MaxNLocator

    panel.xaxis.set_major_locator(MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]))
