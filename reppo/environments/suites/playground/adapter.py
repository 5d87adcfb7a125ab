"""Tasks of MuJoCo Playground: https://github.com/google-deepmind/mujoco_playground."""

import contextlib
import dataclasses
import functools
import math
import threading
from collections.abc import Iterator, Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

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
    tree_is_within,
    where_tree,
)
from reppo.environments.pictures import Picture
from reppo.environments.spaces import Box
from reppo.environments.suites.playground.library import (
    BACKENDS,
    compare_tiles_by_value,
    find_robots,
    import_playground,
    keep_kernels_of_contacts,
    quiet_warp,
    read_settings,
    resolve_backend,
)
from reppo.environments.suites.playground.physics import Structure, first_of_batch, overflow_of, without_workspace
from reppo.environments.suites.playground.table import PLAYGROUND
from reppo.errors import ConfigurationError, require, unknown_name

# The numbers of worlds that the contact buffers of Playground's own configurations are made for.
_CONTROL_WORLDS, _ROBOT_WORLDS = 2048, 8192

OVERFLOW = "overflow"
"""The metric of a step at which Warp had no room for all contacts or constraints, and left some of them out."""

_swap = threading.RLock()


def playground(
    name: str, backend: str = "auto", config: dict[str, Any] | None = None, randomize: bool = False
) -> "PlaygroundTask":
    """Names a task of MuJoCo Playground.

    Args:
        name: such as `"CartpoleBalance"`.
        backend: the physics: `"jax"`, `"warp"` (made for NVIDIA GPUs), or `"auto"`, which is `"warp"` on an NVIDIA
            GPU and `"jax"` elsewhere.
        config: changes to the task's settings, such as `{"episode_length": 500}`; nested settings as nested
            dictionaries or with dots in their names, which are checked when the task is made.
        randomize: whether `randomize(key)` draws the physics anew, as Playground does for some of its robots.

    Raises:
        ConfigurationError: if Playground has no such task, there is no such backend, or the task's physics cannot
            be randomized.
    """
    spec = PlaygroundTask(name, backend, freeze_settings(config), randomize)
    spec.validate()
    return spec


@final
class PlaygroundTask(AbstractEnvironmentSpec):
    """A task of MuJoCo Playground: write it as `playground(name, backend, config, randomize)`.

    Zakka et al. 2025, arXiv 2502.08844; its control suite is that of Tassa et al. 2018, arXiv 1801.00690.

    Attributes:
        task: its name in Playground.
        backend: what was asked for: `"auto"`, `"jax"` or `"warp"`. The environment knows what it became.
        config: changed settings, sorted by name.
        randomize: whether the physics are drawn anew by `randomize(key)`.
    """

    task: str = static()
    backend: str = static(default="auto")
    config: Settings = static(default=())
    randomize: bool = static(default=False)

    @property
    def name(self) -> str:
        """The task's name, followed by the settings that were changed. The backend is not part of it."""
        return self.task + settings_label(self.config) + ("+randomized" if self.randomize else "")

    @property
    def suite(self) -> str:
        """`"playground"`."""
        return "playground"

    @property
    def reward_range(self) -> tuple[float, float] | None:
        """(0, 1) in the control suite, times `action_repeat`, over which rewards are added up.

        `None` for robots, and where another changed setting moves it.
        """
        entry, changed = PLAYGROUND[self.task], dict(self.config)
        if entry.reward_range is None or changed.keys() & set(entry.range_settings):
            return None
        repeat = changed.get("action_repeat", 1)
        return repeat * entry.reward_range[0], repeat * entry.reward_range[1]

    @property
    def discrete(self) -> bool:
        """False: all of its tasks have continuous actions."""
        return False

    @property
    def observes_image(self) -> bool | None:
        """False, or `None` where `vision` may change what is observed."""
        return None if "vision" in dict(self.config) else False

    @property
    def horizon(self) -> int | None:
        """The time limit in steps; `None` where changed settings make it known only to the task itself."""
        changed = dict(self.config)
        if "vision" in changed or "action_repeat" in changed:
            return None
        if "episode_length" in changed:
            return changed["episode_length"] if PLAYGROUND[self.task].family == "control suite" else None
        return PLAYGROUND[self.task].horizon

    def validate(self) -> None:
        """Checks the names of the task and of the backend, and whether the physics can be randomized.

        Raises:
            ConfigurationError: if one of them cannot be used.
        """
        if self.task not in PLAYGROUND:
            raise unknown_name("Playground task", self.task, PLAYGROUND)
        if self.backend not in BACKENDS:
            raise unknown_name("Playground backend", self.backend, BACKENDS)
        changed = dict(self.config)
        require("impl" not in changed, "Choose the physics with backend=..., not with the setting 'impl'.")
        for key in ("episode_length", "action_repeat"):
            value = changed.get(key, 1)
            require(type(value) is int and value >= 1, f"{key} is {value!r}; give an integer of at least 1.")
        require(
            PLAYGROUND[self.task].randomizes or not self.randomize,
            f"Playground does not randomize the physics of {self.task!r}; it does for "
            f"{', '.join(sorted(name for name, entry in PLAYGROUND.items() if entry.randomizes))}.",
        )

    def make(self) -> "PlaygroundEnvironment":
        """Builds the environment; equal specs give the same object.

        Raises:
            ConfigurationError: if the task has no setting of a name in `config`, a value does not fit, the backend
                cannot be used here, or the robots' models are missing.
        """
        return _make(self, None)


@final
class PlaygroundEnvironment(AbstractEnvironment):
    """A task of MuJoCo Playground, without time limit and without auto-reset.

    Actions go to the task as they are: its convention is `[-1, 1]`, and it scales them itself. An action is held
    for `action_repeat` steps of the task, whose rewards are added up until it terminates. Randomness after the
    reset comes from the task's own stream, which starts with the reset's key; the key of a step is not used.

    The physics' workspace (`data._impl`: contacts, constraints, factorizations) is computed anew by every step from the
    rest of the state, and is no part of the state: Warp keeps the contacts of all copies in buffers without an axis of
    copies, which nobody could stack, take or select.

    Attributes:
        model_leaves: the arrays of the physics model, so that environments with different physics can be vmapped.
        model_structure: what makes them the physics model.
        workspace: the structure of the physics' workspace.
        resolved_backend: the physics in use, `"jax"` or `"warp"`.
        action_repeat: steps of the task in one step, at least 1.
    """

    model_leaves: list[Any]
    model_structure: Structure = static()
    task: Any = static()
    workspace: Structure = static()
    spec: PlaygroundTask = static()
    horizon: int = static()
    action_repeat: int = static()
    action_space: Box = static()
    reward_range: tuple[float, float] | None = static()
    names_of_metrics: tuple[str, ...] = static()
    resolved_backend: str = static()

    @property
    def model(self) -> Any:
        """The physics model."""
        return self.model_structure.tree(self.model_leaves)

    @property
    def randomizes(self) -> bool:
        """Whether `randomize` draws the physics anew."""
        return self.spec.randomize

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The task's own metrics, mostly the terms of its reward; on Warp also `OVERFLOW`."""
        return self.names_of_metrics

    def reset(self, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Starts an episode; see `AbstractEnvironment.reset`."""
        with self._physics():
            state = strengthen(without_workspace(self.task.reset(jax.random.key_data(key))))
        return state, _observation(state.obs)

    def step(self, key: Key[Array, ""], state: State, action: Float[Array, " action"]) -> tuple[State, Transition]:
        """Goes one step; see `AbstractEnvironment.step`."""
        del key
        action = self.action_space.from_unit(action)
        with self._physics():
            next_state, reward, overflow = self._repeat(state, action)
        metrics = next_state.metrics if overflow is None else {**next_state.metrics, OVERFLOW: overflow}
        transition = Transition(
            observation=_observation(next_state.obs),
            reward=jnp.asarray(reward, jnp.float32),
            terminated=jnp.asarray(next_state.done, bool),
            truncated=jnp.asarray(False),
            metrics={name: jnp.asarray(metrics[name], jnp.float32) for name in self.metric_names},
        )
        return next_state, transition

    def randomize(self, key: Key[Array, ""]) -> "PlaygroundEnvironment":
        """Draws the physics anew, as Playground does for this task; the identity unless the spec asks for it."""
        if not self.spec.randomize:
            return self
        registry, _ = import_playground()
        draw = registry.get_domain_randomizer(self.spec.task)
        with foreign_code():
            batch, axes = draw(self.model, jax.random.key_data(key)[None])
        return self.with_model(first_of_batch(batch, axes))

    def with_worlds(self, worlds: int) -> "PlaygroundEnvironment":
        """The same task with room for the contacts of `worlds` copies; call it before any `randomize`.

        Warp keeps the contacts of all copies (lanes times environments) in one buffer, and drops what does not fit.
        Playground's size is kept where it suffices and grows in proportion beyond. The JAX backend has a buffer per
        copy: there, and where `config` gives `naconmax`, this is the identity.

        Args:
            worlds: how many copies, at least 1.

        Raises:
            ConfigurationError: if the number is below 1.
        """
        require(worlds >= 1, f"The number of worlds is {worlds}; give at least 1.")
        if self.resolved_backend != "warp" or "naconmax" in dict(self.spec.config):
            return self
        wider = _make(self.spec, worlds)
        return self if wider.workspace.leaves == self.workspace.leaves else wider

    def is_sane(self, state: State, transition: Transition) -> Bool[Array, ""]:
        """Whether positions, velocities, observation and reward are sane; other physics data need not be."""
        return tree_is_within(
            (state.data.qpos, state.data.qvel, transition.observation, transition.reward), self.largest
        )

    def picture(self, camera: str | None = None) -> Picture:
        """How the task is drawn: by MuJoCo's renderer, without a display."""
        from reppo.environments.suites.playground.drawing import picture

        return picture(self.task, self.action_repeat, camera)

    def with_model(self, model: Any) -> "PlaygroundEnvironment":
        """The same task with another physics model of the same structure."""
        return dataclasses.replace(self, model_leaves=jax.tree.leaves(model))

    @contextlib.contextmanager
    def _physics(self) -> Iterator[None]:
        """Lends the task this environment's model while it is traced; the task reads it from an attribute."""
        with _swap, foreign_code():
            own = self.task._mjx_model
            self.task._mjx_model = self.model
            try:
                yield
            finally:
                self.task._mjx_model = own

    def _repeat(
        self, state: State, action: Float[Array, " action"]
    ) -> tuple[State, Float[Array, ""], Bool[Array, ""] | None]:
        """Holds an action for `action_repeat` steps of the task: the state after, the rewards' sum, any overflow."""

        def once(before: State) -> tuple[State, Bool[Array, ""] | None]:
            # The task writes into the dictionaries of the state that it is given: it gets a copy of them.
            after = self.task.step(self._with_workspace(jax.tree.map(lambda leaf: leaf, before)), action)
            return cast_like(without_workspace(after), before), overflow_of(after.data._impl)

        if self.action_repeat == 1:
            after, overflow = once(state)
            return after, after.reward, overflow

        def body(_: Any, carry: tuple[State, Array, Array, Any]) -> tuple[State, Array, Array, Any]:
            now, total, ended, overflow = carry
            after, more = once(now)
            return (
                where_tree(ended, now, after),
                jnp.where(ended, total, total + after.reward),
                ended | after.done.astype(bool),
                None if more is None else overflow | (more & ~ended),
            )

        none = jnp.asarray(False)
        start = (state, jnp.zeros_like(state.reward), none, None if self.resolved_backend == "jax" else none)
        after, total, _, overflow = jax.lax.fori_loop(0, self.action_repeat, body, start)
        return after, total, overflow

    def _with_workspace(self, state: State) -> State:
        """The state with an empty workspace, which the next step of the physics fills."""
        return state.replace(data=state.data.replace(_impl=self.workspace.zeros()))


def _observation(observation: Any) -> Observation:
    """Splits what a task returns: `state` is the actor's, `privileged_state` the critic's."""
    observation = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), observation)
    if not isinstance(observation, Mapping):
        return Observation(observation)
    if "state" not in observation:
        return Observation(dict(observation))
    return Observation(observation["state"], observation.get("privileged_state"))


@functools.lru_cache(maxsize=128)
def _make(spec: PlaygroundTask, worlds: int | None) -> PlaygroundEnvironment:
    spec.validate()
    registry, mjx_env = import_playground()
    if PLAYGROUND[spec.task].family != "control suite":
        find_robots(spec.task, mjx_env)
    config = registry.get_default_config(spec.task)
    overrides = read_settings(spec.task, spec.config, config)
    if "impl" in config:
        overrides["impl"] = resolve_backend(spec.backend)
        if overrides["impl"] == "warp":
            quiet_warp()
            compare_tiles_by_value()
            keep_kernels_of_contacts()
    elif spec.backend == "warp":
        raise ConfigurationError(f"The Playground task {spec.task!r} runs on the JAX backend only.")
    if worlds is not None and config.get("naconmax"):
        made_for = _CONTROL_WORLDS if PLAYGROUND[spec.task].family == "control suite" else _ROBOT_WORLDS
        overrides["naconmax"] = max(config.naconmax, math.ceil(config.naconmax * worlds / made_for))
    with jax.ensure_compile_time_eval():
        task = registry.load(spec.task, config, overrides)
    with foreign_code():
        start = jax.eval_shape(task.reset, jax.random.key_data(jax.random.key(0)))
    settings = task._config
    backend = str(task.mjx_model.impl.value)
    return PlaygroundEnvironment(
        model_leaves=jax.tree.leaves(task.mjx_model),
        model_structure=Structure(task.mjx_model),
        task=task,
        workspace=Structure(start.data._impl),
        spec=spec,
        horizon=max(1, settings.episode_length // settings.action_repeat),
        action_repeat=settings.action_repeat,
        action_space=Box.unit(task.action_size),
        reward_range=spec.reward_range,
        names_of_metrics=tuple(sorted([*start.metrics, *([OVERFLOW] if backend == "warp" else [])])),
        resolved_backend=backend,
    )
