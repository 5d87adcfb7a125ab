"""The record of one run: what was run, where, how it ended."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, final, get_args

from reppo.errors import ConfigurationError, require
from reppo.results.formatting import human_count

SCHEMA = 7
"""The version of the record's fields. It grows when a field is added, removed, or changes its meaning."""

Status = Literal["running", "finished", "diverged"]
"""Where a run stands. One that diverged is done, and its record says when and why."""

LanesMode = Literal["map", "vmap"]


@final
@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run, as it stands in `record.json`. Enough to understand, compare and repeat it; no arrays.

    Attributes:
        run_id: hash of the spec and the seed.
        experiment: id of the experiment.
        arm: name of the arm, as declared (folder names are only derived from it).
        environment: name of the environment.
        seed: the seed, 0 or more.
        status: `"running"` (or interrupted), `"finished"` or `"diverged"`.
        environment_steps: steps trained so far.
        steps_per_iteration: environment steps of an iteration, the least that two evaluations are apart.
        data_lost_at: environment steps at which the run was continued without what it had collected, where its
            checkpoints do not hold that: its numbers are then not those of a run that was never stopped. Records of
            schema 6 and below know of none.
        diverged_at: environment steps at which the run diverged, if it did.
        diverged_iteration: the iteration, from 0, whose update gave numbers that are not finite.
        diverged_by: the first quantity of that iteration that was not finite: a metric such as `critic/loss`, a part
            of the rollout such as `rollout/action`, or an array of the new state such as `state/learner/critic/...`.
        spec: the resolved spec, as JSON.
        sources: a hash of the source of each component's class, as it was when the run began (`source_hashes`).
        ablations: names of the ablations that made the arm from the base, or from its rival.
        rival: name of the rival (another preset) that the arm starts from; None for the base.
        settings: what those of them that set a value have set: path in the spec -> value in JSON, in the order of their
            names. None in records of schema 4 and below, where only the name of the arm tells it.
        search: whether the arm is one of the settings of a search over the hyperparameters of what it starts from,
            which are not compared one by one. Records of schema 5 and below know of none.
        watched: the metrics to watch, as the algorithm names them (`Watched.to_json`). None in records of schema 4 and
            below.
        warnings: what was said about the spec before training began.
        versions: versions of the packages in use.
        backend: the accelerator's backend, such as `"cpu"` or `"gpu"`.
        device: the name of the device.
        width: lanes in the compiled program, padding included. Results depend on it in the last bits.
        batch: id of the batch that the run was part of.
        lanes_mode: how the lanes were executed, one after another (`"map"`) or together (`"vmap"`).
        matmul_precision: precision of matrix products.
        train_seconds: wall time of training and evaluation, shared by all lanes of the batch, without compilation.
        compile_seconds: time of tracing and compiling the steps of the program, added up, shared by all lanes of the
            batch; with that of steps which were compiled for another arm before.
        program_bytes: memory of the arrays of the lanes that train at the same time, on all devices; None where the
            backend does not tell.
        steps_per_second: environment steps per second of training, of all runs of the batch together.
        files: length in bytes and CRC-32 of the content of each file of the run, by name, as they were when the record
            was written; those of a run that goes on have grown since.
        schema: version of these fields.

    Raises:
        ConfigurationError: if the seed is negative, or `diverged_at` is given for a run that did not diverge,
            or not for one that did.
    """

    run_id: str
    experiment: str
    arm: str
    environment: str
    seed: int
    status: Status
    environment_steps: int = 0
    steps_per_iteration: int | None = None
    data_lost_at: list[int] = field(default_factory=list)
    diverged_at: int | None = None
    diverged_iteration: int | None = None
    diverged_by: str | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    ablations: list[str] = field(default_factory=list)
    rival: str | None = None
    settings: dict[str, Any] | None = None
    search: bool = False
    watched: list[dict[str, Any]] | None = None
    warnings: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    backend: str | None = None
    device: str | None = None
    width: int | None = None
    batch: str | None = None
    lanes_mode: LanesMode | None = None
    matmul_precision: str | None = None
    train_seconds: float | None = None
    compile_seconds: float | None = None
    program_bytes: int | None = None
    steps_per_second: float | None = None
    files: dict[str, list[int]] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Checks what a type cannot say."""
        require(self.seed >= 0, f"A seed is 0 or more, not {self.seed}.")
        require(
            (self.diverged_at is None) == (self.status != "diverged"),
            f"Only a run that diverged has diverged_at, and it must: {self.status!r}, diverged_at {self.diverged_at}.",
        )

    @property
    def divergence(self) -> str:
        """When and by what the run diverged, in words; empty if it did not."""
        if self.diverged_at is None:
            return ""
        iteration = "" if self.diverged_iteration is None else f" (iteration {self.diverged_iteration})"
        first = "" if self.diverged_by is None else f", first not finite: {self.diverged_by}"
        return f"diverged after {human_count(self.diverged_at)} steps{iteration}{first}"

    @property
    def runs_in_batch(self) -> int:
        """How many runs have shared `train_seconds`: the speed is that of all of them together. 1 where unknown."""
        if not self.steps_per_second or not self.train_seconds or not self.environment_steps:
            return 1
        return max(1, round(self.steps_per_second * self.train_seconds / self.environment_steps))

    def to_json(self) -> dict[str, Any]:
        """Returns the record as JSON data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RunRecord":
        """Reads a record back; optional fields that are missing take their defaults.

        Raises:
            ConfigurationError: if the record is of a newer schema, lacks a field, has one too many, or a field holds
                something of the wrong kind.
        """
        schema = data.get("schema")
        if not isinstance(schema, int):
            raise ConfigurationError(f"This is no record of a run: its schema is {schema!r}, not a whole number.")
        fields = {f.name: f for f in dataclasses.fields(cls)}
        unknown = sorted(data.keys() - fields.keys())
        if schema > SCHEMA:
            extra = f" (its fields {', '.join(unknown)} are not known here)" if unknown else ""
            raise ConfigurationError(
                f"The record has schema {schema}{extra}; this version of reppo reads up to {SCHEMA}. Update reppo."
            )
        if unknown:
            raise ConfigurationError(
                f"The record has unknown fields: {', '.join(unknown)}. Schema {schema} has: {', '.join(fields)}."
            )
        missing = [name for name in _REQUIRED if name not in data]
        require(not missing, f"The record lacks {', '.join(missing)}.")
        for name, value in data.items():
            kinds, words = _KINDS[name]
            right = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
            require(right, f"The record's {name} should be {words}, not {value!r}.")
        for name, allowed in (("status", get_args(Status)), ("lanes_mode", (*get_args(LanesMode), None))):
            value = data.get(name, allowed[-1])
            require(value in allowed, f"The record's {name} should be one of {allowed}, not {value!r}.")
        for name, value in data.get("files", {}).items():
            right = isinstance(value, list) and [type(number) for number in value] == [int, int]
            require(right, f"The record's files should hold two whole numbers for {name}, not {value!r}.")
        numbers: dict[str, Any] = {name: float(data[name]) for name in _NUMBERS if data.get(name) is not None}
        return cls(**{**data, **numbers})


_NOTHING = type(None)
_TEXT = ((str,), "a text")
_WHOLE = ((int,), "a whole number")
_OBJECT = ((dict,), "an object")
_MAYBE_TEXT = ((str, _NOTHING), "a text or null")
_MAYBE_WHOLE = ((int, _NOTHING), "a whole number or null")
_MAYBE_NUMBER = ((float, int, _NOTHING), "a number or null")
_NUMBERS = ("train_seconds", "compile_seconds", "steps_per_second")
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("run_id", "experiment", "arm", "environment", "status"), _TEXT),
    **dict.fromkeys(("seed", "environment_steps", "schema"), _WHOLE),
    **dict.fromkeys(("spec", "sources", "versions", "files"), _OBJECT),
    "ablations": ((list,), "a list of names"),
    "warnings": ((list,), "a list of texts"),
    "data_lost_at": ((list,), "a list of whole numbers"),
    "settings": ((dict, _NOTHING), "an object or null"),
    "search": ((bool,), "true or false"),
    "watched": ((list, _NOTHING), "a list or null"),
    **dict.fromkeys(
        ("backend", "device", "batch", "lanes_mode", "matmul_precision", "diverged_by", "rival"), _MAYBE_TEXT
    ),
    **dict.fromkeys(
        ("steps_per_iteration", "diverged_at", "diverged_iteration", "width", "program_bytes"), _MAYBE_WHOLE
    ),
    **dict.fromkeys(_NUMBERS, _MAYBE_NUMBER),
}
_REQUIRED = ("run_id", "experiment", "arm", "environment", "seed", "status")
