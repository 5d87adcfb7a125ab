"""The figure of how costs grow."""

from collections.abc import Mapping, Sequence

from reppo.analysis.figures import style
from reppo.errors import require

Growth = tuple[Sequence[int], Mapping[str, Sequence[float | int]]]
"""Sizes, ascending, and for each cost a number at each of them."""


def plot_growth(name: str, growths: Mapping[str, Growth]) -> style.Picture:
    """One panel for each thing that grows: costs as multiples of those at its smallest size.

    Both scales are logarithmic, so that a cost that grows in proportion is a line along the dotted one.

    Args:
        name: what it is that costs.
        growths: what sizes are, such as "seeds", with the sizes and the costs, which are the same for all.

    Raises:
        ConfigurationError: if there is nothing to draw.
    """
    require(len(growths) > 0, "Nothing was measured to grow: there is no axis with two sizes.")
    costs = list(next(iter(growths.values()))[1])
    looks = style.arm_styles(costs, costs[0])
    with style.house_style():
        figure = style.new_figure(max(2.6 * len(growths), 4.0), 2.9)
        panels = figure.subplots(1, len(growths), squeeze=False)[0]
        for panel, (what, (sizes, found)) in zip(panels, growths.items(), strict=True):
            panel.plot(sizes, [size / sizes[0] for size in sizes], color=style.MUTED, linestyle=":", linewidth=1.0)
            for cost, numbers in found.items():
                panel.plot(sizes, [number / numbers[0] for number in numbers], label=cost, **looks[cost])
            panel.set_xscale("log", base=2)
            panel.set_yscale("log", base=2)
            panel.set_xticks(sizes, [str(size) for size in sizes])
            panel.set_xlabel(what)
            panel.grid(color=style.MUTED, linewidth=0.5, alpha=0.35)
        panels[0].set_ylabel("multiple of the first")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(costs), frameon=False)
    return style.Picture(
        figure, "Growth of costs", f"How the costs of {style.plain(name)} grow with {', '.join(growths)}."
    )
