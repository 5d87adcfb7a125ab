"""What happens in a sweep, in the order in which a tracker hears of it.

One `SweepStarted`; then for each batch `BatchStarted`, `Compiling` as often as programs are compiled, `ChunkFinished`
after every chunk, and `RunFinished` for each run; then `SweepFinished`, unless the sweep was interrupted; at last
`SweepEnded`, unless the process was killed. A program may be compiled before its batch begins. `Noticed`, `Working` and
`Kept` may come between any of them, also before `SweepStarted`, and `BatchFailed` in place of the rest of a batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from reppo.results.record import RunRecord


@final
@dataclass(frozen=True, kw_only=True)
class SweepStarted:
    """The sweep begins or continues.

    Attributes:
        experiment: the experiment's name.
        runs: runs to execute in this sweep; those that are complete already are left out.
        steps_total: environment steps over all runs, with those of earlier sessions.
        batches: batches to execute.
        steps_done: environment steps that earlier sessions did.
        warnings: what deserves a look before training begins, each said once.
        attempt: what this session runs with: `versions`, `python`, `host`, `pid`, `backend`, `device`, how lanes are
            executed (`mode`, `width`, `devices`), and of the experiment file's repository the `commit`, and whether it
            was `dirty`.
    """

    experiment: str
    runs: int
    steps_total: int
    batches: int
    steps_done: int = 0
    warnings: Sequence[str] = ()
    attempt: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True, kw_only=True)
class LaneStart:
    """A run of a batch that begins or continues.

    Attributes:
        run_id: the run.
        arm: its arm.
        environment: its environment.
        seed: its seed.
        ablations: names of the ablations that made its arm from the base, or from its rival.
        rival: name of the rival (another preset) that its arm starts from; empty for the base.
        spec: its resolved spec, as JSON.
    """

    run_id: str
    arm: str
    environment: str
    seed: int
    ablations: Sequence[str] = ()
    rival: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True, kw_only=True)
class BatchStarted:
    """A batch begins.

    Attributes:
        label: names the batch for people, such as `"CartpoleBalance, structure 1"`.
        environment: the environment of its runs.
        arms: the arms of its runs, base first; all settings of a search as one, `search` or `RIVAL+search`.
        runs: its number of runs, padding not counted.
        lanes: its runs.
    """

    label: str
    environment: str
    arms: Sequence[str]
    runs: int
    lanes: Sequence[LaneStart] = ()


@final
@dataclass(frozen=True, kw_only=True)
class Compiling:
    """A program is about to be compiled, which may take a while.

    Attributes:
        label: what is compiled.
        usual_seconds: how long that took on this machine the last time; None where it is unknown.
    """

    label: str
    usual_seconds: float | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Working:
    """What is done from now on, until another event says what else. For people: ledgers leave it out.

    Attributes:
        activity: in a few words, such as `"training"`.
        label: of what; empty where it is of no single batch.
        steps_done: environment steps done by now over all runs; None where nothing was added.
    """

    activity: str
    label: str = ""
    steps_done: int | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Kept:
    """A checkpoint was made: what is lost by a stop is what comes after it. For people: ledgers leave it out.

    Attributes:
        steps: environment steps over all runs that are in checkpoints or finished runs.
    """

    steps: int


@final
@dataclass(frozen=True, kw_only=True)
class LaneReport:
    """What one run did in a chunk.

    Attributes:
        run_id: the run.
        arm: its arm.
        environment: its environment.
        seed: its seed.
        returns: the return of each evaluation episode at the end of the chunk; empty if nothing was evaluated.
        metrics: name -> mean, minimum and maximum over the updates of the chunk.
        group: what stands for its arm in `BatchStarted.arms`; the arm itself by default.
    """

    run_id: str
    arm: str
    environment: str
    seed: int
    returns: Sequence[float] = ()
    metrics: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    group: str = ""


@final
@dataclass(frozen=True, kw_only=True)
class ChunkFinished:
    """A batch has trained a chunk.

    Attributes:
        label: the batch's label.
        environment: the environment of its runs.
        arms: the arms of its runs, as in `BatchStarted`.
        environment_steps: environment steps that each run of the batch has done by now.
        lanes: one report per run; padding lanes have none.
        steps_done: environment steps done by now over all runs, with those of earlier sessions.
        steps_total: environment steps over all runs of the sweep.
        steps_per_second: environment steps per second over all lanes in this chunk.
        seconds_left: the estimated time to the end of the sweep, or None while there is no estimate.
    """

    label: str
    environment: str
    arms: Sequence[str]
    environment_steps: int
    lanes: Sequence[LaneReport]
    steps_done: int
    steps_total: int
    steps_per_second: float
    seconds_left: float | None = None


@final
@dataclass(frozen=True, kw_only=True)
class RunFinished:
    """A run has come to its end, or diverged.

    Attributes:
        record: its record as written to disk.
    """

    record: RunRecord


@final
@dataclass(frozen=True, kw_only=True)
class SweepFinished:
    """The sweep is complete.

    Attributes:
        compilations: programs compiled, as planned and as counted.
        bytes: most memory of the arrays that trained at the same time, as forecast and as laid out by the compiler.
        compile_seconds: time that compilation took.
        shared_steps: steps of programs that were compiled for another program already.
        train_seconds: time that training and evaluation took.
    """

    compilations: tuple[int, int] | None = None
    bytes: tuple[int, int] | None = None
    compile_seconds: float = 0.0
    shared_steps: int = 0
    train_seconds: float = 0.0


@final
@dataclass(frozen=True, kw_only=True)
class SweepEnded:
    """The session ends; of one that was killed this is missing.

    Attributes:
        reason: `"finished"`, `"runs failed"` (all others are done), `"diverged"` (it was to stop there),
            `"interrupted"`, or `"error"`.
        fault: the error in one line; None if there was none.
    """

    reason: str
    fault: str | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Noticed:
    """Something that a user should know, such as a checkpoint that cannot be read.

    Attributes:
        text: one line, in words.
    """

    text: str


@final
@dataclass(frozen=True, kw_only=True)
class BatchFailed:
    """A batch stopped with an error; other batches go on.

    Attributes:
        label: the batch's label.
        run_ids: its runs.
        reason: the error in one line.
        traceback: the whole of it.
    """

    label: str
    run_ids: Sequence[str]
    reason: str
    traceback: str


Event = (
    SweepStarted
    | BatchStarted
    | Compiling
    | Working
    | Kept
    | ChunkFinished
    | RunFinished
    | BatchFailed
    | Noticed
    | SweepFinished
    | SweepEnded
)
"""What a tracker hears of: one of these."""
