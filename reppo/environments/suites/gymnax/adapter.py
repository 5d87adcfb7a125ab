"""Tasks of gymnax: https://github.com/RobertTLange/gymnax."""

import dataclasses
import functools
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import static
from reppo.environments.contract import (
    AbstractEnvironment,
    AbstractEnvironmentSpec,
    Observation,
    Settings,
    State,
    Transition,
    cast_like,
    foreign_code,
    freeze_settings,
    settings_label,
    strengthen,
)
from reppo.environments.pictures import Picture
from reppo.environments.spaces import ActionSpace, Box, Discrete
from reppo.environments.suites.gymnax.table import GYMNAX, GYMNAX_REFUSED
from reppo.errors import ConfigurationError, require, unknown_name


def gymnax(name: str, config: dict[str, Any] | None = None) -> "GymnaxTask":
    """Names a task of gymnax.

    Args:
        name: such as `"Pendulum-v1"` or `"CartPole-v1"`.
        config: changes to the task's parameters, such as `{"max_torque": 1.5, "max_steps_in_episode": 500}`; several
            numbers are a list. Their names are checked when the task is made.

    Raises:
        ConfigurationError: if gymnax has no such task, or it needs data from the network.
    """
    spec = GymnaxTask(name, freeze_settings(config))
    spec.validate()
    return spec


@final
class GymnaxTask(AbstractEnvironmentSpec):
    """A task of gymnax (github.com/RobertTLange/gymnax): write it as `gymnax(name, config)`.

    Attributes:
        task: its name in gymnax.
        config: changed parameters, sorted by name.
    """

    task: str = static()
    config: Settings = static(default=())

    @property
    def name(self) -> str:
        """The task's name, followed by the parameters that were changed."""
        return self.task + settings_label(self.config)

    @property
    def suite(self) -> str:
        """`"gymnax"`."""
        return "gymnax"

    @property
    def reward_range(self) -> tuple[float, float] | None:
        """The least and the greatest reward of one step; `None` where a changed parameter moves them."""
        entry = GYMNAX[self.task]
        return None if {key for key, _ in self.config} & set(entry.range_settings) else entry.reward_range

    @property
    def lasting_range(self) -> tuple[float, float] | None:
        """`reward_range`, without what comes only with the end of an episode."""
        return self.reward_range and (GYMNAX[self.task].lasting_range or self.reward_range)

    def return_range(self, gamma: float) -> tuple[float, float] | None:
        """As the contract says; narrower where rewards cannot come at every step."""
        returns, pace = super().return_range(gamma), GYMNAX[self.task].pace
        if pace is None or {key for key, _ in self.config} - {"max_steps_in_episode"}:
            return returns
        rate, burst = pace
        if gamma >= 1 and rate > 0:
            return None
        most = burst + (rate / (1 - gamma) if rate else 0.0)
        return (-most, most) if returns is None else (max(returns[0], -most), min(returns[1], most))

    @property
    def discrete(self) -> bool:
        """Whether actions are a discrete set."""
        return GYMNAX[self.task].discrete

    @property
    def observes_image(self) -> bool:
        """Whether what is observed is an image `[height, width, channels]`."""
        return GYMNAX[self.task].image is not None

    @property
    def horizon(self) -> int:
        """The time limit in steps: the task's `max_steps_in_episode`."""
        return dict(self.config).get("max_steps_in_episode", GYMNAX[self.task].horizon)

    def validate(self) -> None:
        """Checks the task's name and the time limit.

        Raises:
            ConfigurationError: if gymnax has no such task, it needs data from the network, or the limit is below 1.
        """
        if self.task in GYMNAX_REFUSED:
            raise ConfigurationError(
                f"The gymnax task {self.task!r} fetches its images from the network, which no run here does: "
                f"choose one of {', '.join(sorted(GYMNAX))}."
            )
        if self.task not in GYMNAX:
            raise unknown_name("gymnax task", self.task, GYMNAX)
        limit = dict(self.config).get("max_steps_in_episode", 1)
        require(type(limit) is int and limit >= 1, f"max_steps_in_episode is {limit!r}; give an integer of at least 1.")

    def make(self) -> "GymnaxEnvironment":
        """Builds the environment; equal specs give the same object.

        Raises:
            ConfigurationError: if the task has no parameter of a name in `config`, or a value has the wrong type.
        """
        return _make(self)


@final
class GymnaxEnvironment(AbstractEnvironment):
    """A task of gymnax, through its `step_env`: without time limit and without auto-reset.

    The task's own `is_truncated` is its time limit, and is left to the wrapper, whose clock no task observes. What is
    observed is float32; the number of a state, where a task shows no more, is a one-hot vector.

    Attributes:
        params: gymnax's parameters of the task, as arrays.
        task: gymnax's environment.
        num_states: of how many states the observation is the number, at least 1; 0 where it is none.
    """

    params: PyTree[np.ndarray | Array]
    task: Any = static()
    horizon: int = static()
    action_space: ActionSpace = static()
    reward_range: tuple[float, float] | None = static(default=None)
    num_states: int = static(default=0)

    @property
    def resets_cheaply(self) -> bool:
        """True: a reset draws a few numbers."""
        return True

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        with foreign_code():
            observation, state = self.task.reset_env(key, self.params)
        return strengthen(state), self._observation(observation)

    def step(self, key: Key[Array, ""], state: State, action: Float[Array, " action"]) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        action = self.action_space.from_unit(action)
        with foreign_code():
            observation, next_state, reward, terminated, _ = self.task.step_env(key, state, action, self.params)
        transition = Transition(
            observation=self._observation(observation),
            reward=jnp.asarray(reward, jnp.float32),
            terminated=jnp.asarray(terminated, bool),
            truncated=jnp.asarray(False),
            metrics={},
        )
        return cast_like(next_state, state), transition

    def picture(self, camera: str | None = None) -> Picture:
        """How the task is drawn, by matplotlib; it has no cameras."""
        from reppo.environments.suites.gymnax.drawing import picture

        return picture(self.task, self.params, camera)

    def _observation(self, observation: Any) -> Observation:
        if self.num_states:
            return Observation(jax.nn.one_hot(observation, self.num_states))
        return Observation(jnp.asarray(observation, jnp.float32))


@functools.lru_cache(maxsize=128)
def _make(spec: GymnaxTask) -> GymnaxEnvironment:
    spec.validate()
    import gymnax as library

    with jax.ensure_compile_time_eval():
        task, params = library.make(spec.task)
        params = _with_settings(spec, params)
        space = _as_space(task.action_space(params))
        num_states = getattr(task.observation_space(params), "n", 0)
        params = jax.tree.map(_as_array, params)
    return GymnaxEnvironment(
        params=params,
        task=task,
        horizon=spec.horizon,
        action_space=space,
        reward_range=spec.reward_range,
        num_states=num_states,
    )


def _as_space(space: Any) -> ActionSpace:
    if hasattr(space, "n"):
        return Discrete(int(space.n))
    low, high = (np.broadcast_to(np.asarray(bound, np.float64), space.shape) for bound in (space.low, space.high))
    return Box(tuple(low.ravel().tolist()), tuple(high.ravel().tolist()))


def _with_settings(spec: GymnaxTask, params: Any) -> Any:
    names = [field.name for field in dataclasses.fields(params)]
    for key, value in spec.config:
        if key not in names:
            raise unknown_name(f"parameter of {spec.task}", key, names)
        default = getattr(params, key)
        if isinstance(default, jax.Array):
            number = lambda one: isinstance(one, (int, float)) and not isinstance(one, bool)
            fits = isinstance(value, tuple) and len(value) == len(default) and all(map(number, value))
            require(fits, f"The parameter {key!r} of {spec.task} is {value!r}; give {len(default)} numbers.")
            params = params.replace(**{key: jnp.asarray(value, default.dtype)})
            continue
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = number if isinstance(default, float) else type(value) is type(default)
        require(
            fits,
            f"The parameter {key!r} of {spec.task} is {value!r} of type {type(value).__name__}; "
            f"give one of type {type(default).__name__}, such as its default {default!r}.",
        )
        params = params.replace(**{key: type(default)(value)})
    return params


def _as_array(value: Any) -> np.ndarray | Array:
    """Parameters are leaves: changing one compiles nothing."""
    if isinstance(value, jax.Array):
        return value  # of JAX, as a step takes an element of it by a traced number
    return np.asarray(value, {bool: np.bool_, int: np.int32, float: np.float32}[type(value)])
