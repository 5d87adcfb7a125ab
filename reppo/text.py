"""Names, questions and messages are text: how it stands in a terminal, a table and a page. Imports nothing heavy."""

import html
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any


def plain(text: str) -> str:
    """Text in one line of a terminal: control characters, line breaks and what turns the direction are escaped."""
    return "".join(
        character if character.isprintable() or character == " " else character.encode("unicode_escape").decode()
        for character in text
    )


def plain_lines(text: str) -> str:
    """Text in several lines of a terminal: as `plain`, but for the line breaks."""
    return "\n".join(map(plain, text.split("\n")))


def display_width(text: str) -> int:
    """The columns of a terminal that a line takes: wide characters, such as those of Chinese and emoji, take two."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if character == "\ufe0f":  # makes an emoji, which is wide, of the character before it
        return 1
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def padded(text: str, width: int) -> str:
    """A line of that many columns: filled up with blanks on the right, or cut, which three points say."""
    missing = width - display_width(text)
    if missing >= 0:
        return text + " " * missing
    points = "..."[:width]
    while text and display_width(text) > width - len(points):
        text = text[:-1]
    return text + points + " " * (width - len(points) - display_width(text))


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most that many columns, broken at blanks; a longer word, such as a path, stays whole.

    What does not fit into the first line is indented by two more than it.
    """
    if display_width(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip(" "))]
    lines, line = [], indent
    for word in text.split():
        begun = bool(line.strip())
        if begun and display_width(line) + 1 + display_width(word) > width:
            lines.append(line)
            line, begun = f"{indent}  ", False
        line += f" {word}" if begun else word
    return [*lines, line]


def fitting_columns(widths: Sequence[int], width: int, gap: int = 2) -> list[list[int]]:
    """Numbers of the columns of a table that stand beside each other, so that no line is longer than a width.

    The first column stands at the beginning of each block; a block has one more column at least, however narrow the
    terminal.

    Args:
        widths: of all columns.
        width: of the terminal.
        gap: blanks between two columns.
    """
    blocks: list[list[int]] = [[0]]
    for column in range(1, len(widths)):
        taken = sum(widths[other] + gap for other in blocks[-1]) + widths[column]
        if taken > width and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(column)
    return blocks


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: `1 run`, `2 runs`, `2 batches`.

    Args:
        number: how many.
        one: the word for one of them.
        many: the word for several; by default with an s.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def cell_text(value: Any) -> Any:
    """A value for a cell of a CSV file that a spreadsheet may open: text that it would take for a formula is quoted.

    Such text begins with one of `= + - @`, a tab or a carriage return; an apostrophe before it makes it text. Numbers,
    and texts that are numbers, stay as they are.
    """
    if not isinstance(value, str) or len(value) < 2 or value[0] not in "=+-@\t\r":
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def markdown_text(text: str) -> str:
    """Text in one line of Markdown: no markup of HTML, and no line break."""
    return " ".join(html.escape(text, quote=False).split())


def markdown_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown.

    Args:
        header: a text for each column.
        rows: as many texts each; a vertical bar or a line break within one divides no cells.
    """
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *cells)]
