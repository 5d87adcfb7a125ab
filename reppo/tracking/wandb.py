"""Weights & Biases: one run there for each run here, although many train in one program."""

import contextlib
import hashlib
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, TextIO, final

from reppo.errors import ConfigurationError, require, unknown_name
from reppo.results.folder import ResultsFolder
from reppo.results.names import folder_name
from reppo.tracking.events import BatchStarted, ChunkFinished, Event, LaneStart, RunFinished, SweepStarted
from reppo.tracking.rows import row_of, rows_on_disk
from reppo.tracking.tracker import AbstractTracker

MODES = ("offline", "online")
INIT_SECONDS = 15.0
"""How long the server may take to answer before runs are kept offline."""
_LONGEST = {"tag": 64, "group": 128}  # limits of the service


@final
class Wandb(AbstractTracker):
    """Logs every run of a sweep as a run of Weights & Biases, from the host loop.

    A run's config is its resolved spec, with its arm, ablations, seed and task beside it; its group is
    `experiment/environment/arm`, so that seeds are averaged; its job type is `train`; its tags are experiment,
    environment and ablations. A continued run continues there too when online. Nothing else is sent: no code, no git
    state, no console output, no description of the machine, no environment variables.

    Where the server of `"online"` does not answer in time, it says so once and goes on offline.

    Offline each session leaves a file, and the last that is sent replaces what the service has of the run. So a
    session that continues a run begins its file with the rows that are on disk: the last file is the whole run.

    Args:
        mode: `"offline"` writes to the folder only (send it later with `wandb sync`), `"online"` sends at once.
        folder: the folder of results, in which Weights & Biases makes a folder `wandb` for its files.
        project: the project there; if None, as Weights & Biases is configured, or `reppo`.
        entity: the user or team there; if None, as Weights & Biases is configured.
        init: `wandb.init`.
        errors: where it says that the server does not answer; standard error by default.

    Raises:
        ConfigurationError: if the mode is another; or online, and the client has no key for its server, or is
            configured to be offline.
    """

    background: ClassVar[bool] = True

    def __init__(
        self,
        mode: Literal["offline", "online"],
        folder: Path,
        project: str | None = None,
        entity: str | None = None,
        init: Callable[..., Any] | None = None,
        errors: TextIO | io.TextIOBase | None = None,
    ) -> None:
        if mode not in MODES:
            raise unknown_name("mode of wandb", mode, MODES)
        if mode == "online" and init is None:
            check_login()
        self._mode = mode
        self._folder = folder
        self._project = project
        self._entity = entity
        self._init = init
        self._experiment = ""
        self._lanes: dict[str, LaneStart] = {}
        self._runs: dict[str, Any] = {}
        self._errors = sys.stderr if errors is None else errors
        self._away = False  # the server does not answer
        self._later: list[Event] = []  # ends of runs that wait until none is online any more

    def receive(self, event: Event) -> None:
        """Opens, feeds and ends runs."""
        match event:
            case SweepStarted():
                self._experiment = event.experiment
            case BatchStarted():
                self._lanes |= {lane.run_id: lane for lane in event.lanes}
            case ChunkFinished():
                for lane in event.lanes:
                    if lane.run_id in self._runs or self._begin(self._lanes[lane.run_id], event.environment_steps):
                        self._runs[lane.run_id].log(row_of(lane.returns, lane.metrics), step=event.environment_steps)
            case RunFinished():
                lane = self._lanes.get(event.record.run_id)
                if lane is not None and lane.run_id not in self._runs:  # at its end before a chunk was told of
                    if not self._begin(lane, event.record.environment_steps + 1):
                        self._later.append(event)
                if (run := self._runs.pop(event.record.run_id, None)) is not None:
                    names = ("status", "diverged_at", "diverged_by")
                    run.summary.update({name: getattr(event.record, name) for name in names})
                    run.finish(exit_code=0)
            case _:
                pass

    def close(self) -> None:
        """Ends what is still open, as interrupted."""
        while self._runs:
            _, run = self._runs.popitem()
            run.finish(exit_code=1)
        while self._later:
            self.receive(self._later.pop())

    def _begin(self, lane: LaneStart, steps: int) -> bool:
        """Opens a run at the first chunk that is told of; offline it then repeats its rows from before those steps.

        Returns:
            Whether it is open. Where the server does not answer, a run goes offline as soon as none is online, since
            the client would take it for the one that it failed to open; it then has lost nothing.
        """
        if self._mode == "online" and not self._away:
            try:
                self._runs[lane.run_id] = self._open(lane)
                return True
            except Exception as error:  # the client raises many kinds
                self._away = True
                self._say_away(error)
        if self._mode == "online" and self._runs:
            return False
        if self._mode == "online":
            self._mode = "offline"
            run = self._runs[lane.run_id] = self._open_again(lane)
        else:
            run = self._runs[lane.run_id] = self._open(lane)
        folder = ResultsFolder(self._folder).run(lane.arm, lane.environment, lane.seed)
        for before, row in rows_on_disk(folder, steps):
            run.log(row, step=before)
        return True

    def _say_away(self, error: Exception) -> None:
        reason = str(error).strip().partition("\n")[0]
        with contextlib.suppress(OSError, ValueError, AttributeError):  # standard error may be closed
            self._errors.write(
                f"Weights & Biases does not answer ({type(error).__name__}: {reason}). Training goes on, and runs are "
                f"kept offline: send them later with `wandb sync {self._folder / 'wandb'}/offline-run-*`.\n"
            )
            self._errors.flush()

    def _open_again(self, lane: LaneStart) -> Any:
        """Opens a run in another service of the client: the one so far holds its id, for the one it failed to open."""
        if self._init is None:
            with contextlib.suppress(SystemExit):  # where that service ends with an error
                _client().teardown()
            os.environ.pop("WANDB_SERVICE", None)  # that of a parent process lives on
        return self._open(lane)

    def _open(self, lane: LaneStart) -> Any:
        wandb = _client()
        parts = [*([lane.rival] if lane.rival else []), *lane.ablations]
        init: Callable[..., Any] = wandb.init if self._init is None else self._init
        settings = wandb.Settings(
            silent=True,
            console="off",
            host="",
            disable_git=True,
            disable_code=True,
            save_code=False,
            disable_job_creation=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_disable_stats=True,
            x_save_requirements=False,
            init_timeout=INIT_SECONDS,
        )
        return init(
            project=self._project or wandb.setup().settings.project or "reppo",
            entity=self._entity,
            dir=str(self._folder),
            mode=self._mode,
            id=f"{own_name(self._experiment)}-{lane.run_id}",
            resume="allow" if self._mode == "online" else None,
            reinit="create_new",
            name=f"{lane.arm} {lane.environment} seed{lane.seed}",
            group=f"{self._experiment}/{lane.environment}/{lane.arm}"[: _LONGEST["group"]],
            job_type="train",
            tags=[tag[: _LONGEST["tag"]] for tag in (self._experiment, lane.environment, *parts)],
            config={
                **lane.spec,
                "arm": lane.arm,
                "ablations": list(lane.ablations),
                **({"rival": lane.rival} if lane.rival else {}),
                "task": lane.environment,
                "seed": lane.seed,
                "experiment": self._experiment,
            },
            settings=settings,
        )


def _client() -> Any:
    """The client, which shall not report its own errors and use either, unless its user wants that."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    return wandb


def check_login() -> None:
    """Asks the client itself whether it has a key for its server; a question to the user would stop a sweep.

    It reads environment variables, its settings files and netrc, as `wandb.init` will. The server is not asked.

    Raises:
        ConfigurationError: if it has none, or is configured to be offline.
    """
    wandb = _client()
    from wandb.errors import AuthenticationError

    mode = wandb.setup().settings.mode
    require(
        mode == "online",
        f"Weights & Biases is configured as {mode!r} (WANDB_MODE, or a settings file), and --wandb says online. Change "
        "one of them: --wandb offline keeps the runs for `wandb sync`.",
    )
    try:
        known = wandb.login(prompt=False, verify=False)
    except AuthenticationError as error:
        raise ConfigurationError(f"Weights & Biases cannot use the key that it has: {error}.") from None
    server = wandb.setup().settings.base_url
    require(
        known,
        f"Weights & Biases does not know who you are on {server}: no WANDB_API_KEY is set, and no key is stored. "
        "Log in with `wandb login`, or use --wandb offline and send the runs later with `wandb sync`.",
    )


def own_name(name: str) -> str:
    """The name of an experiment with characters alone that the id of a run may have, its own all the same."""
    known = folder_name(name)
    safe = re.sub(r"[^\w.+=-]", "-", known, flags=re.ASCII)
    return (
        safe if safe == known and len(safe) <= 100 else f"{safe[:90]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    )
