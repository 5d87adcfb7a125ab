"""What all implementations of an algorithm are told: the task, the networks, the sizes. Imports no JAX."""

import abc
import dataclasses
from typing import Any, ClassVar, final

from reppo.environments.suites import find_suite
from reppo.errors import require, unknown_name
from reppo.results.formatting import human_count


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractSettings(abc.ABC):
    """An algorithm on a task of gymnax, as far as every implementation can be told.

    Attributes:
        algorithm: its name in the command.
        task: its name; actions are continuous.
        width: units of each hidden layer of every network, at least 1.
        depth: hidden layers of each, at least 1.
        learning_rate: of Adam, positive.
        gamma: discount factor, in [0, 1].
        episodes: whole episodes of the policy's mean action, whose mean is the return of an evaluation.
    """

    algorithm: ClassVar[str]
    task: str = find_suite("gymnax").example
    width: int
    depth: int = 2
    learning_rate: float
    gamma: float = 0.99
    episodes: int

    def __post_init__(self) -> None:
        self._require_at_least(1, "width", "depth", "episodes")
        self._require_positive("learning_rate")
        self._require_share("gamma")
        tasks = [name for name, entry in find_suite("gymnax").tasks.items() if not entry.discrete]
        if self.task not in tasks:
            raise unknown_name("task with continuous actions", self.task, tasks)

    @property
    @abc.abstractmethod
    def sizes(self) -> str:
        """How much is collected and learned, in the words of the table."""

    def to_json(self, seeds: int) -> dict[str, Any]:
        """Plain data for a script that trains so many seeds."""
        return {"algorithm": self.algorithm, **dataclasses.asdict(self), "seeds": list(range(seeds))}

    def _require_at_least(self, least: int, *names: str) -> None:
        for name in names:
            require(getattr(self, name) >= least, f"{name} is {getattr(self, name)}; give at least {least}.")

    def _require_positive(self, *names: str) -> None:
        for name in names:
            require(getattr(self, name) > 0, f"{name} is {getattr(self, name)}; give a positive one.")

    def _require_share(self, *names: str) -> None:
        for name in names:
            require(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}; give one in [0, 1].")


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class PpoSettings(AbstractSettings):
    """Those of PPO; an evaluation is that of the last policy.

    Attributes:
        iterations: rollouts that are collected and learned from, at least 2.
        num_environments: environments of each seed, at least 1.
        rollout_length: steps that each takes between two updates, at least 1.
        epochs: passes over a rollout, at least 1.
        minibatches: minibatches of a pass; must divide the rows of a rollout, and the environments too, as Brax
            shuffles whole rollouts of environments.
        lam: lambda of generalized advantage estimation, in [0, 1].
        clip: of the ratio, and of the value's change in an iteration, between 0 and 1.
        reward_scale: factor on rewards in what is learned, positive; returns are unscaled.
        action_scale: standard deviation of the first policy, where actions are in [-1, 1]; positive.
    """

    algorithm: ClassVar[str] = "ppo"
    width: int = 64
    learning_rate: float = 1e-3
    episodes: int = 64
    iterations: int = 120
    num_environments: int = 64
    rollout_length: int = 64
    epochs: int = 8
    minibatches: int = 8
    lam: float = 0.95
    clip: float = 0.2
    reward_scale: float = 0.005
    action_scale: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(1, "num_environments", "rollout_length", "epochs", "minibatches")
        require(
            self.iterations >= 2, f"iterations is {self.iterations}; give at least 2: Brax is timed after its first."
        )
        self._require_positive("reward_scale", "action_scale")
        self._require_share("lam")
        require(0 < self.clip < 1, f"clip is {self.clip}; give one between 0 and 1.")
        require(
            self.num_environments % self.minibatches == 0,
            f"{self.minibatches} minibatches do not divide {self.num_environments} environments. Choose a number that "
            "does.",
        )

    @property
    def steps(self) -> int:
        """Environment steps of one seed."""
        return self.iterations * self.num_environments * self.rollout_length

    @property
    def sizes(self) -> str:
        """Rollouts, and what is learned from each."""
        return (
            f"{human_count(self.steps)} steps a seed: {self.num_environments} environments x {self.rollout_length} "
            f"steps, {self.epochs} epochs of {self.minibatches} minibatches"
        )


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class SacSettings(AbstractSettings):
    """Those of SAC: one environment, an update for each of its steps, as Stable-Baselines3 does by default.

    Attributes:
        steps: environment steps of one seed, at least 1.
        batch_size: rows of an update, at least 1.
        target_rate: share of the trained critics that the target critics take over in an update, in (0, 1].
        learning_starts: steps before the first update, at least 0 and below `steps`.
        capacity: of the replay buffer, at least `2 * learning_starts + 1`, and 3.
        points: evaluations, evenly over the steps; at least 1, and must divide `steps`.
    """

    algorithm: ClassVar[str] = "sac"
    width: int = 256
    learning_rate: float = 3e-4
    episodes: int = 16
    steps: int = 20_000
    batch_size: int = 256
    target_rate: float = 0.005
    learning_starts: int = 100
    capacity: int = 100_000
    points: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(1, "steps", "batch_size", "points")
        require(0 < self.target_rate <= 1, f"target_rate is {self.target_rate}; give one above 0 and at most 1.")
        require(
            0 <= self.learning_starts < self.steps,
            f"learning_starts is {self.learning_starts}; give at least 0 and less than the {self.steps} steps.",
        )
        least = 2 * max(self.learning_starts, 1) + 1
        require(
            self.capacity >= least,
            f"capacity is {self.capacity}; give at least {least}: {self.learning_starts} steps are waited for, and "
            "each may need room for two observations.",
        )
        require(
            self.steps % self.points == 0,
            f"{self.points} points do not divide {self.steps} steps. Choose a number that does.",
        )

    @property
    def sizes(self) -> str:
        """Steps, and what is learned from each."""
        return (
            f"{human_count(self.steps)} steps a seed: 1 environment, an update of {self.batch_size} rows for each step"
        )


SETTINGS: dict[str, type[AbstractSettings]] = {cls.algorithm: cls for cls in (PpoSettings, SacSettings)}
"""By the name of their algorithm; the first is the usual one."""
