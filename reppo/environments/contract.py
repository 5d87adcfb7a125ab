"""What every environment offers: one instance, pure functions, arrays as leaves. Batched by `vmap`."""

import abc
import contextlib
import functools
import math
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

from reppo.component import Component, as_plain
from reppo.environments.pictures import Picture, draw_frames
from reppo.environments.spaces import ActionSpace
from reppo.errors import ConfigurationError, require

State = PyTree
"""The state of a task: any pytree of arrays whose shapes and dtypes never change."""

Arrays = PyTree[Array | np.ndarray | jax.ShapeDtypeStruct]

Settings = tuple[tuple[str, Any], ...]
"""Settings of a task as sorted pairs of name and value, so that they can be compared, hashed and written to JSON."""


@final
class Observation(eqx.Module):
    """What the actor sees and, where it differs, what the critic sees.

    Each part is a pytree of arrays of any shape. `critic` is `None` where the critic sees what the actor sees, so
    that nothing is stored twice.
    """

    actor: Arrays
    critic: Arrays | None = None

    @property
    def for_critic(self) -> Arrays:
        """The critic's part: `critic`, or `actor` where there is no other."""
        return self.actor if self.critic is None else self.critic


def _as_flag(flag: Any) -> Any:
    return jnp.asarray(flag) if isinstance(flag, bool) else flag


@final
class Transition(eqx.Module):
    """What one step of a task gives.

    Attributes:
        observation: the true next observation, also where the episode ends.
        reward: shape `()`, float32.
        terminated: the task ended; there is no next state and its value is 0. A boolean, shape `()`; by default False.
        truncated: the task itself cut the episode, which would have gone on. The time limit is not the task's. As
            `terminated`.
        metrics: scalars, the same names at every step: `AbstractEnvironment.metric_names`. None by default.
    """

    observation: Observation
    reward: Float[Array, ""]
    terminated: Bool[Array, ""] = eqx.field(default=False, converter=_as_flag)
    truncated: Bool[Array, ""] = eqx.field(default=False, converter=_as_flag)
    metrics: dict[str, Float[Array, ""]] = eqx.field(default_factory=dict)


@final
class Interface(eqx.Module):
    """What an algorithm has to know of an environment before it has seen any of it: what goes in and what comes out.

    Attributes:
        observation: a `jax.ShapeDtypeStruct` in place of each array; its `critic` is `None` where the critic sees what
            the actor sees.
        action: the space of the task's own actions.
    """

    observation: Observation
    action: ActionSpace


class AbstractEnvironment(eqx.Module):
    """One instance of a task, without time limit and without auto-reset; `Episodes` adds both.

    Array leaves are the task's parameters (a physics model, constants), so that the environment can itself be
    vmapped. State and observation keep their shapes and dtypes, so that they can be carried by a scan.

    Attributes:
        horizon: the time limit of an episode, in steps; at least 1.
        action_space: the space of the task's own actions.
        reward_range: the least and the greatest reward of one step, or `None` where they are not known.
    """

    horizon: eqx.AbstractVar[int]
    action_space: eqx.AbstractVar[ActionSpace]
    reward_range: eqx.AbstractVar[tuple[float, float] | None]

    @abc.abstractmethod
    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode.

        Args:
            key: consumed.

        Returns:
            the state of the task and the first observation.
        """

    @abc.abstractmethod
    def step(self, key: Key[Array, ""], state: State, action: Float[Array, " action"]) -> tuple[State, Transition]:
        """Goes one step.

        Args:
            key: consumed. Tasks that keep their own random stream in their state do not use it.
            state: what `reset` or `step` gave; left unchanged.
            action: a unit action, shape `(action_space.size,)`: in `[-1, 1]`, or a one-hot vector where the space is
                discrete. The environment maps it to the task's own (`action_space.from_unit`).

        Returns:
            the next state and what happened.
        """

    def randomize(self, key: Key[Array, ""]) -> "AbstractEnvironment":
        """Draws the task's physics anew: the identity, unless the task randomizes them (see `randomizes`).

        Call it inside the vmapped function, with one key per environment that is the same at every step: then only
        what is drawn is batched, and the rest of the model is shared.
        """
        del key
        return self

    @property
    def randomizes(self) -> bool:
        """Whether `randomize` changes anything."""
        return False

    def with_worlds(self, worlds: int) -> "AbstractEnvironment":
        """The same task with room for that many copies in one program: the identity, unless copies share a buffer.

        Call it before any `randomize`.

        Args:
            worlds: how many copies, at least 1.
        """
        del worlds
        return self

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names of the metrics of every transition, sorted."""
        return ()

    @property
    def resets_cheaply(self) -> bool:
        """Whether a reset costs about as little as a step: then every episode starts from a fresh one."""
        return False

    @property
    def largest(self) -> float:
        """The greatest magnitude of a number of this task that still means something; what is beyond it is a fault.

        A simulation on its way to NaN passes through finite numbers that would spoil statistics and networks for good.
        """
        return 1e8

    def is_sane(self, state: State, transition: Transition) -> Bool[Array, ""]:
        """Whether no number of the state, the observation and the reward is NaN or beyond `largest`."""
        return tree_is_within((state, transition.observation, transition.reward), self.largest)

    @property
    def steps_per_second(self) -> float:
        """How many steps are a second in a video that `draw` makes; positive."""
        return 20.0

    def draw(self, axes: Any, state: State) -> None:
        """Draws a state with matplotlib, as one frame of a video. A task without this method, or `picture`, has none.

        Args:
            axes: empty `matplotlib.axes.Axes` without ticks. Set their limits, so that they are those of every frame.
            state: what `reset` or `step` gave, its arrays as NumPy's.
        """

    def picture(self, camera: str | None = None) -> Picture:
        """How the task is shown in the video of an episode; asked for by `reppo render` alone. By default, by `draw`.

        Args:
            camera: the name of one of the task's cameras; the task's own view by default.

        Raises:
            ConfigurationError: if there is no picture of the task, no such camera, or nothing here can draw it.
        """
        name = type(self).__name__
        if type(self).draw is AbstractEnvironment.draw:
            raise ConfigurationError(
                f"There is no picture of {name}. Tasks are drawn whose environment has a method `draw(axes, state)`, "
                "which draws with matplotlib, or `picture`. Give it one: it changes no run."
            )
        require(camera is None, f"The camera is {camera!r}, but {name} has none. Leave it out.")
        speed = self.steps_per_second
        require(0 < speed < math.inf, f"steps_per_second of {name} is {speed!r}; give a positive number.")
        return Picture(lambda state: state, float(speed), functools.partial(draw_frames, name, self.draw))

    def observation_shapes(self) -> Observation:
        """The observation with a `jax.ShapeDtypeStruct` in place of each array. Runs nothing."""
        return eqx.filter_eval_shape(_first_observation, self, jax.random.key(0))

    def interface(self) -> Interface:
        """What an algorithm has to know to begin. Runs nothing."""
        return Interface(self.observation_shapes(), self.action_space)


@eqx.filter_jit  # traced once for all arms of a study: tracing the reset of a physics engine takes seconds
def _first_observation(environment: AbstractEnvironment, key: Key[Array, ""]) -> Observation:
    return environment.reset(key)[1]


class AbstractEnvironmentSpec(Component):
    """Plain data that names a task and its settings. Reading it imports no simulator; `make` does.

    All fields are static and hold strings, numbers, booleans and tuples of them.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """A short name, usable as that of a folder: the task's, followed by the settings that were changed."""

    @property
    @abc.abstractmethod
    def suite(self) -> str:
        """The name of the suite that the task is of (see `reppo.environments.suites`)."""

    @property
    @abc.abstractmethod
    def reward_range(self) -> tuple[float, float] | None:
        """The least and the greatest reward of one step, or `None` where they are not known."""

    @property
    def lasting_range(self) -> tuple[float, float] | None:
        """The least and the greatest reward of a step after which the episode goes on: what can come again and again.

        `reward_range`, unless a reward comes only with the end of an episode.
        """
        return self.reward_range

    def return_range(self, gamma: float) -> tuple[float, float] | None:
        """The least and the greatest discounted return of an episode without a time limit, and 0.

        Args:
            gamma: the discount factor, in [0, 1].

        Returns:
            in the units of `reward_range`; `None` where that is not known, or returns have no bound because gamma is 1.
        """
        if self.reward_range is None or self.lasting_range is None:
            return None
        if gamma >= 1 and self.lasting_range != (0.0, 0.0):
            return None
        low, high = (0.0 if reward == 0 else reward / (1 - gamma) for reward in self.lasting_range)
        return min(low, self.reward_range[0], 0.0), max(high, self.reward_range[1], 0.0)

    @property
    @abc.abstractmethod
    def horizon(self) -> int | None:
        """The time limit in steps, or `None` where it is known only once the task is made."""

    @property
    def discrete(self) -> bool | None:
        """Whether actions are a discrete set, or `None` where that is known only once the task is made.

        Presets choose a policy by it, and what does not fit is refused when a spec is declared.
        """
        return None

    @property
    def observes_image(self) -> bool | None:
        """Whether the actor observes an image `[height, width, channels]`, or `None`, as in `discrete`."""
        return None

    @abc.abstractmethod
    def make(self) -> AbstractEnvironment:
        """Builds the environment. Equal specs give the same object, so that nothing compiles twice.

        Raises:
            ConfigurationError: if the task does not know a setting, or needs something that is not installed.
        """


def foreign_code() -> contextlib.AbstractContextManager[None]:
    """A context for calling simulators, which do not keep to our rule against broadcasting by accident."""
    return jax.numpy_rank_promotion("allow")


def tree_is_within(tree: PyTree, bound: float) -> Bool[Array, ""]:
    """Whether the floating-point leaves of `tree` hold no NaN and nothing beyond `bound` in magnitude."""
    leaves = [(jnp.abs(leaf) <= bound).all() for leaf in jax.tree.leaves(tree) if eqx.is_inexact_array(leaf)]
    return jnp.stack(leaves).all() if leaves else jnp.asarray(True)


def where_tree(condition: Bool[Array, ""], this: PyTree, other: PyTree) -> PyTree:
    """`jnp.where` on trees of one structure; leaves that are no arrays are those of `this`."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b) if eqx.is_array(a) else a, this, other)


def strengthen(tree: PyTree) -> PyTree:
    """Turns the leaves of `tree` into arrays of a fixed dtype: Python scalars and weak types change in a scan."""
    return cast_like(tree, jax.tree.map(jnp.asarray, tree))


def cast_like(tree: PyTree, like: PyTree) -> PyTree:
    """Gives the leaves of `tree` the dtypes of those of `like`, so that a scan can carry them."""

    def cast(leaf: Any, pattern: Any) -> Any:
        leaf = jnp.asarray(leaf)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return leaf
        return jax.lax.convert_element_type(leaf, pattern.dtype)

    return jax.tree.map(cast, tree, like)


def freeze_settings(config: dict[str, Any] | None) -> Settings:
    """Turns settings into sorted pairs of a dotted name and a plain value.

    Raises:
        ConfigurationError: if a name is not a string, or a value is not plain data.
    """
    pairs: dict[str, Any] = {}
    for key, value in (config or {}).items():
        require(isinstance(key, str), f"The names of settings are strings; got {key!r}.")
        if isinstance(value, dict):
            pairs.update({f"{key}.{inner}": frozen for inner, frozen in freeze_settings(value)})
        else:
            pairs[key] = _freeze(key, value)
    return tuple(sorted(pairs.items()))


def _freeze(key: str, value: Any) -> Any:
    value = as_plain(value)
    if isinstance(value, (list, tuple)):
        return tuple(_freeze(key, item) for item in value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise ConfigurationError(
        f"The setting {key!r} is {value!r} of type {type(value).__name__}. "
        "Give a string, a number, a boolean, or a list of them: settings are written to JSON."
    )


def settings_label(settings: Settings) -> str:
    """Settings as text that may stand in the name of a folder: `"@dt=0.02,g=9.8"`, or nothing."""
    text = ",".join(f"{key}={value}" for key, value in settings).replace(" ", "")
    return "@" + "".join(letter if letter.isalnum() or letter in "._=,+-" else "_" for letter in text) if text else ""
