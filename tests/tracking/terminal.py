"""A small terminal: what is written to it, and what it then shows, also after its size was changed."""

import re
import unicodedata

_PARTS = re.compile(r"\x1b\[(\d*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n])")


class Terminal:
    """Rows of cells, of which those above the screen have scrolled away.

    Attributes:
        columns: its width.
        rows: its height.
        broken: how often a line came to the right edge and went on in the next row, but for a word that has no room in
            any row.
    """

    def __init__(self, columns=80, rows=24):
        self.columns, self.rows, self.broken = columns, rows, 0
        self.lines = [[]]  # cells; a wide character takes two, the second of them empty
        self.joined = set()  # numbers of lines that go on in the next one
        self.row = self.column = 0

    def write(self, text):
        for number, command, home, down, character in _PARTS.findall(text):
            if command == "A":
                self.row = max(self.row - int(number or 1), len(self.lines) - self.rows, 0)
            elif command == "K":
                self.lines[self.row] = self.lines[self.row][: self.column]
            elif command == "J":
                self.lines = [*self.lines[: self.row], self.lines[self.row][: self.column]]
                self.joined = {line for line in self.joined if line < self.row}
            elif home:
                self.column = 0
            elif down:
                self._down()
                self.column = 0  # as a terminal's driver adds a carriage return
            elif character:
                self._put(character)
        return self

    def _down(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    def _put(self, character):
        if unicodedata.category(character) in ("Mn", "Me"):
            return
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self.column + width > self.columns:
            self.broken += " " in "".join(self.lines[self.row]).strip()
            self.joined.add(self.row)
            self._down()
            self.column = 0
        line = self.lines[self.row]
        line += [" "] * (self.column - len(line))
        line[self.column : self.column + width] = [character, ""][:width]
        self.column += width

    def resize(self, columns, rows):
        """Changes the size; lines are laid out anew, as most terminals do, and the cursor stays with its text."""
        lines, joined, row = [], set(), self.row
        place, column = 0, self.column
        number = 0
        while number < len(self.lines):
            whole, first = list(self.lines[number]), number
            while number in self.joined:
                number += 1
                whole += self.lines[number]
            parts = [whole[start : start + columns] for start in range(0, max(len(whole), 1), columns)]
            if first <= row <= number:
                at = self.column + self.columns * (row - first)
                place, column = len(lines) + min(at // columns, len(parts) - 1), at % columns
            joined |= {len(lines) + part for part in range(len(parts) - 1)}
            lines += parts
            number += 1
        self.lines, self.joined, self.row, self.column = lines, joined, place, column
        self.columns, self.rows = columns, rows
        return self

    @property
    def text(self):
        """Every line, also those that have scrolled away, without empty ones at the end."""
        lines = ["".join(line).rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def visible(self):
        """The lines on the screen."""
        return ["".join(line).rstrip() for line in self.lines[-self.rows :]]
