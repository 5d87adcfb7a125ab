"""What other processes tell. Imports no JAX."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def told(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    read: Callable[[str], dict[str, Any]],
    limit: float | None = None,
) -> dict[str, Any]:
    """What a command tells in its last line.

    Args:
        command: the words of it.
        log: a file for all that it says.
        environment: its environment variables.
        read: from the line to what is told; raises a `KeyError`, `TypeError` or `ValueError` where that is not in it.
        limit: seconds after which it is stopped; by default it never is.

    Raises:
        RuntimeError: if it does not tell; says why.
    """
    with open(log, "w", encoding="utf-8") as stream:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
                timeout=limit,
                env=environment,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"stopped after {limit:.0f} s") from None
        except OSError as error:
            raise RuntimeError(f"{command[0]}: {error.strerror or error}") from None
        stream.write(done.stdout)
    if done.returncode:
        raise RuntimeError(last_words(log, done.returncode))
    try:
        return read(done.stdout.strip().splitlines()[-1])
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise RuntimeError(
            f"its last line is not what it should tell ({type(error).__name__}: {error}); see {str(log)!r}"
        ) from None


def last_words(log: Path, code: int) -> str:
    """Why a process failed, by the last line of its log, or by its exit code where that is empty.

    Args:
        log: the file.
        code: any.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else f"exit code {code}, and nothing in its log"
