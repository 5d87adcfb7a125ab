"""What the sweep asks of a program: compile, start, advance, and show a lane.

Its states are its own: the sweep keeps them between calls, saves them as a tree of arrays, and restores them into one
of the same shapes.
"""

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Int

from reppo.rollout import AbstractPolicy
from reppo.spec import Spec
from reppo.training.loop import ChunkReport


@final
class LaneView(NamedTuple):
    """What a run is recorded by.

    Attributes:
        policy: the current policy.
        best_policy: the policy of the best evaluation so far.
        diverged_at: the iteration whose update gave numbers that are not finite; -1 if none did.
        diverged_by: the first quantity of that iteration that was not finite; None if none was.
    """

    policy: AbstractPolicy
    best_policy: AbstractPolicy
    diverged_at: int
    diverged_by: str | None


class AbstractProgram(abc.ABC):
    """Trains the runs of a batch, each in a lane.

    Batches of one width whose specs share a `compile_key` share it. Lanes beyond the given runs are padding.

    Attributes:
        width: number of lanes.
        compile_seconds: how long compilation took, with that of steps that another program had compiled.
        bytes: memory of the arrays of the lanes that train at the same time; 0 where that is unknown.
        shared_steps: how many of its steps another program had compiled before.
    """

    width: int
    compile_seconds: float
    bytes: int
    shared_steps: int = 0

    @abc.abstractmethod
    def __init__(self, spec: Spec, width: int, mode: str, devices: int | None = None):
        """Prepares, but does not compile.

        Args:
            spec: any spec of those that share the program.
            width: number of lanes.
            mode: how lanes run, `"map"` or `"vmap"`.
            devices: most devices to split the lanes over; all by default.
        """

    @classmethod
    @abc.abstractmethod
    def fits(cls, spec: Spec) -> bool:
        """Whether it can train a spec."""

    @classmethod
    @abc.abstractmethod
    def needed_bytes(cls, spec: Spec) -> tuple[int, int]:
        """Memory of a lane while it trains, and of its state; nothing is compiled."""

    @property
    @abc.abstractmethod
    def abstract_states(self) -> Any:
        """Shapes and dtypes of the states of all lanes."""

    def saved(self, states: Any) -> Any:
        """What of the states, concrete or abstract, a checkpoint holds: everything, unless a program says otherwise."""
        return states

    def restored(self, saved: Any, specs: Sequence[Spec], seeds: Sequence[int]) -> Any:
        """The states that `saved` was of; what it left out is as at the start.

        Args:
            saved: what was kept of the states.
            specs: of the lanes that are used.
            seeds: of the same lanes, from 0 to 2^32 - 1.
        """
        return saved

    @abc.abstractmethod
    def compile(self) -> "AbstractProgram":
        """Compiles, once."""

    @abc.abstractmethod
    def start(self, specs: Sequence[Spec], seeds: Sequence[int]) -> Any:
        """States before training.

        Args:
            specs: of the lanes that are used.
            seeds: of the same lanes, from 0 to 2^32 - 1.
        """

    @abc.abstractmethod
    def iterate(self, states: Any, specs: Sequence[Spec], iterations: int) -> Any:
        """Trains every lane for a number of iterations. Consumes `states`.

        Args:
            states: of all lanes.
            specs: of the lanes that are used.
            iterations: how many, at least 1.
        """

    @abc.abstractmethod
    def assess(self, states: Any, specs: Sequence[Spec]) -> tuple[Any, ChunkReport]:
        """Evaluates every lane, and reports, `[lane, ...]`, what was summarized since the last time.

        The new states share memory with those that were given, which are not to be used any more.
        """

    def advance(self, states: Any, specs: Sequence[Spec], iterations: int) -> tuple[Any, ChunkReport]:
        """Trains every lane for a number of iterations and evaluates it. Consumes `states`.

        Args:
            states: of all lanes.
            specs: of the lanes that are used.
            iterations: how many, at least 1.
        """
        return self.assess(self.iterate(states, specs, iterations), specs)

    @abc.abstractmethod
    def is_evaluated(self, states: Any) -> bool:
        """Whether there was no iteration since the last evaluation."""

    @abc.abstractmethod
    def diverged_at(self, states: Any) -> Int[np.ndarray, " lanes"]:
        """For each lane the iteration at which it diverged; -1 where it did not."""

    @abc.abstractmethod
    def view(self, states: Any, number: int, spec: Spec) -> LaneView:
        """What one lane, whose spec is given, is recorded by.

        Args:
            states: of all lanes.
            number: of the lane, from 0.
            spec: of the lane.
        """
