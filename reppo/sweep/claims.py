"""Several processes in one folder of results: each batch is trained by one of them, each has a ledger of its own.

A batch is claimed by a lock in its folder for as long as it trains. The lock of the whole folder is held for moments
only: while batches are planned, and while tables of all runs are written.
"""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from reppo.results import ResultsFolder
from reppo.results.lock import Held, describe_holder, holding, is_held

PLANNING_SECONDS = 600.0
"""How long to wait for others to plan: many may begin at the same moment, on a slow file system."""

CLAIM_SECONDS = 120.0
"""How long a process that shall train one batch waits for it: a server may keep the locks of a lost machine a while."""


@contextlib.contextmanager
def claim(folder: ResultsFolder, batch: str, seconds: float = 0.0) -> Iterator[Held | None]:
    """Claims a batch while the context lasts.

    Args:
        folder: the folder of results.
        batch: its id.
        seconds: how long to wait for another process to leave it.

    Yields:
        None if the batch is this process's; otherwise who has it, as an error.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(holding(folder.batch_path(batch), seconds=seconds))
            held = None
        except Held as error:
            held = error
        yield held


def claimed(folder: ResultsFolder, batch: str) -> bool:
    """Whether a process trains a batch now."""
    return is_held(folder.batch_path(batch))


def claimed_by(folder: ResultsFolder, batch: str) -> str:
    """Names the process that trains a batch."""
    return describe_holder(folder.batch_path(batch))


@contextlib.contextmanager
def own_ledger(folder: Path, batch: str | None = None) -> Iterator[Path]:
    """A ledger that no other process writes to while the context lasts.

    Args:
        folder: the folder of results.
        batch: the only batch that the process is for, if so: its ledger is named by it.

    Yields:
        `ledger.jsonl`, or the first of `ledger-2.jsonl`, `ledger-3.jsonl`, ... that is free.
    """
    if batch:
        with holding(folder, f".ledger-{batch}", CLAIM_SECONDS):
            yield folder / f"ledger-{batch}.jsonl"
        return
    with contextlib.ExitStack() as stack:
        for name in itertools.chain(["ledger"], (f"ledger-{number}" for number in itertools.count(2))):
            try:
                stack.enter_context(holding(folder, f".{name}"))
                break
            except Held:
                continue
        yield folder / f"{name}.jsonl"
