"""A spec trained from Python, without an experiment file: an experiment of one arm, and its results at hand."""

import functools
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Int

from reppo.component import as_plain
from reppo.errors import RunsFailed, require
from reppo.policies import TrainedPolicy, load_policy
from reppo.results import RunData, load_results
from reppo.results.files import check_folder
from reppo.results.formatting import human_count, human_seconds
from reppo.runtime.cache import use_compilation_cache
from reppo.spec import Spec
from reppo.sweep.execute import execute
from reppo.sweep.experiment import Experiment
from reppo.text import counted, plain
from reppo.tracking import AbstractTracker, BatchFailed, Composite, Console, Event, NoTracker

_NAME = "training"
_MOST_SEEDS_SHOWN = 4


@final
@dataclass(frozen=True, eq=False, repr=False)
class Trained:
    """What `train` gives.

    Attributes:
        spec: the resolved spec.
        path: the folder of results, which `reppo.results.frame` and `reppo.analysis` read. Unless `train` was given
            one, it is temporary, and goes with this object and with the process: see `save`.
        runs: the run of each seed, in their order: its record and its evaluations.
    """

    spec: Spec
    path: Path
    runs: tuple[RunData, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(run.record.seed for run in self.runs)

    @property
    def steps(self) -> Int[np.ndarray, " evaluations"]:
        """Environment steps of training before each evaluation; the first is that of the untrained policy, at 0."""
        return functools.reduce(np.intersect1d, [run.evaluations.curve()[0] for run in self.runs])

    @property
    def returns(self) -> Float[np.ndarray, "seeds evaluations"]:
        """The mean return of the episodes of each evaluation; NaN where the simulation broke in all of them."""
        common, curves = self.steps, [run.evaluations.curve() for run in self.runs]
        return np.stack([means[np.isin(steps, common)] for steps, means in curves])

    @functools.cached_property
    def policy(self) -> TrainedPolicy:
        """The policy of the best evaluation of the first seed: raw observation in, action in the task's bounds out.

        It was chosen by looking at returns, which are therefore biased upward for it; `policies("last")` were not.
        """
        return self.policies()[0]

    def policies(self, which: str = "best") -> list[TrainedPolicy]:
        """The policy of each seed.

        Args:
            which: `"best"`, that of the best evaluation, or `"last"`; see `load_policy`.
        """
        return [load_policy(run.folder.path, which) for run in self.runs]

    def save(self, path: str | Path) -> Path:
        """Keeps the results in a folder: records, evaluations, metrics, policies and the checkpoint.

        `reppo.load_policy` and the commands for results read it, and `train(..., out=path)` with more steps or seeds
        goes on from it. The run of seed 0 is in `runs/base/<task>/seed0`.

        Args:
            path: the folder, which must not exist, or be empty.

        Returns:
            The folder.

        Raises:
            ConfigurationError: if something is there, or it cannot be written to.
        """
        path = Path(path)
        check_folder(path)
        require(
            not path.exists() or not any(path.iterdir()),
            f"{str(path)!r} is not empty. Choose another folder to save to.",
        )
        locks = shutil.ignore_patterns("*.lock", "*.holder.json")
        return Path(shutil.copytree(self.path, path, ignore=locks, dirs_exist_ok=True))

    def __repr__(self) -> str:
        record = self.runs[0].record
        took = human_seconds(record.train_seconds)
        told = f"{counted(len(self.runs), 'seed')}, {human_count(record.environment_steps)} steps in {took}"
        lines = [f"Trained on {self.spec.environment.name}: {told}"]
        for run in self.runs[:_MOST_SEEDS_SHOWN]:
            evaluations, lost = run.evaluations, run.record.divergence
            first, last = evaluations.curve()[1][0], evaluations.final_return()
            reached = f"return {first:.4g} at the start, {last:.4g} at the end, {evaluations.best_return():.4g} at best"
            lines.append(f"  seed {run.record.seed}: {reached}{f'; {lost}' if lost else ''}")
        more = len(self.runs) - _MOST_SEEDS_SHOWN
        lines += [f"  and {counted(more, 'seed')} more"] if more > 0 else []
        return "\n".join(map(plain, lines))


def train(
    spec: Spec,
    steps: int,
    *,
    seeds: int | Iterable[int] = 1,
    out: str | Path | None = None,
    progress: bool | AbstractTracker = True,
) -> Trained:
    """Trains a spec in this process, all seeds in one program: what an experiment of this one arm would give.

    Programs are kept in the compilation cache (see `use_compilation_cache`), so that the next process starts sooner.
    On a CPU, JAX is asked for up to four devices for the seeds, unless it has started already.

    Args:
        spec: the spec, such as `presets.reppo_small(environments.gymnax("Pendulum-v1"))`.
        steps: environment steps of each run, rounded up to whole iterations; at least 1.
        seeds: how many, from 0 on, or which.
        out: the folder of results. One that holds these runs is continued, from its last checkpoint or with more steps
            or seeds. By default a temporary one.
        progress: whether to show it on the standard error, as the command line does: one region that is kept up to date
            in a terminal, elsewhere lines, at most one in five seconds. Or a tracker, which is told of everything.

    Returns:
        Steps, returns, policies and records. A run that diverged is a result: its record says when and why.

    Raises:
        ConfigurationError: before anything is trained, if an argument cannot be used, the spec is not valid, or the
            folder holds something else.
        RunsFailed: if training raised an error; the message holds it.
    """
    require(
        isinstance(spec, Spec),
        f"{spec!r} is no spec. A preset gives one for an environment: presets.reppo_small(environment).",
    )
    require(
        isinstance(progress, bool | AbstractTracker), f"progress={progress!r} is neither True, False nor a tracker."
    )
    given = as_plain(seeds)
    require(
        not isinstance(given, int) or given >= 1,
        f"seeds={given!r} is how many; give at least 1, or a list of seeds such as [{given!r}].",
    )
    experiment = Experiment(
        name=_NAME,
        base=lambda environment: spec,
        environments=[spec.environment],
        seeds=range(given) if isinstance(given, int) else given,
        steps=steps,
    )
    use_compilation_cache()
    tracker = progress if isinstance(progress, AbstractTracker) else Console() if progress else NoTracker()
    path = Path(tempfile.mkdtemp(prefix="reppo-")) if out is None else Path(out)
    try:
        _execute(experiment, path, tracker)
        found = {(run.record.arm, run.record.environment, run.record.seed): run for run in load_results(path)}
        runs = tuple(found[run.arm, run.environment, run.seed] for run in experiment.runs())
        trained = Trained(experiment.runs()[0].spec, path, runs)
    except BaseException:
        if out is None:
            shutil.rmtree(path, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(trained, shutil.rmtree, path, ignore_errors=True)
    return trained


def _execute(experiment: Experiment, path: Path, tracker: AbstractTracker) -> None:
    """Executes; where a batch fails, the error holds what went wrong, not the file in which that stands."""
    failures = _Failures()
    try:
        execute(experiment, path, Composite([failures, tracker]))
    except RunsFailed:
        raise RunsFailed(
            "\n".join(f"Training failed: {one.reason}\n{one.traceback}" for one in failures.told)
        ) from None


@final
class _Failures(AbstractTracker):
    """Keeps what is told of batches that failed."""

    def __init__(self) -> None:
        self.told: list[BatchFailed] = []

    def receive(self, event: Event) -> None:
        self.told += [event] if isinstance(event, BatchFailed) else []

    def close(self) -> None:
        pass
