"""Figures of designs: interactions of components, sensitivity to hyperparameters."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reppo.analysis.comparisons.factorial import interacting_pairs
from reppo.analysis.comparisons.sensitivity import Sensitivity
from reppo.analysis.comparisons.summaries import aggregate
from reppo.analysis.figures import style
from reppo.analysis.figures.curves import panel_columns
from reppo.analysis.scores.scores import ScoreTable
from reppo.errors import require


def plot_interactions(
    table: ScoreTable, pairs: Sequence[tuple[str, str]] | None = None, *, unit: str = "score"
) -> style.Picture:
    """One panel per pair of ablations: the mean score with neither, either and both. Parallel lines do not interact.

    Args:
        table: scores, with all four arms of each pair.
        pairs: pairs of ablations; None for all that have their four arms.
        unit: what scores are called.

    Raises:
        ConfigurationError: if a pair lacks an arm, or there is none.

    Source: Box, Hunter and Hunter 2005, Statistics for Experimenters.
    """
    known = interacting_pairs(table)
    pairs = known if pairs is None else list(pairs)
    require(len(pairs) > 0, "No two ablations have all four arms: neither, either and both. Add arms like `a + b`.")
    for pair in pairs:
        require(
            pair in known or pair[::-1] in known, f"{pair[0]} and {pair[1]} lack one of their four arms. Add `a + b`."
        )
    made = {frozenset(table.ablations.get(arm, ())): arm for arm in reversed(table.arms)}
    rows = {row.arm: row for row in aggregate(table, ("mean",))}
    longest = min(44, max(len(name) for pair in pairs for name in pair)) + len(" not applied")
    panel_width = max(2.9, 1.0 + style.LETTER * longest)
    columns = max(1, min(4, panel_columns(len(pairs)), int(1.25 * style.PAGE / panel_width)))
    lines = math.ceil(len(pairs) / columns)
    with style.house_style():
        figure = style.new_figure(max(panel_width * columns, 3.6), 2.75 * lines + 0.2)
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for panel in panels[len(pairs) :]:
            panel.remove()
        for panel, (a, b) in zip(panels, pairs, strict=False):
            for with_b, look in ((False, style.arm_style(0, True)), (True, style.arm_style(1, False))):
                arms = [made[frozenset(({a} if with_a else set()) | ({b} if with_b else set()))] for with_a in (0, 1)]
                found = [rows[arm] for arm in arms]
                middle = np.array([row.estimate for row in found])
                ends = np.array([[row.estimate - row.low, row.high - row.estimate] for row in found]).T
                label = style.plain(f"{style.shorten(b, 44)}{'' if with_b else ' not'} applied")
                places = np.array([0.0, 1.0]) + (0.02 if with_b else -0.02)
                panel.errorbar(places, middle, np.nan_to_num(ends), capsize=3, markersize=5, label=label, **look)
            panel.set_xticks([0, 1], ["not applied", "applied"])
            panel.set_xlim(-0.25, 1.25)
            panel.set_xlabel(style.plain(style.shorten(a, 44)))
            panel.set_ylabel(style.plain(unit))
            panel.grid(axis="y", color=style.MUTED, linewidth=0.5, alpha=0.35)
            panel.legend(
                frameon=False,
                loc="lower center",
                bbox_to_anchor=(0.5, 1.0),
                fontsize=7.5,
                borderpad=0,
                handlelength=3.0,
            )
    text = "; ".join(f"{a} and {b}" for a, b in pairs[:6])
    return style.Picture(
        figure,
        "Interactions",
        f"Mean {unit} with neither, either and both of two ablations, with 95% intervals, for {text}.",
    )


def plot_sensitivity(found: Mapping[str, Sensitivity], *, unit: str = "normalized score") -> style.Picture:
    """The sensitivity plane: score tuned per task against what is lost by one setting for all tasks.

    The higher and the further left, the better and the more robust. On the dashed lines the one setting scores alike.

    Args:
        found: for each algorithm its sensitivity.
        unit: what scores are called.

    Raises:
        ConfigurationError: if there is nothing to draw.

    Source: Adkins, Bowling and White 2024, arXiv:2412.07165.
    """
    require(len(found) > 0, "There is no sensitivity to draw.")
    from matplotlib.lines import Line2D

    names = list(found)
    looks = style.arm_styles(names, names[0])
    labels = [style.shorten(name, 60) for name in names]
    width = 4.8
    with style.house_style():
        figure = style.new_figure(width, 3.6 + style.legend_height(labels, width))
        panel = figure.subplots()
        for name in names:
            one, look = found[name], looks[name]
            x, y = one.sensitivity, one.tuned
            spans = [[[v.estimate - v.low], [v.high - v.estimate]] for v in (x, y)]
            panel.errorbar(
                x.estimate, y.estimate, xerr=np.maximum(spans[0], 0), yerr=np.maximum(spans[1], 0),
                marker=look["marker"], color=look["color"], markersize=7, capsize=3, elinewidth=1.1, zorder=3,
            )  # fmt: skip
        panel.set_xlim(left=min(0.0, panel.get_xlim()[0]))
        panel.margins(0.15)
        low, high = panel.get_xlim()
        bottom, top = panel.get_ylim()
        span = max(top - bottom, high - low)
        for level in np.linspace(bottom - span, top + span, 13):
            panel.plot([low, high], [level + low, level + high], "--", color=style.MUTED, linewidth=0.6, zorder=1)
        panel.set(xlim=(low, high), ylim=(bottom, top))
        panel.set_xlabel("sensitivity: tuned per task minus one setting for all")
        panel.set_ylabel(style.plain(f"{unit}, tuned per task"))
        handles = [
            Line2D([], [], marker=look["marker"], color=look["color"], linestyle="none") for look in looks.values()
        ]
        style.legend_below(figure, handles, labels, width)
    points = "; ".join(
        f"{n}: {s.tuned.estimate:.3g} tuned, loses {s.sensitivity.estimate:.3g}" for n, s in found.items()
    )
    return style.Picture(
        figure, "Sensitivity to hyperparameters", f"{unit}, tuned per task, and sensitivity. {points}."
    )
