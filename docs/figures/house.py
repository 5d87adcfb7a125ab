"""Draws the rooms of the library, and which builds on which, by `python docs/figures/house.py`.

Each room is a folder or file of `reppo/`. It stands one row above the highest of those that it imports; a line to a
room that other lines lead to anyway is left out. A line across several rows is pale, so that the boxes which it passes
are not taken for its ends. The SVG names each line `upper-lower`, by which a test sees that the picture is today's.
"""

import ast
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[2] / "reppo"
PICTURE = Path(__file__).with_suffix(".svg")


def rooms() -> dict[str, set[str]]:
    """The rooms of the library, and what each imports."""
    found: dict[str, set[str]] = {}
    catalog = ROOT.parent / "ablations"  # which is imported by name, as `reppo.ablations`
    for file in sorted([*ROOT.rglob("*.py"), *catalog.rglob("*.py")]):
        room = catalog.name if catalog in file.parents else file.relative_to(ROOT).parts[0].removesuffix(".py")
        if room != "__init__":
            found.setdefault(room, set())
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "reppo":
                    found[room] |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reppo."):
                    found[room].add(node.module.split(".")[1])
    return {room: (imported - {room}) & found.keys() for room, imported in found.items()}


def levels(imports: dict[str, set[str]]) -> dict[str, int]:
    """The row of each room: 0 for those that import nothing."""
    found: dict[str, int] = {}

    def level(room: str) -> int:
        if room not in found:
            found[room] = 1 + max((level(other) for other in imports[room]), default=-1)
        return found[room]

    return {room: level(room) for room in imports}


def reduced(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without imports that follow from others."""

    def below(room: str) -> set[str]:
        return imports[room] | {far for near in imports[room] for far in below(near)}

    return {
        room: {one for one in near if not any(one in below(other) for other in near - {one})}
        for room, near in imports.items()
    }


def draw() -> None:
    """Writes the picture."""
    imports = rooms()
    rows: dict[int, list[str]] = {}
    for room, row in levels(imports).items():
        rows.setdefault(row, []).append(room)
    places: dict[str, tuple[float, float]] = {}
    for row in sorted(rows):
        # Each room as near as may be to the middle of those that it stands on.
        middle = lambda room: sum(places[one][0] for one in imports[room]) / max(len(imports[room]), 1)
        for place, room in enumerate(sorted(rows[row], key=middle)):
            places[room] = (place - (len(rows[row]) - 1) / 2, row)
    figure, axes = plt.subplots(figsize=(9, 0.75 * len(rows)))
    for room, near in reduced(imports).items():
        for other in sorted(near):
            (x, y), (to_x, to_y) = places[room], places[other]
            color = "0.5" if y - to_y == 1 else "0.85"
            axes.plot(
                [x, to_x],
                [y - 0.22, to_y + 0.22],
                color=color,
                linewidth=0.8,
                zorder=-(y - to_y),
                gid=f"{room}-{other}",
            )
    for room, (x, y) in places.items():
        style = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": "0.3"}
        axes.text(x, y, room, ha="center", va="center", fontsize=9, bbox=style, zorder=99)
    axes.set_xlim(-max(map(len, rows.values())) / 2, max(map(len, rows.values())) / 2)
    axes.set_ylim(-0.6, max(rows) + 0.6)
    axes.axis("off")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "house"}
    figure.savefig(PICTURE, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    draw()
