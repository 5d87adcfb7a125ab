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
    names = [style.shorten(effect.arm, style.NAME) for effect in whole]
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
        panel.set_xlabel(style.plain(f"{unit}, arm minus {style.shorten(base, 36)}; below 0 is worse"))
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
    names = [style.shorten(arm, style.NAME) for arm in arms]
    width = 0.9 + style.LETTER * max(map(len, names)) + max(1.45, min(1.75, 7.0 / len(kinds))) * len(kinds)
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
    looks = style.arm_looks(arms, base, highlight)
    colored = list(looks)
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

    Color shows how much evidence there is for a difference, on tasks of every scale alike: none where the corrected p
    value is 1 or unknown, the darkest where it is 0.001 or less; orange is lower than the base, purple higher. Numbers
    are the differences themselves; bold where the corrected p value is below the level. Tasks are rows, or arms if
    there are more of these.

    Args:
        effects: of `compare`.
        level: of the test, in (0, 1).
        unit: what scores are called.

    Raises:
        ConfigurationError: if there is no difference to draw.
    """
    from matplotlib.colors import ListedColormap, Normalize, to_rgba

    cells = {(e.task, e.arm): e for e in effects if e.task is not None and math.isfinite(e.estimate)}
    require(len(cells) > 0, "There is no difference to draw: no arm shares a seed and a task with the base.")
    order = {e.arm: e.estimate for e in effects if e.task is None}
    arms = sorted({arm for _, arm in cells}, key=lambda arm: order.get(arm, 0.0))
    tasks = list(dict.fromkeys(task for task, _ in cells if task is not None))
    digits = {t: style.decimals([cells[t, a].estimate for a in arms if (t, a) in cells]) for t in tasks}
    evidence = np.array([[_evidence(cells.get((task, arm))) for arm in arms] for task in tasks], np.float64)
    grid = [[(task, arm) for arm in arms] for task in tasks]
    heads, rows = [style.shorten(arm, 36) for arm in arms], [style.shorten(task, style.NAME) for task in tasks]
    if len(arms) > len(tasks):
        grid, evidence = [list(row) for row in zip(*grid, strict=True)], evidence.T
        heads, rows = [style.shorten(task, 36) for task in tasks], [style.shorten(arm, style.NAME) for arm in arms]
    texts = [[style.signed(cells[key].estimate, digits[key[0]]) if key in cells else "" for key in row] for row in grid]
    letters = style.LETTER * max(map(len, heads))
    own = max(0.26, 0.062 * max(len(text) for row in texts for text in row) + 0.08)
    cell_width = max(letters + 0.15 if letters < 1.6 * own else own, 2.9 / len(heads))
    tilted = letters > cell_width
    width = style.LETTER * max(map(len, rows)) + cell_width * len(heads) + (0.9 if tilted else 0.3)
    with style.house_style():
        figure = style.new_figure(width, 1.0 + (0.75 * letters if tilted else 0.2) + 0.21 * len(rows))
        panel = figure.subplots()
        shades = np.linspace(-1, 1, 257)  # see-through where there is no evidence: on light pages and on dark ones
        ends = (to_rgba("#b35806"), to_rgba("#6a3d9a"))
        colors = ListedColormap([(*ends[int(shade > 0)][:3], abs(shade)) for shade in shades])
        colors = colors.with_extremes(bad=to_rgba(style.MUTED, 0.25))
        image = panel.imshow(np.ma.masked_invalid(evidence), cmap=colors, norm=Normalize(-1, 1), aspect="auto")
        for i, row in enumerate(grid):
            for j, key in enumerate(row):
                if key in cells:
                    panel.text(
                        j, i, texts[i][j], ha="center", va="center", fontsize=7.5,
                        color="#ffffff" if abs(evidence[i, j]) > 0.55 else style.INK,
                        fontweight="bold" if cells[key].p_holm < level else "normal",
                    )  # fmt: skip
        panel.set_xticks(range(len(heads)), [style.plain(head) for head in heads])
        panel.xaxis.tick_top()
        if tilted:
            panel.tick_params(axis="x", rotation=50)
            for label in panel.get_xticklabels():
                label.set(ha="left", rotation_mode="anchor")
        panel.set_yticks(range(len(rows)), [style.plain(row) for row in rows])
        panel.tick_params(length=0)
        panel.set_xticks(np.arange(len(heads) - 1) + 0.5, minor=True)
        panel.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
        panel.tick_params(which="minor", length=0)
        panel.grid(which="minor", color=style.MUTED, linewidth=0.5, alpha=0.5)
        panel.spines[:].set(visible=True, color=style.MUTED, linewidth=0.5, alpha=0.5)
        bar = figure.colorbar(
            image, ax=panel, location="bottom", shrink=min(1.0, 2.8 / (cell_width * len(heads))), aspect=28, pad=0.02
        )
        at = -math.log10(0.05) / _STRONGEST
        bar.set_ticks([-1, -at, 0, at, 1], labels=["0.001", "0.05", "1", "0.05", "0.001"])
        bar.set_label("lower  \u2190  corrected p  \u2192  higher")
        bar.outline.set(edgecolor=style.MUTED, linewidth=0.5)
    return style.Picture(
        figure,
        "Differences by task",
        f"Difference in {unit} from the base for {counted(len(arms), 'arm')} on "
        f"{counted(len(tasks), 'task')}, colored by the corrected p value; the numbers are in the table of "
        "differences.",
    )


_STRONGEST = 3.0  # the power of ten of the smallest p value that colors tell apart


def _evidence(effect: PairedEffect | None) -> float:
    """How much speaks for a difference, with its sign: 0 for a p value of 1 or none, 1 for 0.001; NaN if it is none."""
    if effect is None:
        return math.nan
    if not math.isfinite(effect.p_holm):
        return 0.0
    return math.copysign(min(1.0, -math.log10(max(effect.p_holm, 1e-9)) / _STRONGEST), effect.estimate)


def _few_ticks(panel: Any, most: int = 5) -> None:
    from matplotlib.ticker import MaxNLocator

    panel.xaxis.set_major_locator(MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]))
