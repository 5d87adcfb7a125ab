"""What the training loop asks of an algorithm."""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
from equinox import AbstractVar
from jaxtyping import Array, Key

from reppo.component import Component
from reppo.environments import Interface
from reppo.rollout import AbstractPolicy, Trajectory
from reppo.summary import Summary
from reppo.watched import Watched


@final
class AlgorithmState(eqx.Module):
    """All that evolves in an algorithm, by what it is.

    Attributes:
        learner: what learns: networks, multipliers, optimizers. Where an update makes a number of it that is not
            finite, the run stands still at the last finite one.
        statistics: what is counted, such as the statistics of observations; guarded likewise.
        data: what was collected, such as a replay buffer. It is neither searched for numbers that are not finite nor
            copied, and stands in checkpoints only where the algorithm says so (`AbstractAlgorithm.saves_data`).
    """

    learner: Any
    statistics: Any = ()
    data: Any = ()

    def without_data(self) -> "AlgorithmState":
        """What is guarded."""
        return AlgorithmState(self.learner, self.statistics)


class AbstractAlgorithm(Component):
    """A learning algorithm: frozen, without parameters and without state.

    All that evolves is in the state that `init` makes and `update` returns.

    Attributes:
        num_environments: environments that run in parallel, at least 1.
        rollout_length: steps that each takes between two updates.
    """

    num_environments: AbstractVar[int]
    rollout_length: AbstractVar[int]

    @abstractmethod
    def init(self, key: Key[Array, ""], interface: Interface) -> AlgorithmState:
        """The state before training.

        Args:
            key: consumed.
            interface: the shapes of observations and the space of actions.

        Raises:
            ConfigurationError: if a component does not fit them.
        """

    @abstractmethod
    def policy(self, state: AlgorithmState) -> AbstractPolicy:
        """What acts, in collection and in evaluation."""

    @abstractmethod
    def update(
        self, state: AlgorithmState, trajectory: Trajectory, key: Key[Array, ""]
    ) -> tuple[AlgorithmState, dict[str, Summary]]:
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
    def saves_data(self) -> bool:
        """Whether checkpoints hold the state's `data`.

        A run that goes on without them begins with the data of `init`, and its numbers differ from those of a run that
        was never stopped.
        """
        return True

    @property
    def idle_iterations(self) -> int:
        """Iterations at the start that collect and learn nothing; what training costs is measured after them."""
        return 0

    @property
    def steps_per_iteration(self) -> int:
        """Environment steps between two updates, all environments together."""
        return self.num_environments * self.rollout_length
