"""What programs took on this machine before, and what those of an experiment will therefore take."""

import hashlib
import json
import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import jax

import reppo
from reppo.runtime.machine import usable_cores
from reppo.runtime.timings import Timings
from reppo.spec import Spec, to_json
from reppo.spec.identity import code_id
from reppo.spec.source import source_hashes
from reppo.sweep.execution import Execution, needed_bytes
from reppo.sweep.experiment import Run


@final
class Expected(NamedTuple):
    """What a program is expected to take, by what this machine did before.

    Attributes:
        compile_seconds: time of tracing and compilation the last time.
        iteration_seconds: time of an iteration of the lanes that train at the same time.
        evaluation_seconds: time of an evaluation of them.
        itself: whether that is of the program itself; otherwise it is the median of its like, on the same task with as
            many environments and as long rollouts.
    """

    compile_seconds: float
    iteration_seconds: float
    evaluation_seconds: float
    itself: bool

    def seconds(self, passes: int, iterations: int, evaluations: int) -> float:
        """Time of training and evaluation of so many sets of lanes, one after another."""
        return passes * (iterations * self.iteration_seconds + evaluations * self.evaluation_seconds)


@final
class Past:
    """What is known of programs on this machine, as it executes them."""

    def __init__(self, timings: Timings | None = None) -> None:
        """From what is kept; nothing is known by default, and nothing is kept."""
        self._timings = timings or Timings(None)
        self._programs: dict[int, tuple[Spec, str]] = {}

    def needed_bytes(self, run: Run) -> tuple[int, int]:
        """`reppo.sweep.execution.needed_bytes`, which takes a second, unless it was asked of this program before.

        Raises:
            ConfigurationError: if the update cannot be traced.
        """
        known = self._timings.of(self._program(run.spec)).get("bytes")
        if known is not None:
            return known[0], known[1]
        needed = needed_bytes(run)
        self.needs(run.spec, needed)
        return needed

    def needs(self, spec: Spec, needed: tuple[int, int]) -> None:
        """Keeps what memory a program was forecast to need."""
        if self._timings.of(self._program(spec)).get("bytes") != list(needed):
            self._timings.note(self._program(spec), bytes=list(needed))

    def compile_seconds(self, spec: Spec, width: int, execution: Execution) -> float | None:
        """How long compilation took the last time."""
        return self._timings.of(self._key(spec, width, execution)).get("compile_seconds")

    def compiled(self, spec: Spec, width: int, execution: Execution, seconds: float) -> None:
        """Keeps how long compilation took."""
        self._timings.note(self._key(spec, width, execution), compile_seconds=seconds)

    def trained(
        self, spec: Spec, width: int, execution: Execution, iteration_seconds: float, evaluation_seconds: float
    ) -> None:
        """Keeps how long an iteration and an evaluation took of the lanes that train at the same time."""
        self._timings.note(
            self._key(spec, width, execution),
            family=self._family(spec, width, execution),
            iteration_seconds=iteration_seconds,
            evaluation_seconds=evaluation_seconds,
        )

    def expected(self, spec: Spec, width: int, execution: Execution) -> Expected | None:
        """What a program will take; None if nothing is known of it or its like."""
        names = ("compile_seconds", "iteration_seconds", "evaluation_seconds")
        own = self._timings.of(self._key(spec, width, execution))
        if all(name in own for name in names):
            return Expected(**{name: own[name] for name in names}, itself=True)
        family = self._family(spec, width, execution)
        like = [one for one in self._timings.all().values() if one.get("family") == family and names[0] in one]
        if not like:
            return None
        return Expected(**{name: statistics.median(one[name] for one in like) for name in names}, itself=False)

    def _program(self, spec: Spec) -> str:
        """What of a program all machines share: its code, and that of its components."""
        kept = self._programs.get(id(spec))
        if kept is None or kept[0] is not spec:
            versions = {"reppo": reppo.__version__, "jax": jax.__version__}
            kept = self._programs[id(spec)] = (spec, _hash(code_id(spec), source_hashes(spec), versions))
        return kept[1]

    def _key(self, spec: Spec, width: int, execution: Execution) -> str:
        return _hash(self._program(spec), _circumstances(width, execution))

    def _family(self, spec: Spec, width: int, execution: Execution) -> str:
        algorithm = spec.algorithm
        sizes = [algorithm.num_environments, algorithm.rollout_length, spec.evaluation.episodes]
        named = type(algorithm).__name__, to_json(spec.environment)
        return _hash(*named, sizes, _circumstances(width, execution))


def passes(runs: Sequence[Any], width: int, execution: Execution) -> int:
    """How often the lanes that train at the same time are filled until all runs of a batch have trained."""
    return math.ceil(len(runs) / execution.at_once(width))


def _circumstances(width: int, execution: Execution) -> list[Any]:
    kind, cores = jax.devices()[0].device_kind, usable_cores() if jax.default_backend() == "cpu" else 0
    return [execution.mode, execution.at_once(width), kind, cores]


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
