"""Weights & Biases: one run there for each run here, although many train in one program."""

import math
import netrc
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final
from urllib.parse import urlparse

from reppo.errors import require, unknown_name
from reppo.results.names import folder_name
from reppo.tracking.events import BatchStarted, ChunkFinished, Event, LaneReport, LaneStart, RunFinished, SweepStarted
from reppo.tracking.tracker import AbstractTracker

MODES = ("offline", "online")
_LONGEST = {"tag": 64, "group": 128}  # limits of the service


@final
class Wandb(AbstractTracker):
    """Logs every run of a sweep as a run of Weights & Biases, from the host loop.

    A run's config is its resolved spec, with its arm, ablations, seed and task beside it; its group is
    `experiment/environment/arm`, so that seeds are averaged; its job type is `train`; its tags are experiment,
    environment and ablations. A continued run continues there too when online. Nothing else is sent: no code, no git
    state, no console output, no description of the machine, no environment variables.

    Args:
        mode: `"offline"` writes to the folder only (send it later with `wandb sync`), `"online"` sends at once.
        folder: where Weights & Biases keeps its files; it makes a folder `wandb` in it.
        project: the project there.
        entity: the user or team there; the user's default if None.
        init: `wandb.init`.

    Raises:
        ConfigurationError: if the mode is another, or online and nobody is logged in.
    """

    def __init__(
        self,
        mode: Literal["offline", "online"],
        folder: Path,
        project: str = "reppo",
        entity: str | None = None,
        init: Callable[..., Any] | None = None,
    ) -> None:
        if mode not in MODES:
            raise unknown_name("mode of wandb", mode, MODES)
        require(
            mode == "offline" or init is not None or _is_logged_in(os.environ),
            "Weights & Biases does not know who you are: no WANDB_API_KEY is set, and no key is stored. Log in with "
            "`wandb login`, or use --wandb offline and send the runs later with `wandb sync`.",
        )
        self._mode = mode
        self._folder = folder
        self._project = project
        self._entity = entity
        self._init = init
        self._experiment = ""
        self._runs: dict[str, Any] = {}

    def receive(self, event: Event) -> None:
        """Opens, feeds and ends runs."""
        match event:
            case SweepStarted():
                self._experiment = event.experiment
            case BatchStarted():
                for lane in event.lanes:
                    self._runs[lane.run_id] = self._open(lane)
            case ChunkFinished():
                for lane in event.lanes:
                    self._runs[lane.run_id].log(_row(lane), step=event.environment_steps)
            case RunFinished():
                run = self._runs.pop(event.record.run_id)
                run.summary.update({"status": event.record.status, "diverged_at": event.record.diverged_at})
                run.finish(exit_code=0)
            case _:
                pass

    def close(self) -> None:
        """Ends what is still open, as interrupted."""
        while self._runs:
            _, run = self._runs.popitem()
            run.finish(exit_code=1)

    def _open(self, lane: LaneStart) -> Any:
        import wandb

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
        )
        return init(
            project=self._project,
            entity=self._entity,
            dir=str(self._folder),
            mode=self._mode,
            id=f"{folder_name(self._experiment)[:100]}-{lane.run_id}",
            resume="allow" if self._mode == "online" else None,
            reinit="create_new",
            name=f"{lane.arm} {lane.environment} seed{lane.seed}",
            group=f"{self._experiment}/{lane.environment}/{lane.arm}"[: _LONGEST["group"]],
            job_type="train",
            tags=[tag[: _LONGEST["tag"]] for tag in (self._experiment, lane.environment, *lane.ablations)],
            config={
                **lane.spec,
                "arm": lane.arm,
                "ablations": list(lane.ablations),
                "task": lane.environment,
                "seed": lane.seed,
                "experiment": self._experiment,
            },
            settings=settings,
        )


def _row(lane: LaneReport) -> dict[str, float]:
    """What is logged of a chunk: the evaluation, and mean, minimum and maximum of every metric."""
    row: dict[str, float] = {}
    if len(lane.returns):
        finite = [value for value in lane.returns if math.isfinite(value)]
        mean = sum(finite) / len(finite) if finite else math.nan
        row |= {"evaluation/return": mean, "evaluation/lowest": min(finite, default=math.nan)}
        row |= {"evaluation/highest": max(finite, default=math.nan)}
    for name, (mean, minimum, maximum) in lane.metrics.items():
        row |= {name: mean, f"{name}.min": minimum, f"{name}.max": maximum}
    return row


def _is_logged_in(environ: Mapping[str, str]) -> bool:
    """Whether a key is at hand; asking for one would stop a sweep that nobody watches."""
    if environ.get("WANDB_API_KEY") or environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlparse(environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    files: Sequence[str] = [environ["NETRC"]] if environ.get("NETRC") else ["~/.netrc", "~/_netrc"]
    for file in files:
        try:
            if netrc.netrc(os.path.expanduser(file)).authenticators(host) is not None:
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False
