"""What an error says to the user whose component raised it."""

import re
import traceback
from pathlib import Path

_FRAME = re.compile(r'^ *File "(.+)", line (\d+), in .*$', re.MULTILINE)


def describe_fault(error: Exception) -> str:
    """An error in one line: the user's line that it came from, if there is one, its kind, and what it says.

    An error inside a compiled program holds the traceback of a callback as text, which is read.
    """
    text = str(error).strip()
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    said = f"{type(error).__name__}: {text.partition(chr(10))[0]}"
    inside = list(_FRAME.finditer(text))
    if inside:
        called = [number for number, frame in enumerate(inside) if "/jax/_src/callback.py" in frame[1]]
        frames = [(frame[1], int(frame[2])) for frame in inside[max(called, default=-1) + 1 :]]
        rest = [line for line in text[inside[-1].end() :].splitlines() if line and not line.startswith(" ")]
        said = rest[0] if rest else said
    here = Path(__file__).parent.parent
    own = [
        f"{file}, line {line}: "
        for file, line in ((Path(name), line) for name, line in frames)
        if file.is_file() and here not in file.parents and "site-packages" not in file.parts
    ]
    return (own[-1] if own else "") + said.removesuffix(".")
