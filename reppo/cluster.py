"""A sweep as a job array with one task for each batch: on SLURM, or as processes of this machine; by submitit.

Importing this is light: a job imports it beside the process that trains.
"""

import contextlib
import ctypes
import importlib.util
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from reppo.errors import ConfigurationError, RunsFailed, require

if TYPE_CHECKING:
    from reppo.sweep import Batch, Experiment

DEFAULT_MINUTES = 60
DEFAULT_CPUS = 4

NOTICE_SECONDS = 60
"""How long before the end of its time a task is told of it; it stops within 10 s, and SLURM may be a minute early."""

LEAST_MINUTES = 3
"""Less time for a task than this would be over before anything is trained."""

MOST_REQUEUES = 100
"""How often a task whose time is over is queued again; preemptions are not counted."""


@final
@dataclass(frozen=True, kw_only=True)
class Resources:
    """What each task of the array gets.

    Attributes:
        partition: SLURM's partition; its default one by default.
        minutes: how long a task may run before it is queued again.
        gpus: GPUs of a task.
        cpus: processor cores of a task; by default `DEFAULT_CPUS` on SLURM, and what `reppo run` uses locally.
        at_once: most tasks at the same time; no limit on SLURM by default, locally as many as fit the cores, and two
            at least, because a program is compiled on one core.
        others: further options of `sbatch`, such as `{"account": "ours"}`.
    """

    partition: str | None = None
    minutes: int = DEFAULT_MINUTES
    gpus: int = 0
    cpus: int | None = None
    at_once: int | None = None
    others: dict[str, str]

    def __post_init__(self) -> None:
        for name, least in (("gpus", 0), ("cpus", 1), ("at_once", 1)):
            value = getattr(self, name)
            option = {"gpus": "--gpus-per-task", "cpus": "--cpus-per-task", "at_once": "--at-once"}[name]
            require(value is None or value >= least, f"{option} is {value}; give a number of at least {least}.")
        require(
            self.minutes >= LEAST_MINUTES,
            f"--time gives {self.minutes} min to a task; give at least {LEAST_MINUTES}: a task that is not done in its "
            "time is queued again and goes on.",
        )


_PR_SET_PDEATHSIG = 1
"""Asks Linux for a signal when the parent ends (prctl(2))."""


@final
class Payload:
    """`reppo run FILE --batch ID` as a job of submitit, queued again when it is preempted or its time is over."""

    def __init__(self, arguments: Sequence[str], folder: str):
        """Prepares the command.

        Args:
            arguments: of `reppo`.
            folder: the working folder.
        """
        self.arguments = list(arguments)
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        """Runs the command to its end; to be called in the main thread of a job.

        Raises:
            RuntimeError: if the command fails.
            SystemExit: if a signal has stopped it, so that no result is noted.
        """
        notice = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
        library = ctypes.CDLL(None)

        def prepare() -> None:
            # SLURM gives notice to every process of a task; this one passes it on, as SIGTERM.
            signal.signal(notice, signal.SIG_IGN)
            with contextlib.suppress(AttributeError):  # Linux alone
                library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # and nobody goes on alone

        self._process = subprocess.Popen(
            [sys.executable, "-m", "reppo.cli", *self.arguments],
            cwd=self.folder,
            preexec_fn=prepare,
            # A terminal's Ctrl-C reaches all processes of a group; here too it comes once, from this one.
            start_new_session=os.environ.get("SUBMITIT_EXECUTOR") == "local",
        )
        try:
            while (code := self._process.poll()) is None:
                time.sleep(0.1)  # not wait(), which would keep `checkpoint`, called by a signal, from waiting
        except BaseException:
            self._terminate()
            raise
        if code < 0 or code > 128:
            raise SystemExit(code)
        if code:
            raise RuntimeError(
                f"reppo {' '.join(self.arguments)} ended with exit code {code}. What it said stands above."
            )

    def checkpoint(self) -> Any:
        """Stops the command, whose last checkpoint stays, and says what shall be queued again: the same."""
        from submitit.helpers import DelayedSubmission  # pyright: ignore[reportMissingImports]

        self._terminate()
        if self._process is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        return DelayedSubmission(Payload(self.arguments, self.folder))

    def _terminate(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def __getstate__(self) -> dict[str, Any]:
        return {"arguments": self.arguments, "folder": self.folder, "_process": None}


def parse_minutes(text: str) -> int:
    """A limit of time as `sbatch` takes it, in minutes: `90`, `90:00`, `1:30:00`, `1-12`, `1-12:30` or `1-12:30:00`.

    Raises:
        ValueError: if it is something else.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if not match:
        raise ValueError(f"{text!r} is no limit of time; write it like 90 (minutes), 12:00:00 or 1-12 (days-hours)")
    days, *parts = match.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:  # hours come first
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return math.ceil(((int(days or 0) * 24 + hours) * 60 + minutes) + seconds / 60)


def check_executor(executor: str) -> None:
    """Checks that jobs can be submitted from here.

    Raises:
        ConfigurationError: if submitit is not installed, or SLURM is not here.
    """
    require(
        importlib.util.find_spec("submitit") is not None,
        "reppo submit needs the package submitit, which is not installed: pip install 'reppo[slurm]'.",
    )
    require(
        executor != "slurm" or (shutil.which("sbatch") and shutil.which("srun")),
        "SLURM is not here: there is no sbatch and srun on the PATH. Submit from a node that has them, or use this "
        "machine alone with --executor local.",
    )


def plan(
    experiment: "Experiment", path: Path, resources: Resources, executor: str, memory: int | None = None
) -> "list[Batch]":
    """Plans the batches of what is not done of an experiment, for tasks with these resources; nothing compiles.

    Args:
        experiment: the experiment.
        path: its folder of results; begun if it does not exist.
        resources: what each task gets.
        executor: `"slurm"` or `"local"`.
        memory: bytes that training may take (see `choose_execution`).

    Raises:
        ConfigurationError: if the experiment cannot be run so.
    """
    import jax

    from reppo.results.lock import only_process
    from reppo.runtime.machine import MAX_CPU_DEVICES, use_all_cores
    from reppo.sweep.batches import by_program
    from reppo.sweep.execution import needed_bytes
    from reppo.sweep.plan import plan_batches, prepare_folder

    with contextlib.suppress(RuntimeError):  # where JAX has started already
        jax.config.update("jax_platforms", "cpu")  # a submitting node need not have what the tasks have
    cpus = resources.cpus or (DEFAULT_CPUS if executor == "slurm" else None)
    use_all_cores(path, resources.gpus or (cpus and min(cpus, MAX_CPU_DEVICES)))
    for environment in experiment.environments:
        environment.make()
    with only_process(path) as locks:
        require(
            locks or resources.at_once == 1,
            f"The file system of {str(path)!r} has no locks, which keep tasks from harming each other. Choose another "
            "folder with --out, or let one task run at a time with --at-once 1.",
        )
    folder, execution = prepare_folder(experiment, path, memory, "vmap" if resources.gpus else "map")
    require(
        execution.mode == "map" or execution.devices <= resources.gpus,
        f"The results in {str(path)!r} were begun on {execution.devices} GPUs, and the last bits of results depend on "
        f"their number. Give --gpus-per-task {execution.devices}, or another folder with --out.",
    )
    batches = plan_batches(experiment, folder, execution).batches
    for group in by_program(batches):
        needed_bytes(group[0].runs[0])  # a faulty component fails here, not in the queue
    return batches


def submit_to_slurm(name: str, payloads: Sequence[Payload], resources: Resources, logs: Path) -> str:
    """Submits an array of jobs to SLURM.

    Args:
        name: of the job.
        payloads: what the tasks do.
        resources: what each of them gets.
        logs: where submitit keeps its own files, and what the tasks print; on a file system that all nodes share.

    Returns:
        The id of the job.

    Raises:
        ConfigurationError: if SLURM refuses it.
    """
    import submitit  # pyright: ignore[reportMissingImports]
    from submitit.core.utils import FailedJobError  # pyright: ignore[reportMissingImports]

    cpus = resources.cpus or DEFAULT_CPUS
    executor = submitit.SlurmExecutor(logs, max_num_timeout=MOST_REQUEUES)
    executor.update_parameters(
        job_name=name,
        partition=resources.partition,
        time=resources.minutes,
        nodes=1,
        ntasks_per_node=1,
        cpus_per_task=cpus,
        gpus_per_task=resources.gpus or None,
        signal_delay_s=NOTICE_SECONDS,
        array_parallelism=resources.at_once or len(payloads),
        additional_parameters={"ntasks": 1, "requeue": True} | resources.others,
        srun_args=[f"--cpus-per-task={cpus}"],  # which srun does not take from sbatch since SLURM 22.05
    )
    try:
        jobs = executor.submit_array(payloads)
    except (FailedJobError, subprocess.CalledProcessError) as error:
        said = " ".join(str(error).split())
        raise ConfigurationError(f"SLURM refuses the job: {said}.") from None
    return jobs[0].job_id.partition("_")[0]


def run_locally(payloads: dict[str, Payload], resources: Resources, logs: Path, say: Callable[[str], None]) -> None:
    """Runs an array of jobs as processes of this machine, and waits for them.

    Args:
        payloads: what the tasks do, by batch.
        resources: what each of them gets.
        logs: where submitit keeps its own files, and what the tasks print.
        say: told what happens, in lines.

    Raises:
        RunsFailed: at the end, if some failed; names what their tasks said.
    """
    import submitit  # pyright: ignore[reportMissingImports]

    from reppo.runtime.machine import MAX_CPU_DEVICES, usable_cores

    cpus = resources.cpus or min(usable_cores(), MAX_CPU_DEVICES)
    at_once = min(resources.at_once or max(2, usable_cores() // cpus), len(payloads))
    waiting, slots = list(payloads.items()), list(range(at_once))
    running: dict[str, tuple[Any, int]] = {}
    failed: dict[str, Path] = {}
    try:
        while waiting or running:
            while waiting and slots:
                (batch, payload), slot = waiting.pop(0), slots.pop(0)
                executor = submitit.LocalExecutor(logs)
                executor.update_parameters(
                    timeout_min=60 * 24 * 365,
                    gpus_per_node=resources.gpus,
                    visible_gpus=[slot * resources.gpus + gpu for gpu in range(resources.gpus)],
                )
                running[batch] = executor.submit(payload), slot
                say(f"{batch} begins.")
            for batch, (job, slot) in list(running.items()):
                if job.done():
                    del running[batch]
                    slots.append(slot)
                    done = job.paths.result_pickle.exists() and job.exception() is None
                    failed |= {} if done else {batch: job.paths.stderr}
                    say(f"{batch} {'is done' if done else 'failed'}; {len(waiting) + len(running)} are left.")
            time.sleep(0.2)
    except BaseException:
        for job, _ in running.values():
            job.cancel(check=False)
        raise
    if failed:
        raise RunsFailed(
            "Some batches failed, and all others are done:\n"
            + "".join(f"  {batch}: see {log}\n" for batch, log in failed.items())
            + "Run the same command again to try them once more."
        )
