"""Names, questions and messages are text: how it stands in a terminal, a table and a page. Imports nothing heavy."""

import html
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
