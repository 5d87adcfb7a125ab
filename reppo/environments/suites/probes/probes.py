"""Probe environments: tasks so small that theory gives their values. A learner that misses one has a known defect."""

import abc
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from reppo.component import Scalar, hyper, static
from reppo.environments.contract import AbstractEnvironment, Observation, State, Transition
from reppo.environments.spaces import Box, Discrete
from reppo.errors import unknown_name

_ACTIONS = Box.unit(1)


class AbstractProbe(AbstractEnvironment):
    """A task whose value is known."""

    @abc.abstractmethod
    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """The expected discounted return from `observation`, with no entropy bonus.

        It is that of every policy, and in `BestAction`, `BestChoice` and `DelayedChoice` that of the best one. A time
        limit does not lower it: truncated episodes would have gone on.

        Args:
            observation: one of those that the task shows.
            discount: in [0, 1).
        """

    @property
    def resets_cheaply(self) -> bool:
        """True."""
        return True


@final
class ConstantReward(AbstractProbe):
    """The same reward for ever: `V = reward / (1 - discount)`. Fails if bootstrapping is wrong.

    Attributes:
        reward: of each step, any number.
    """

    reward: float = static(default=1.0)
    horizon: int = static(default=100)
    action_space: Box = static(default=_ACTIONS)

    @property
    def reward_range(self) -> tuple[float, float] | None:
        """(0, 1), widened to the reward."""
        return min(0.0, self.reward), max(1.0, self.reward)

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        return (), Observation(jnp.ones(1))

    def step(self, key: Key[Array, ""], state: State, action: Float[Array, " action"]) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        return (), _transition(jnp.ones(1), self.reward)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """`reward / (1 - discount)`."""
        return jnp.asarray(self.reward / (1 - discount), jnp.float32)


@final
class TruncatedStep(AbstractProbe):
    """A constant reward, cut by the task every `length` steps: the value is as if it were not.

    Fails if truncation is taken for termination, or if the bootstrap takes the next episode's observation: the
    observation is the share of the episode that has passed, and its value is the same everywhere.

    Attributes:
        reward: of each step, any number.
        length: steps of an episode, at least 1.
    """

    reward: float = static(default=1.0)
    length: int = static(default=5)
    action_space: Box = static(default=_ACTIONS)

    @property
    def horizon(self) -> int:
        """Twice `length`: the task itself is faster."""
        return 2 * self.length

    @property
    def reward_range(self) -> tuple[float, float] | None:
        """(0, 1), widened to the reward."""
        return min(0.0, self.reward), max(1.0, self.reward)

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        return jnp.zeros((), jnp.int32), Observation(jnp.zeros(1))

    def step(
        self, key: Key[Array, ""], state: Int[Array, ""], action: Float[Array, " action"]
    ) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        step = state + 1
        observation = (step / self.length).astype(jnp.float32)[None]
        return step, _transition(observation, self.reward, truncated=step >= self.length)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """`reward / (1 - discount)`."""
        return jnp.asarray(self.reward / (1 - discount), jnp.float32)


@final
class TerminalStep(AbstractProbe):
    """Reward 1 at the last of `length` steps, where the task terminates: `V = discount ** (steps to go - 1)`.

    The observation is the step, as one-hot. Fails if a terminated step bootstraps.

    Attributes:
        length: steps of an episode, at least 1.
    """

    length: int = static(default=5)
    action_space: Box = static(default=_ACTIONS)
    reward_range: tuple[float, float] | None = static(default=(0.0, 1.0))

    @property
    def horizon(self) -> int:
        """`length`."""
        return self.length

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        return jnp.zeros((), jnp.int32), Observation(jax.nn.one_hot(0, self.length))

    def step(
        self, key: Key[Array, ""], state: Int[Array, ""], action: Float[Array, " action"]
    ) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        step = state + 1
        last = step >= self.length
        return step, _transition(jax.nn.one_hot(step, self.length), last, terminated=last)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """`discount ** (length - 1 - step)`."""
        step = jnp.argmax(observation.actor)
        return jnp.asarray(discount, jnp.float32) ** (self.length - 1 - step)


@final
class Discounting(AbstractProbe):
    """Two steps, reward 1 at the second: `V` is `discount` at the first observation (0) and 1 at the second (1).

    Fails if the discount is wrong, or applied a step too early or too late.
    """

    horizon: int = static(default=2)
    action_space: Box = static(default=_ACTIONS)
    reward_range: tuple[float, float] | None = static(default=(0.0, 1.0))

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        return jnp.asarray(False), Observation(jnp.zeros(1))

    def step(self, key: Key[Array, ""], state: State, action: Float[Array, " action"]) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        return jnp.asarray(True), _transition(jnp.ones(1), state, terminated=state)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """`discount` before the first step, 1 before the second."""
        return jnp.where(observation.actor[0] > 0.5, 1.0, jnp.asarray(discount, jnp.float32))


@final
class ObservationValue(AbstractProbe):
    """One step; the reward is the sign that was observed: `V(sign) = sign`. Fails if observations are mixed up."""

    horizon: int = static(default=1)
    action_space: Box = static(default=_ACTIONS)
    reward_range: tuple[float, float] | None = static(default=(-1.0, 1.0))

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        sign = jax.random.rademacher(key, (1,), jnp.float32)
        return sign, Observation(sign)

    def step(
        self, key: Key[Array, ""], state: Float[Array, "1"], action: Float[Array, " action"]
    ) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        return state, _transition(jnp.zeros(1), state[0], terminated=True)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """The observed sign."""
        return observation.actor[0]


@final
class PrivilegedValue(AbstractProbe):
    """As `ObservationValue`, but only the critic sees the sign; the actor sees 0. Fails if the critic sees the actor's.

    After the step both see 0.
    """

    horizon: int = static(default=1)
    action_space: Box = static(default=_ACTIONS)
    reward_range: tuple[float, float] | None = static(default=(-1.0, 1.0))

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        sign = jax.random.rademacher(key, (1,), jnp.float32)
        return sign, Observation(jnp.zeros(1), jnp.stack([sign[0], 1.0]))

    def step(
        self, key: Key[Array, ""], state: Float[Array, "1"], action: Float[Array, " action"]
    ) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        transition = _transition(jnp.zeros(1), state[0], terminated=True)
        final = Observation(jnp.zeros(1), jnp.zeros(2))
        return state, eqx.tree_at(lambda old: old.observation, transition, final)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """The sign that the critic observes."""
        return observation.for_critic[0]


@final
class BestAction(AbstractProbe):
    """One step with reward `-(action - best_action)^2`, where `best_action = slope * observation` is in `[-1, 1]`.

    The value of the best policy is 0. Fails if the actor does not follow the gradient of the critic.

    Attributes:
        slope: from what is observed to the best action, in [-1, 1].
    """

    slope: Scalar = hyper(0.5)
    horizon: int = static(default=1)
    action_space: Box = static(default=_ACTIONS)
    reward_range: tuple[float, float] | None = static(default=(-4.0, 0.0))

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        observation = jax.random.uniform(key, (1,), minval=-1.0, maxval=1.0)
        return observation, Observation(observation)

    def step(
        self, key: Key[Array, ""], state: Float[Array, "1"], action: Float[Array, " action"]
    ) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        error = self.action_space.from_unit(action) - self.best_action(Observation(state))
        return state, _transition(jnp.zeros(1), -jnp.sum(error**2), terminated=True)

    def best_action(self, observation: Observation) -> Float[Array, " action"]:
        """What the best policy does, shape `(1,)`."""
        return jnp.clip(self.slope * observation.actor, -1.0, 1.0)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """0: the value of the best policy."""
        return jnp.zeros(())


@final
class BestChoice(AbstractProbe):
    """One step with one of three actions: reward 0 for the one after the number that is observed, -1 for the others.

    The number is one-hot; after 2 comes 0. The best policy's value is 0. Fails if actions or values are mixed up.
    """

    horizon: int = static(default=1)
    action_space: Discrete = static(default=Discrete(3))
    reward_range: tuple[float, float] | None = static(default=(-1.0, 0.0))

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        observation = jax.nn.one_hot(jax.random.randint(key, (), 0, 3), 3)
        return observation, Observation(observation)

    def step(
        self, key: Key[Array, ""], state: Float[Array, "3"], action: Float[Array, " action"]
    ) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        wrong = self.action_space.from_unit(action) != jnp.argmax(self.best_action(Observation(state)))
        return state, _transition(jnp.zeros(3), jnp.where(wrong, -1.0, 0.0), terminated=True)

    def best_action(self, observation: Observation) -> Float[Array, " action"]:
        """What the best policy does, one-hot, shape `(3,)`."""
        return jnp.roll(jnp.asarray(observation.actor), 1)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """0: the value of the best policy."""
        return jnp.zeros(())


@final
class DelayedChoice(AbstractProbe):
    """Two steps with one of two actions: what is chosen first, 0 or 1, is the reward of the second step.

    The observation is the step, then what was chosen. The value of the best policy is `discount` at the start, and the
    choice at the second step, where actions do nothing. Fails if an action is not credited with what comes later.
    """

    horizon: int = static(default=2)
    action_space: Discrete = static(default=Discrete(2))
    reward_range: tuple[float, float] | None = static(default=(0.0, 1.0))

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        return jnp.zeros(2), Observation(jnp.zeros(2))

    def step(
        self, key: Key[Array, ""], state: Float[Array, "2"], action: Float[Array, " action"]
    ) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        second = state[0] > 0
        chosen = jnp.where(second, state[1], self.action_space.from_unit(action).astype(jnp.float32))
        after = jnp.stack([state[0] + 1, chosen])
        return after, _transition(after, jnp.where(second, chosen, 0.0), terminated=second)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """`discount` before the first step, the choice before the second."""
        second = observation.actor[0] > 0.5
        return jnp.where(second, observation.actor[1], jnp.asarray(discount, jnp.float32))


@final
class NonFinite(AbstractProbe):
    """A constant reward of 1, and NaN in the `part` named, at step `at` of every episode.

    Attributes:
        at: the step that gives NaN, counted from 1.
        part: where: `"state"`, `"observation"` or `"reward"`.

    Raises:
        ConfigurationError: if there is no such part.
    """

    at: int = static(default=3)
    part: str = static(default="reward")
    horizon: int = static(default=10)
    action_space: Box = static(default=_ACTIONS)
    reward_range: tuple[float, float] | None = static(default=(0.0, 1.0))

    def __check_init__(self) -> None:
        parts = ("state", "observation", "reward")
        if self.part not in parts:
            raise unknown_name("part of a transition", self.part, parts)

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        return (jnp.zeros((), jnp.int32), jnp.zeros(())), Observation(jnp.zeros(1))

    def step(self, key: Key[Array, ""], state: State, action: Float[Array, " action"]) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        step = state[0] + 1
        nan = jnp.where(step == self.at, jnp.nan, 0.0)
        in_state, in_observation, in_reward = (
            nan if self.part == part else jnp.zeros(()) for part in ("state", "observation", "reward")
        )
        observation = (step.astype(jnp.float32) + in_observation)[None]
        return (step, in_state), _transition(observation, 1.0 + in_reward)

    def value(self, observation: Observation, discount: float | Scalar) -> Float[Array, ""]:
        """`1 / (1 - discount)`, as if nothing went wrong. Where it does, the reward of that step is lost."""
        return jnp.asarray(1 / (1 - discount), jnp.float32)


PROBES: dict[str, type[AbstractProbe]] = {
    cls.__name__: cls
    for cls in (
        ConstantReward,
        TruncatedStep,
        TerminalStep,
        Discounting,
        ObservationValue,
        PrivilegedValue,
        BestAction,
        BestChoice,
        DelayedChoice,
        NonFinite,
    )
}
"""The probe environments by name."""


def _transition(
    observation: Float[Array, " size"], reward: Any, terminated: Any = False, truncated: Any = False
) -> Transition:
    return Transition(
        observation=Observation(observation),
        reward=jnp.asarray(reward, jnp.float32),
        terminated=jnp.asarray(terminated, bool),
        truncated=jnp.asarray(truncated, bool),
        metrics={},
    )
