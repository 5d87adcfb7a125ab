"""Weights & Biases: one run there for each run here, although many train in one program."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

from reppo.errors import ConfigurationError, require, unknown_name
from reppo.results.folder import ResultsFolder
from reppo.results.names import folder_name
from reppo.tracking.events import BatchStarted, ChunkFinished, Event, LaneStart, RunFinished, SweepStarted
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

    Offline each session leaves a file, and the last that is sent replaces what the service has of the run. So a
    session that continues a run begins its file with the rows that are on disk: the last file is the whole run.

    Args:
        mode: `"offline"` writes to the folder only (send it later with `wandb sync`), `"online"` sends at once.
        folder: the folder of results, in which Weights & Biases makes a folder `wandb` for its files.
        project: the project there; if None, as Weights & Biases is configured, or `reppo`.
        entity: the user or team there; if None, as Weights & Biases is configured.
        init: `wandb.init`.

    Raises:
        ConfigurationError: if the mode is another; or online, and the client has no key for its server, or is
            configured to be offline.
    """

    def __init__(
        self,
        mode: Literal["offline", "online"],
        folder: Path,
        project: str | None = None,
        entity: str | None = None,
        init: Callable[..., Any] | None = None,
    ) -> None:
        if mode not in MODES:
            raise unknown_name("mode of wandb", mode, MODES)
        if mode == "online" and init is None:
            _require_login()
        self._mode = mode
        self._folder = folder
        self._project = project
        self._entity = entity
        self._init = init
        self._experiment = ""
        self._lanes: dict[str, LaneStart] = {}
        self._runs: dict[str, Any] = {}

    def receive(self, event: Event) -> None:
        """Opens, feeds and ends runs."""
        match event:
            case SweepStarted():
                self._experiment = event.experiment
            case BatchStarted():
                self._lanes |= {lane.run_id: lane for lane in event.lanes}
            case ChunkFinished():
                for lane in event.lanes:
                    if lane.run_id not in self._runs:
                        self._begin(self._lanes[lane.run_id], event.environment_steps)
                    self._runs[lane.run_id].log(_row(lane.returns, lane.metrics), step=event.environment_steps)
            case RunFinished():
                lane = self._lanes.get(event.record.run_id)
                if lane is not None and lane.run_id not in self._runs:  # at its end before a chunk was told of
                    self._begin(lane, event.record.environment_steps + 1)
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

    def _begin(self, lane: LaneStart, steps: int) -> None:
        """Opens a run at the first chunk that is told of; offline it then repeats its rows from before those steps."""
        run = self._runs[lane.run_id] = self._open(lane)
        if self._mode == "online":
            return
        folder = ResultsFolder(self._folder).run(lane.arm, lane.environment, lane.seed)
        evaluations, metrics = folder.read_evaluations(), folder.read_metrics()
        for before in sorted({*evaluations.environment_steps.tolist(), *metrics.environment_steps.tolist()}):
            if before < steps:
                returns = evaluations.returns[evaluations.environment_steps == before].tolist()
                at = metrics.environment_steps == before
                columns = (metrics.mean[at].tolist(), metrics.minimum[at].tolist(), metrics.maximum[at].tolist())
                names = [name for name, there in zip(metrics.names, at, strict=True) if there]
                rows = dict(zip(names, zip(*columns, strict=True), strict=True))
                run.log(_row(returns, rows), step=before)

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
            project=self._project or wandb.setup().settings.project or "reppo",
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


def _row(returns: Sequence[float], metrics: Mapping[str, tuple[float, float, float]]) -> dict[str, float]:
    """What is logged of a chunk: the evaluation, and mean, minimum and maximum of every metric."""
    row: dict[str, float] = {}
    if len(returns):
        finite = [value for value in returns if math.isfinite(value)]
        mean = sum(finite) / len(finite) if finite else math.nan
        row |= {"evaluation/return": mean, "evaluation/lowest": min(finite, default=math.nan)}
        row |= {"evaluation/highest": max(finite, default=math.nan)}
    for name, (mean, minimum, maximum) in metrics.items():
        row |= {name: mean, f"{name}.min": minimum, f"{name}.max": maximum}
    return row


def _require_login() -> None:
    """Asks the client itself whether it has a key for its server; a question to the user would stop a sweep.

    It reads environment variables, its settings files and netrc, as `wandb.init` will.
    """
    import wandb
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
