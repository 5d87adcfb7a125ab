"""Which runs go into which batch."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

from reppo.spec import Spec
from reppo.sweep.execution import Execution
from reppo.sweep.experiment import Run
from reppo.training.lanes import compile_key

_BATCH = "batch"


@final
@dataclasses.dataclass(frozen=True)
class Batch:
    """Runs that execute in one compiled program; the last of its lanes may be padding.

    Attributes:
        id: name of its folder, never used again for another batch.
        runs: a run for each lane.
        width: lanes of its program.
        gone: ids of runs that began again in another batch; their lanes count for nothing any more.
    """

    id: str
    runs: tuple[Run, ...]
    width: int
    gone: frozenset[str] = frozenset()

    @property
    def own(self) -> list[tuple[int, Run]]:
        """Lane and run of all that are not gone."""
        return [(lane, run) for lane, run in enumerate(self.runs) if run.id not in self.gone]

    def without(self, runs: Iterable[Run]) -> "Batch":
        """The batch after these runs have gone, as far as they are its own."""
        gone = {run.id for run in runs} & {run.id for run in self.runs}
        return dataclasses.replace(self, gone=self.gone | gone)

    @property
    def key(self) -> Any:
        """Batches with equal keys share a program."""
        return compile_key(self.runs[0].spec), self.width

    @property
    def spec(self) -> Spec:
        """That of its first run; all have its shapes and code."""
        return self.runs[0].spec

    @property
    def environment(self) -> str:
        """Name of the environment of its runs."""
        return self.runs[0].environment

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"{self.environment} {', '.join(self.groups)}"

    @property
    def arms(self) -> list[str]:
        """Names of its arms, in the order of lanes."""
        return list(dict.fromkeys(run.arm for _, run in self.own))

    @property
    def groups(self) -> list[str]:
        """Names of its arms, all settings of a search as one, in the order of lanes."""
        return list(dict.fromkeys(run.group for _, run in self.own))


def arrange_batches(
    runs: Sequence[Run],
    execution: Execution,
    known: Sequence[Batch] = (),
    number: int = 0,
    widths: Mapping[Any, int] | None = None,
) -> list[Batch]:
    """Puts every run into a batch.

    Runs that have one keep it; new runs fill new batches, grouped by what they can share a program with.

    Args:
        runs: the runs of the experiment.
        execution: how programs run; a new one is as wide as the runs that share it need.
        known: the batches that there are.
        number: of the first new batch.
        widths: the width of programs that there are, by `compile_key`: what runs are added to one have it too.

    Returns:
        Every batch that holds one of the runs, batches of one program next to each other.
    """
    place = {run.id: batch for batch in known for _, run in batch.own}
    needed = {place[run.id].id: place[run.id] for run in runs if run.id in place}
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        if run.id not in place:
            groups.setdefault(compile_key(run.spec), []).append(run)
    batches = list(needed.values())
    for key, group in groups.items():
        width = (widths or {}).get(key) or execution.width(len(group))
        for start in range(0, len(group), width):
            batches.append(Batch(batch_id(number), tuple(group[start : start + width]), width))
            number += 1
    return [batch for group in by_program(batches) for batch in group]


def by_program(batches: Sequence[Batch]) -> list[list[Batch]]:
    """Groups batches by the compiled program that they share, in the order of the first of each group."""
    groups: dict[Any, list[Batch]] = {}
    for batch in batches:
        groups.setdefault(batch.key, []).append(batch)
    return list(groups.values())


def batch_id(number: int) -> str:
    """The id of a batch."""
    return f"{_BATCH}{number:04d}"


def batch_number(id: str) -> int | None:
    """The number in the id of a batch; None if it is no such id."""
    digits = id.removeprefix(_BATCH)
    return int(digits) if id.startswith(_BATCH) and digits.isdecimal() else None
