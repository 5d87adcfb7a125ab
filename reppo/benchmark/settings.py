"""What all of them are told: the task, the networks, the sizes. Imports no JAX."""

import dataclasses
from typing import Any, final

from reppo.environments.suites import find_suite
from reppo.errors import require, unknown_name


@final
@dataclasses.dataclass(frozen=True)
class Settings:
    """PPO on a task of gymnax, as far as every implementation can be told.

    Attributes:
        task: its name; actions are continuous.
        iterations: rollouts that are collected and learned from, at least 2.
        num_environments: environments of each seed, at least 1.
        rollout_length: steps that each takes between two updates, at least 1.
        width: units of each hidden layer of policy and value, at least 1.
        depth: hidden layers of each, at least 1.
        epochs: passes over a rollout, at least 1.
        minibatches: minibatches of a pass; must divide the rows of a rollout, and the environments too, as Brax
            shuffles whole rollouts of environments.
        learning_rate: of Adam, positive.
        gamma: discount factor, in [0, 1].
        lam: lambda of generalized advantage estimation, in [0, 1].
        clip: of the ratio, and of the value's change in an iteration, between 0 and 1.
        reward_scale: factor on rewards in what is learned, positive; returns are unscaled.
        action_scale: standard deviation of the first policy, where actions are in [-1, 1]; positive.
        episodes: whole episodes of the last policy's mean action, which each seed's return is the mean of.
    """

    task: str = find_suite("gymnax").example
    iterations: int = 120
    num_environments: int = 64
    rollout_length: int = 64
    width: int = 64
    depth: int = 2
    epochs: int = 8
    minibatches: int = 8
    learning_rate: float = 1e-3
    gamma: float = 0.99
    lam: float = 0.95
    clip: float = 0.2
    reward_scale: float = 0.005
    action_scale: float = 0.5
    episodes: int = 64

    def __post_init__(self) -> None:
        for name in ("num_environments", "rollout_length", "width", "depth", "epochs", "minibatches", "episodes"):
            require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; give at least 1.")
        require(
            self.iterations >= 2, f"iterations is {self.iterations}; give at least 2: Brax is timed after its first."
        )
        for name in ("learning_rate", "reward_scale", "action_scale"):
            require(getattr(self, name) > 0, f"{name} is {getattr(self, name)}; give a positive one.")
        for name in ("gamma", "lam"):
            require(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}; give one in [0, 1].")
        require(0 < self.clip < 1, f"clip is {self.clip}; give one between 0 and 1.")
        tasks = [name for name, entry in find_suite("gymnax").tasks.items() if not entry.discrete]
        if self.task not in tasks:
            raise unknown_name("task with continuous actions", self.task, tasks)
        require(
            self.num_environments % self.minibatches == 0,
            f"{self.minibatches} minibatches do not divide {self.num_environments} environments. Choose a number that "
            "does.",
        )

    @property
    def steps(self) -> int:
        """Environment steps of one seed."""
        return self.iterations * self.num_environments * self.rollout_length

    def to_json(self, seeds: int) -> dict[str, Any]:
        """Plain data for a script that trains so many seeds."""
        return {**dataclasses.asdict(self), "seeds": list(range(seeds))}
