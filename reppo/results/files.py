"""Files that survive a kill: documents are replaced whole, logs lose at most the line that was being written."""

import contextlib
import json
import math
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from reppo.errors import ConfigurationError, DamagedFile, require


def make_folder(path: Path) -> None:
    """Creates a folder and its parents, if need be.

    Raises:
        ConfigurationError: if a file is in the way, or the folder may not be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        blocking = next((p for p in [path, *path.parents] if p.exists() and not p.is_dir()), path)
        raise ConfigurationError(
            f"Cannot create the folder {str(path)!r}: {str(blocking)!r} is a file. Remove it or choose another folder."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"Cannot create the folder {str(path)!r}: {error.strerror or error}.") from error


def check_folder(path: Path) -> None:
    """Checks that a folder is there or could be made, and may be written to; leaves nothing behind.

    Raises:
        ConfigurationError: if not; names what is in the way.
    """
    there = next((place for place in [path, *path.absolute().parents] if os.path.lexists(place)), path)
    if there.exists() and not there.is_dir():
        raise ConfigurationError(
            f"Cannot create the folder {str(path)!r}: {str(there)!r} is a file. Remove it or choose another folder."
        )
    closed = f"Cannot write to {str(path)!r}: {str(there)!r} is closed to you"
    require(os.access(there, os.W_OK | os.X_OK), f"{closed}. Choose another one.")
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".reppo-", dir=there))  # what is said to be open need not be: /proc, networks
    except OSError as error:
        raise ConfigurationError(f"{closed} ({error.strerror}). Choose another one.") from None


def check_python_file(file: Path) -> None:
    """Checks that there is such an experiment file.

    Raises:
        ConfigurationError: if not.
    """
    require(file.exists(), f"There is no file {str(file)!r}. Give a Python file that declares an Experiment.")
    require(file.is_file(), f"{str(file)!r} is a folder. Give a Python file that declares an Experiment.")
    require(file.suffix == ".py", f"{str(file)!r} is no Python file: its name must end in .py.")


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns a failure to write, such as a full disk, into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"Cannot write {str(path)!r}: {error.strerror or error}. Make room, or see that the folder may be written; "
            "the same command then continues from the last checkpoint."
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file so that readers, even after a kill, see the old content or the new, never a mixture."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _writing(path):
            with open(temporary, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            put_on_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def put_on_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk; does nothing if there is none."""
    if not path.exists():
        return
    with _writing(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def fingerprint(path: Path, length: int | None = None) -> list[int]:
    """The length of a file in bytes and the CRC-32 of its content; zeros if there is none.

    Args:
        path: the file.
        length: only of so many bytes at its beginning, or fewer where it is shorter.
    """
    try:
        content = path.read_bytes()[:length]
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise ConfigurationError(f"Cannot read {str(path)!r}: {error.strerror or error}.") from error
    return [len(content), zlib.crc32(content)]


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a JSON document atomically. Non-finite numbers stay, as the `NaN` and `Infinity` of Python's reader."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        DamagedFile: if the file is missing or holds no JSON object.
        ConfigurationError: if it cannot be read.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DamagedFile(f"There is no file {str(path)!r}.") from None
    except OSError as error:
        raise ConfigurationError(f"Cannot read {str(path)!r}: {error.strerror or error}.") from error
    except ValueError as error:
        raise DamagedFile(
            f"{str(path)!r} is not valid JSON ({error}). Restore it from a copy, or remove it and what it describes."
        ) from error
    if not isinstance(value, dict):
        raise DamagedFile(f"{str(path)!r} should hold a JSON object but holds a {type(value).__name__}.")
    return value


def json_line(value: dict[str, Any]) -> str:
    """Encodes one line of a log in strict JSON: non-finite numbers become null, because most readers refuse `NaN`."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


def append_lines(path: Path, lines: Iterable[str], header: str | None = None) -> None:
    """Appends lines to a log in one write, after removing a torn last line that a kill may have left.

    Args:
        path: the log; it and its folder are created if need be.
        lines: lines without their line breaks.
        header: the first line of a new log.
    """
    make_folder(path.parent)
    with _writing(path), open(path, "a+b") as stream:
        whole = _end_of_whole_lines(stream)
        stream.truncate(whole)
        first = [] if header is None or whole else [header]
        stream.write("".join(f"{line}\n" for line in [*first, *lines]).encode())


def read_whole_lines(path: Path) -> list[str]:
    """Returns the complete lines of a log, without a torn last one; none if there is no such file.

    Raises:
        ConfigurationError: if the file cannot be read as text.
    """
    try:
        content = path.read_bytes()
        return content[: content.rfind(b"\n") + 1].decode().split("\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(f"Cannot read {str(path)!r}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{str(path)!r} is not UTF-8 text ({error}). Restore or remove it.") from error


def _end_of_whole_lines(stream: IO[bytes], block: int = 4096) -> int:
    """The position after the last line break, found from the end because logs grow long."""
    end = stream.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - block)
        stream.seek(start)
        found = stream.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
