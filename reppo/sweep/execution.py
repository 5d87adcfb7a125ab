"""How the programs of a folder of results run: how many lanes they have, and which train at the same time."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from typing import Any, final

import jax

from reppo.errors import ConfigurationError, require
from reppo.results import ResultsFolder
from reppo.results.formatting import human_bytes
from reppo.runtime.machine import usable_memory
from reppo.sweep.experiment import Experiment, Run
from reppo.sweep.failures import describe_fault
from reppo.training.kinds import kind_of_program
from reppo.training.lanes import compile_key, lane_devices, lanes_at_once, lanes_mode

MAX_WIDTH = 16
"""Most lanes of a program."""

Needed = Callable[[Run], tuple[int, int]]
"""Gives the memory of a lane while it trains a run, and of its state, as `needed_bytes` does."""

RESIDENT_BYTES = 10**9
"""What a process on a CPU takes beside the arrays of training: libraries, compiled programs, the simulator's model."""


@final
@dataclasses.dataclass(frozen=True)
class Execution:
    """What a folder of results decided once, because the last bits of results depend on it.

    Attributes:
        mode: how lanes run, `"map"` or `"vmap"`.
        most: most lanes of a program.
        devices: devices that the lanes are split over.
        fixed: whether every program has the most lanes, whatever runs share it.
    """

    mode: str
    most: int
    devices: int
    fixed: bool = False

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Execution":
        """Reads what `dataclasses.asdict` gave, or what older folders say: one width for all programs."""
        if "width" in data:
            return cls(data["mode"], data["width"], data["devices"], fixed=True)
        return cls(**data)

    def width(self, runs: int) -> int:
        """Lanes of a program that so many runs share, when it is planned first.

        As few batches as the most lanes allow, of equal size, so that few lanes are padding; and, with as many runs as
        devices, a number that can be split over these evenly.
        """
        if self.fixed:
            return self.most
        width = math.ceil(runs / math.ceil(runs / self.most))
        if min(width, self.most) < self.devices:
            return width
        even = math.ceil(width / self.devices) * self.devices
        return min(even, self.most - self.most % self.devices)

    def at_once(self, width: int) -> int:
        """Lanes of a program that train at the same time."""
        return lanes_at_once(self.mode, width, self.devices)

    def held_bytes(self, width: int, lane: int, state: int) -> int:
        """Memory of all lanes of a program: of those that train, and of the states of the others (`needed_bytes`)."""
        training = self.at_once(width)
        return training * lane + (width - training) * state


def choose_execution(
    experiment: Experiment,
    memory: int | None = None,
    mode: str | None = None,
    needed: Needed | None = None,
) -> Execution:
    """The way of batching of a new folder of results: a rule from backend, devices and memory.

    Args:
        experiment: the experiment.
        memory: bytes that training may take. On a CPU that is the process's resident set above what it is at the
            start, so that `RESIDENT_BYTES` of it are not for arrays, and never more than `usable_memory`; elsewhere the
            device's memory. By default there is no limit on a CPU, and elsewhere programs are as narrow as the devices
            of this process need, if that can be. Where the lanes do not fit, fewer train at the same time.
        mode: how lanes run where the experiment is executed; as on this machine by default.
        needed: gives the memory of the lanes of a run; `needed_bytes` by default.

    Raises:
        ConfigurationError: if not even one lane fits.
    """
    chosen = Execution(mode or lanes_mode(), MAX_WIDTH, lane_devices())
    available = memory if memory is not None else accelerator_memory() if chosen.mode == "vmap" else None
    if available is None:
        return chosen
    keys = [(compile_key(run.spec), run) for run in experiment.runs()]
    shared, runs = Counter(key for key, _ in keys), dict(keys)
    of_run = needed or needed_bytes
    lanes = [(*of_run(run), shared[key], run.environment) for key, run in runs.items()]
    need, *_, name = max(lanes)
    reserved = RESIDENT_BYTES if chosen.mode == lanes_mode() and jax.default_backend() == "cpu" else 0
    if reserved:
        available = min(available, usable_memory() or available)
    require(
        memory is None or need <= available - reserved,
        f"One run on {name} needs about {human_bytes(need)} while it trains{_besides(reserved)}, and "
        f"{human_bytes(available)} are allowed (--memory). Allow more, or choose fewer environments, shorter rollouts "
        "or narrower networks.",
    )
    devices = range(chosen.devices, 0, -1) if chosen.mode == "map" else [chosen.devices]
    narrower = [dataclasses.replace(chosen, devices=number) for number in devices]
    narrower += [dataclasses.replace(narrower[-1], most=most) for most in range(chosen.most - 1, 0, -1)]
    held = lambda one, lane, state, runs: one.held_bytes(one.width(runs), lane, state)
    fits = (one for one in narrower if all(held(one, *each) <= available - reserved for *each, _ in lanes))
    return next(fits, narrower[-1])  # by an upper estimate, which more may fit than it says


def accelerator_memory() -> int | None:
    """Bytes that this process may take on its accelerators, all together; None if there are none, or it is unknown."""
    limits = [(device.memory_stats() or {}).get("bytes_limit", 0) for device in jax.local_devices()]
    return sum(limits) if all(limits) else None


def needed_bytes(run: Run) -> tuple[int, int]:
    """Memory of a lane while it trains a run, and of its state.

    Raises:
        ConfigurationError: if the update cannot be traced; names the arm, the fault and the user's line.
    """
    where = f"The arm {run.arm} cannot be trained on {run.environment}"
    try:
        return kind_of_program(run.spec).needed_bytes(run.spec)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}. {error}") from None
    except Exception as error:
        raise ConfigurationError(
            f"{where}: {describe_fault(error)}. Hold each component of your own against the laws of its slot by the "
            "checks of reppo.testing."
        ) from error


def _besides(reserved: int) -> str:
    return f", besides {human_bytes(reserved)} for libraries and programs" if reserved else ""


def decide_execution(
    experiment: Experiment, folder: ResultsFolder, memory: int | None = None, mode: str | None = None
) -> Execution:
    """The way of batching: what the folder says, or for a new one `choose_execution`, which is then written to it.

    Args:
        experiment: the experiment.
        folder: its folder of results.
        memory: see `choose_execution`.
        mode: how lanes run where the experiment is executed; as on this machine by default.

    Raises:
        ConfigurationError: if the folder was begun on another kind of backend, or nothing fits into the memory.
    """
    found = known_execution(folder, mode)
    if found is None:
        found = choose_execution(experiment, memory, mode)
        write_execution(folder, found)
    return found


def known_execution(folder: ResultsFolder, mode: str | None = None) -> Execution | None:
    """The way of batching that a folder says; None if it says none yet. As `decide_execution`, which writes it."""
    described = folder.read_experiment()
    if "execution" not in described:
        return None
    found, mode = Execution.from_json(described["execution"]), mode or lanes_mode()
    if found.mode != mode:
        raise ConfigurationError(
            f"The results in {folder.path} were begun with lanes by {found.mode!r} ('map' on CPUs, 'vmap' on "
            f"accelerators), they would now run by {mode!r}, and numbers of the two do not agree to the last bit. "
            "Continue on the same kind of machine, or give another folder with --out."
        )
    if found.devices > lane_devices():
        raise ConfigurationError(
            f"The results in {folder.path} were begun on {found.devices} devices, and this process has "
            f"{lane_devices()} (a single one with jax 0.11). Continue with as many, or give another folder with --out."
        )
    return found


def write_execution(folder: ResultsFolder, execution: Execution) -> None:
    """Notes in a folder how its programs run."""
    folder.update_experiment(folder.read_experiment() | {"execution": dataclasses.asdict(execution)})
