"""How far a sweep is, in environment steps, and what it took."""

import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import final

from reppo.spec import Spec
from reppo.sweep.batches import Batch
from reppo.sweep.experiment import Experiment, Run
from reppo.tracking import ChunkFinished, LaneReport, SweepFinished
from reppo.training import AbstractProgram
from reppo.training.plan import total_iterations


@final
class Progress:
    """The batches of a sweep, and how far each is.

    Attributes:
        batches: by id.
        done: the iterations that each has done.
    """

    def __init__(self, experiment: Experiment):
        """Of nothing yet."""
        self.batches: dict[str, Batch] = {}
        self.done: dict[str, int] = {}
        self._experiment = experiment
        self._finished = self._before = 0
        self._started = time.perf_counter()

    def begin(self, runs: Iterable[Run]) -> None:
        """The sweep begins, for these runs; those that no batch holds are done."""
        here = {run.id for batch in self.batches.values() for _, run in batch.own}
        self._finished = sum(self._steps(run.spec, self.end(run.spec)) for run in runs if run.id not in here)
        self._before, self._started = self.steps_done, time.perf_counter()

    def take_up(self, batch: Batch, done: int) -> None:
        """Takes up what other processes did to a batch."""
        before = self.steps_done
        self.batches[batch.id], self.done[batch.id] = batch, done
        self._before += self.steps_done - before

    def end(self, spec: Spec) -> int:
        """Iterations of a whole run."""
        return total_iterations(spec, self._experiment.steps)

    @property
    def steps_done(self) -> int:
        """Environment steps done by now over all runs."""
        by_batch = (len(b.own) * self._steps(b.spec, self.done[b.id]) for b in self.batches.values())
        return self._finished + sum(by_batch)

    @property
    def steps_total(self) -> int:
        """Environment steps over all runs."""
        ends = (len(b.own) * self._steps(b.spec, self.end(b.spec)) for b in self.batches.values())
        return self._finished + sum(ends)

    def chunk(self, batch: Batch, lanes: Sequence[LaneReport], iteration: int, speed: float) -> ChunkFinished:
        """The event of a chunk of a batch, after so many iterations at so many steps per second."""
        elapsed, here = time.perf_counter() - self._started, self.steps_done - self._before
        return ChunkFinished(
            label=batch.label,
            environment=batch.environment,
            arms=batch.groups,
            environment_steps=self._steps(batch.spec, iteration),
            lanes=lanes,
            steps_done=self.steps_done,
            steps_total=self.steps_total,
            steps_per_second=speed,
            seconds_left=(self.steps_total - self.steps_done) * elapsed / here if here else None,
        )

    def _steps(self, spec: Spec, iterations: int) -> int:
        return iterations * spec.algorithm.steps_per_iteration


@final
@dataclasses.dataclass
class Costs:
    """What a sweep was forecast to take, and took.

    Attributes:
        programs: programs that were needed.
        compilations: programs that were compiled, some of them again with fewer lanes at a time.
        needed: memory that the largest program was forecast to need.
        program_bytes: memory that the largest program had.
        compile_seconds: time of compilation.
        shared_steps: steps of programs that were not compiled, because another program had compiled them.
        train_seconds: time of training and evaluation.
    """

    programs: int = 0
    compilations: int = 0
    needed: int = 0
    program_bytes: int = 0
    compile_seconds: float = 0.0
    shared_steps: int = 0
    train_seconds: float = 0.0

    def compiled(self, program: AbstractProgram, seconds: float) -> None:
        """Counts a program whose compilation took so long here."""
        self.compilations += 1
        self.compile_seconds += seconds
        self.shared_steps += program.shared_steps
        self.program_bytes = max(self.program_bytes, program.bytes)

    def event(self) -> SweepFinished:
        """For trackers."""
        return SweepFinished(
            compilations=(self.programs, self.compilations),
            bytes=(self.needed, self.program_bytes),
            compile_seconds=self.compile_seconds,
            shared_steps=self.shared_steps,
            train_seconds=self.train_seconds,
        )
