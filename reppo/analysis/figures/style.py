"""One style for all figures: sizes, colors, lines and labels, and how a figure becomes a file."""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from reppo.errors import require
from reppo.results.files import write_atomically
from reppo.text import plain as in_one_line

INK = "#1b1b1c"
"""Text, axes and the base arm. The report page replaces it by the color of its text, light or dark."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B5A800")
"""Okabe and Ito 2008, Color Universal Design, for up to seven arms; yellow is darker, to be seen on white."""

PAPER = "#fefefe"
"""What lies behind: the inside of open marks. The report page replaces it by the color of its background."""

MUTED = "#8a8d91"
"""What stands in the background: other arms, published curves, grids. Visible on white and on black."""

BAD = "#C62828"
"""Runs that diverged; always with a cross, never by color alone."""

HIGHLIGHTED = len(COLORS)
"""Up to so many arms besides the base are told apart in one panel; beyond, only these are colored."""

FORMATS = ("png", "svg", "pdf")
"""What figures can be written as."""

_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
CROSS: dict[str, Any] = {"marker": "x", "color": BAD, "markersize": 6, "markeredgewidth": 1.8}

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.6,
    "pdf.fonttype": 42,
    "figure.dpi": 100,
    **{
        name: INK
        for name in ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "axes.titlecolor")
    },
}

LETTER = 0.068
"""Width of a letter of the style's text in inches, on average."""

PAGE = 9.5
"""Width in inches of a figure that takes the whole width of a report page."""

NAME = 60
"""Letters of a name beside a row; longer ones are cut in the middle."""


@contextmanager
def house_style() -> Iterator[None]:
    """Within it matplotlib draws in the style of this library."""
    import matplotlib

    with matplotlib.rc_context(_RC):
        yield


@final
@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn figure. Shows itself in a notebook.

    Attributes:
        figure: the matplotlib figure.
        title: a few words on what it shows.
        alt: what it shows, for those who cannot see it.
    """

    figure: Any
    title: str
    alt: str

    def save(self, path: str | Path) -> Path:
        """Writes it as PNG, SVG or PDF, by the suffix of the path; the file is replaced whole.

        Raises:
            ConfigurationError: if the suffix is another.
        """
        target = Path(path)
        kind = target.suffix.lower().removeprefix(".")
        require(kind in FORMATS, f"A figure cannot be saved as {target.name!r}. End the name in .png, .svg or .pdf.")
        write_atomically(target, self.render(kind))
        return target

    def render(self, kind: str = "png", text_as_paths: bool = True, dpi: int = 200) -> bytes:
        """Renders it. The same figure gives the same bytes.

        Args:
            kind: `"png"`, `"svg"` or `"pdf"`.
            text_as_paths: whether the letters of an SVG are shapes, which look alike everywhere, or text.
            dpi: resolution of a PNG, positive.
        """
        import matplotlib

        stream = io.BytesIO()
        salt = hashlib.sha256(self.title.encode()).hexdigest()[:8]
        options: Any = {"svg.hashsalt": salt, "svg.fonttype": "path" if text_as_paths else "none"}
        metadata: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[
            kind
        ]
        with house_style(), matplotlib.rc_context(options):
            self.figure.savefig(stream, format=kind, dpi=dpi, metadata=metadata, transparent=kind == "svg")
        return stream.getvalue()

    def to_page(self) -> str:
        """An `<svg>` element to be put into an HTML page: small, in the page's text color and font."""
        text = self.render("svg", text_as_paths=False).decode()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
        text = re.sub(r"<[^>]+>", lambda tag: _NUMBER.sub(_rounded, tag[0]), text)  # places, not what is written
        text = re.sub(r' d="([^"]*)"', lambda path: f' d="{_short_path(path[1])}"', text)
        text = text.replace(INK, "currentColor").replace(PAPER, "var(--paper)").replace("'DejaVu Sans'", "inherit")
        for i, color in enumerate(COLORS):  # the page has lighter ones for the dark
            text = re.sub(color, f"var(--c{i})", text, flags=re.IGNORECASE)
        # Names must differ from those of other figures on the page; those that nobody refers to go.
        salt = "f" + hashlib.sha256(self.title.encode()).hexdigest()[:5]
        used = set(re.findall(r"#([\w-]+)", text))
        text = re.sub(r' id="([\w.-]+)"', lambda name: f' id="{salt}-{name[1]}"' if name[1] in used else "", text)
        text = re.sub(r"url\(#", f"url(#{salt}-", text)
        text = re.sub(r'xlink:href="#', f'href="#{salt}-', text)
        looks: dict[str, str] = {}
        text = re.sub(
            r' style="([^"]*)"', lambda look: f' class="{looks.setdefault(look[1], f"{salt}{len(looks)}")}"', text
        )
        rules = "".join(f".{name}{{{look}}}" for look, name in looks.items())
        text = re.sub(r"\s*\n\s*", "\n", text)
        head, end, rest = text.partition(">")
        return f'{head} role="img" aria-label="{escape(self.alt)}"{end}<style>{rules}</style>{rest}'.strip()

    def _repr_png_(self) -> bytes:
        return self.render("png", dpi=110)


_NUMBER = re.compile(r"\d+\.\d{2,}")


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _short_path(path: str) -> str:
    """The same SVG path in fewer letters: lines that follow a move or a line need no command."""
    words, last = [], ""
    for part in path.split("\n"):
        command, _, numbers = part.strip().partition(" ")
        words.append(numbers if command == "L" and last in ("M", "L") else f"{command}{numbers}")
        last = command or last
    return " ".join(word for word in words if word)


def escape(text: str) -> str:
    """Text as it may stand in HTML, also between quotes."""
    import html

    return html.escape(text, quote=True)


def new_figure(width: float | int, height: float | int) -> Any:
    """An empty figure whose parts make room for each other. No display, no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def base_first(arms: Iterable[str], base: str) -> list[str]:
    """The base, then the other arms as they are given, each once."""
    return sorted(dict.fromkeys(arms), key=lambda arm: arm != base)


def arm_looks(arms: Sequence[str], base: str, highlight: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """The look of each arm that is told apart: the base and up to seven others, where there are more the highlighted.

    Figures with the same base and the same arms to highlight give an arm the same look, whatever others they have.
    """
    others = [arm for arm in arms if arm != base]
    order = list(dict.fromkeys([*(highlight or ()), *others]))
    if len(others) > HIGHLIGHTED:
        order = (others if highlight is None else list(highlight))[:HIGHLIGHTED]
    return {arm: look for arm, look in arm_styles([base, *order], base).items() if arm in arms}


def arm_styles(arms: Sequence[str], base: str) -> dict[str, dict[str, Any]]:
    """The look of each arm: no two alike, and told apart without color by line and marker."""
    return {arm: arm_style(i, arm == base) for i, arm in enumerate(arms)}


def arm_style(index: int, base: bool) -> dict[str, Any]:
    """The look of one arm by its place in the order."""
    if base:
        return {"color": INK, "linestyle": "-", "marker": "o"}
    return {
        "color": COLORS[index % len(COLORS)],
        "linestyle": _LINES[index % len(_LINES)],
        "marker": _MARKERS[index % len(_MARKERS)],
    }


def shorten(name: str, longest: int) -> str:
    """A name cut in the middle if it is too long."""
    if len(name) <= longest:
        return name
    longest = max(longest, 5)
    head = (longest - 1) // 2
    return f"{name[:head]}…{name[len(name) - (longest - 1 - head) :]}"


def plain(text: str) -> str:
    """Text that matplotlib takes as it is: no mathematics, no control character, and no label that it leaves out."""
    text = in_one_line(text).replace("$", r"\$")
    return f"\u200b{text}" if text.startswith("_") else text


def legend_below(figure: Any, handles: Sequence[Any], labels: Sequence[str], width: float | int) -> int:
    """Puts a legend below all panels, in as many columns as fit; returns the number of its lines."""
    entry = LETTER * max(map(len, labels)) + 0.62
    columns = max(1, min(len(labels), int(width / entry)))
    figure.legend(
        handles=handles,
        labels=[plain(label) for label in labels],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        handlelength=3.0,
        columnspacing=1.5,
    )
    return -(-len(labels) // columns)


def legend_height(labels: Sequence[str], width: float | int) -> float:
    """Inches that `legend_below` takes."""
    if not labels:
        return 0.0
    columns = max(1, min(len(labels), int(width / (LETTER * max(map(len, labels)) + 0.62))))
    return 0.19 * -(-len(labels) // columns) + 0.1


def signed(value: float | int, digits: int) -> str:
    """A difference with its sign, and a real minus."""
    text = f"{value:+.{digits}f}".replace("-", "\u2212")
    return text if any(c in "123456789" for c in text) else f"{0:.{digits}f}"


def decimals(values: Any) -> int:
    """Decimals that show about three significant digits of the largest of some values."""
    import numpy as np

    finite = np.abs(np.asarray(values, np.float64))
    finite = finite[np.isfinite(finite)]
    largest = float(finite.max()) if finite.size else 0.0
    return 0 if largest >= 100 else 1 if largest >= 10 else 2 if largest >= 1 else 3
