"""What programs took on this machine, kept beside the compiled ones; losing it loses nothing but forecasts."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any, final

from reppo.runtime.cache import cache_folder

_MOST_BYTES = 2**20
"""A longer file is written anew when it is read, with the newest value of each program alone."""


@final
class Timings:
    """Values by the key of a program, in a file of JSON lines; what is noted later takes the place of what was before.

    What cannot be read or written is left out: training never fails for it.
    """

    def __init__(self, file: Path | None) -> None:
        """Opens the file.

        Args:
            file: it need not exist; None keeps nothing.
        """
        self._file = file
        self._known: dict[str, dict[str, Any]] | None = None

    @classmethod
    def of_this_machine(cls) -> "Timings":
        """Those in the folder of the compilation cache; none where that is off."""
        folder = None
        with contextlib.suppress(OSError, RuntimeError):  # the latter: no HOME
            folder = cache_folder()
        return cls(None if folder is None else folder / "timings.jsonl")

    def note(self, key: str, **values: Any) -> None:
        """Keeps values of a program beside those that it has."""
        known = self.all()
        known[key] = known.get(key, {}) | values
        self._append([{"key": key, **values}])

    def of(self, key: str) -> dict[str, Any]:
        """The values of a program; empty where nothing is known."""
        return self.all().get(key, {})

    def all(self) -> dict[str, dict[str, Any]]:
        """The values of all programs by their keys: those of the file when it was read, and what was noted since."""
        if self._known is None:
            self._known, content = {}, b""
            with contextlib.suppress(OSError):
                content = self._file.read_bytes() if self._file is not None else b""
            for line in content.split(b"\n"):
                with contextlib.suppress(ValueError, KeyError, TypeError):  # torn, or another's
                    values = json.loads(line)
                    key = values.pop("key")
                    self._known[key] = self._known.get(key, {}) | values
            if len(content) > _MOST_BYTES and self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.unlink()
                self._append([{"key": key, **values} for key, values in self._known.items()])
        return self._known

    def _append(self, lines: list[dict[str, Any]]) -> None:
        if self._file is None:
            return
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, f"\n{text}".encode())  # in one piece, and on a line of its own after a torn one
            finally:
                os.close(descriptor)
