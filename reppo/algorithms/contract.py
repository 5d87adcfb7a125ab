"""What the training loop asks of an algorithm."""

from abc import abstractmethod
from typing import Any

from equinox import AbstractVar
from jaxtyping import Array, Key, PyTree

from reppo.component import Component
from reppo.environments import AbstractEnvironment
from reppo.rollout import AbstractPolicy, Trajectory
from reppo.summary import Summary
from reppo.watched import Watched


class AbstractAlgorithm(Component):
    """A learning algorithm: frozen, without parameters and without state.

    All that evolves is in the state that `init` makes and `update` returns; a replay buffer lives there too.

    Attributes:
        num_environments: environments that run in parallel.
        rollout_length: steps that each takes between two updates.
    """

    num_environments: AbstractVar[int]
    rollout_length: AbstractVar[int]

    @abstractmethod
    def init(self, key: Key[Array, ""], environment: AbstractEnvironment) -> Any:
        """The state before training."""

    @abstractmethod
    def policy(self, state: Any) -> AbstractPolicy:
        """What acts, in collection and in evaluation."""

    @abstractmethod
    def memory(self, key: Key[Array, ""]) -> PyTree[Array]:
        """The policy's memory at the start of an episode; `()` for a policy without one."""

    @abstractmethod
    def update(self, state: Any, trajectory: Trajectory, key: Key[Array, ""]) -> tuple[Any, dict[str, Summary]]:
        """Learns from a rollout.

        Args:
            state: the state whose policy collected the rollout.
            trajectory: leaves `[time, environment, ...]`.
            key: consumed.

        Returns:
            The new state and metrics, each summarized over all updates that were made.
        """

    def causes(self) -> tuple[str, ...]:
        """Names of metrics, each before those that it spoils where it is not finite; parts (`critic/`) in one piece.

        By it a run that diverged says what was wrong first. Metrics that are not named come after those that are.
        """
        return ()

    def watched(self) -> tuple[Watched, ...]:
        """The metrics that tell whether training goes as intended, in the order in which a report shows them.

        They are written into the record of each run.
        """
        return ()

    @property
    def steps_per_iteration(self) -> int:
        """Environment steps between two updates, all environments together."""
        return self.num_environments * self.rollout_length
