"""Faults of a user's input, and interruptions, as a message and an exit code."""

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Callable

from reppo.cli.terminal import fitted
from reppo.errors import ConfigurationError


def guarded(parse: Callable[[], argparse.Namespace]) -> int:
    """Parses and runs a command; turns faults of the user's input, and an interruption, into a message and a code."""
    for stream in (sys.stdout, sys.stderr):  # an encoding that lacks a character shows ? for it
        with contextlib.suppress(AttributeError, ValueError):  # no such stream, or one that is no text file
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    try:
        try:
            arguments = parse()
            return arguments.command(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where it may fail: a reader such as `head` may have left
    except ConfigurationError as error:
        say_fault(error)
        return 2
    except BrokenPipeError:
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        where = f" {error.filename!r}" if error.filename else ""
        if error.errno in (errno.EACCES, errno.EPERM):
            say_fault(f"Cannot read or write{where}: {error.strerror}. See that you may, or choose another place.")
        else:
            say_fault(
                f"Cannot write{where}: {error.strerror}. Make room or choose another folder with --out; the same "
                "command then continues from the last checkpoint."
            )
        return 2
    except KeyboardInterrupt:
        print("\nreppo: interrupted. Run the same command again to continue from the last checkpoint.", file=sys.stderr)
        return 130


def say_fault(message: object) -> None:
    """Prints a fault to the standard error."""
    print(fitted(f"reppo: {message}", sys.stderr), file=sys.stderr)
