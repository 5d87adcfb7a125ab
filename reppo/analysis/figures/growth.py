"""The figure of what training costs on a machine, and how it grows."""

from collections.abc import Mapping
from typing import Any

from reppo.analysis.figures import style
from reppo.costs.table import axes_of, growth, size_words
from reppo.errors import require


def plot_growth(data: Mapping[str, Any]) -> style.Picture:
    """One panel per axis: time of iterations and evaluations, compilation and memory, as multiples of the smallest.

    Both scales are logarithmic, so that a cost that grows in proportion is a line along the dotted one.

    Args:
        data: what `costs.json` of `reppo bench` holds.

    Raises:
        ConfigurationError: if nothing was measured at two sizes of an axis.
    """
    panels = {axis: growth(points) for axis, points in axes_of(data).items() if len({p["size"] for p in points}) > 1}
    require(len(panels) > 0, "Nothing was measured to grow: there is no axis with two sizes.")
    names = list(next(iter(panels.values())))
    looks = style.arm_styles(names, names[0])
    with style.house_style():
        figure = style.new_figure(max(2.6 * len(panels), 4.0), 2.9)
        places = figure.subplots(1, len(panels), squeeze=False)[0]
        for place, (axis, costs) in zip(places, panels.items(), strict=True):
            sizes = [point["size"] for point in axes_of(data)[axis]]
            place.plot(sizes, [size / sizes[0] for size in sizes], color=style.MUTED, linestyle=":", linewidth=1.0)
            for name, numbers in costs.items():
                place.plot(sizes, [number / numbers[0] for number in numbers], label=name, **looks[name])
            place.set_xscale("log", base=2)
            place.set_yscale("log", base=2)
            place.set_xticks(sizes, [str(size) for size in sizes])
            place.set_xlabel(size_words(axis))
            place.grid(color=style.MUTED, linewidth=0.5, alpha=0.35)
        places[0].set_ylabel("multiple of the first")
        handles, labels = places[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(names), frameon=False)
    return style.Picture(
        figure,
        "Growth of costs",
        f"How the costs of {style.plain(data['name'])} grow with {', '.join(map(size_words, panels))}.",
    )
