"""What a folder of results no longer needs. Nothing that was computed is lost by its removal."""

import dataclasses
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, final

from reppo.errors import ConfigurationError, DamagedFile
from reppo.results import ResultsFolder, RunFolder, RunRecord
from reppo.results.files import fingerprint
from reppo.sweep.stored import checkpoints_of, read_lanes
from reppo.training.checkpoints import Checkpoints

_TEMPORARY = re.compile(r"\.(?:saving|.+\.\d+)\.tmp")  # of arrays, and of documents
_PLACES = ("*", "batches/*/*", "runs/*/*/*/*", "runs/*/*/*/policy/*", "report/*")


@final
class Garbage(NamedTuple):
    """A file or folder that is not needed.

    Attributes:
        path: where it is.
        bytes: its size.
        reason: why it is not needed.
        to_extend: whether more steps would need it, and start from the beginning without it.
    """

    path: Path
    bytes: int
    reason: str
    to_extend: bool = False


def find_garbage(folder: ResultsFolder) -> list[Garbage]:
    """What may be removed, for a caller that holds the folder. Every checkpoint that stays is read and checked.

    - half-written files and checkpoints;
    - checkpoints behind a newer one that is whole;
    - the last checkpoint of a batch whose runs are all done and agree with it (`to_extend`);
    - batches all of whose runs started again in later ones.

    Whatever cannot be read, or does not agree, stays: the next sweep looks after it.
    """
    found = list(_leftovers(folder))
    places = sorted(place for place in (folder.path / "batches").glob("*") if place.is_dir())
    lanes = {place.name: read_lanes(folder, place.name).runs for place in places}
    last = {lane["run_id"]: batch for batch, runs in lanes.items() for lane in runs}
    numbered = folder.read_experiment().get("next_batch", 0)
    for place in places:
        runs = lanes[place.name]
        own = {lane["run_id"] for lane in runs if last[lane["run_id"]] == place.name}
        number = place.name.removeprefix("batch")
        if runs and not own and number.isdecimal() and int(number) < numbered:  # so that its number is not used again
            found.append(_garbage(place, "all of its runs started again in later batches"))
        elif runs:
            found += _checkpoints(folder, checkpoints_of(place.name, folder), own)
    return found


def remove(garbage: Sequence[Garbage]) -> None:
    """Removes files and folders.

    Raises:
        ConfigurationError: if one cannot be removed; those before it are gone, which does no harm.
    """
    for path, *_ in garbage:
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot remove {str(path)!r}: {error.strerror or error}. See that the folder may be written."
            ) from error


def _leftovers(folder: ResultsFolder) -> Iterator[Garbage]:
    for pattern in _PLACES:
        for path in sorted(folder.path.glob(pattern)):
            if _TEMPORARY.fullmatch(path.name) and path.is_file():
                yield _garbage(path, "half-written")
    for path in sorted((folder.path / "batches").glob("*/states/.saving")):
        yield _garbage(path, "half-written")


def _checkpoints(folder: ResultsFolder, checkpoints: Checkpoints, own: set[str]) -> Iterator[Garbage]:
    iterations = checkpoints.iterations()
    newest = next((i for i in reversed(iterations) if _is_whole(checkpoints, i)), None)
    if newest is None:
        return
    for iteration in iterations:
        if iteration < newest:
            yield _garbage(checkpoints.folder(iteration), f"behind the checkpoint {newest}, which is whole")
    records = [RunRecord.from_json(record) for record in checkpoints.about(newest)["records"]]
    records = [record for record in records if record.run_id in own]
    # The runs of a batch move together, so that one at its end says where all are; one that diverged may go on.
    ended = any(record.status == "finished" for record in records)
    if ended and all(_agrees(folder.run(r.arm, r.environment, r.seed), r) for r in records):
        yield _garbage(checkpoints.folder(newest), "its runs are done", to_extend=True)


def _is_whole(checkpoints: Checkpoints, iteration: int) -> bool:
    try:
        checkpoints.check(iteration)
    except DamagedFile:
        return False
    return True


def _agrees(run: RunFolder, saved: RunRecord) -> bool:
    """Whether a run on disk has the very record of its checkpoint, and all of its files as they were written."""
    try:
        record = run.read_record()
    except ConfigurationError:
        return False
    same = record == dataclasses.replace(saved, files=record.files) and saved.files.items() <= record.files.items()
    policies = {f"policy/{which}.npz" for which in ("last", "best")}
    whole = all(fingerprint(run.path / name) == written for name, written in record.files.items())
    return same and policies < record.files.keys() and whole


def _garbage(path: Path, reason: str, to_extend: bool = False) -> Garbage:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return Garbage(path, sum(file.stat().st_size for file in files), reason, to_extend)
