"""Laws of environments."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.environments import AbstractEnvironment, AbstractEnvironmentSpec
from reppo.spec import from_json, to_json
from reppo.testing.laws import Broken, ensure, for_all, hold, law
from reppo.testing.strategies import seeds, vectors

_STEPS, _BATCH = 8, 3


def check_environment(
    environment: AbstractEnvironment | AbstractEnvironmentSpec, *, skip: Collection[str] = ()
) -> None:
    """Holds an environment against the contract: `LAWS[AbstractEnvironment]`.

    Args:
        environment: the task itself, without time limit and auto-reset; or a spec, which is made.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    if isinstance(environment, AbstractEnvironmentSpec):
        made = environment.make()
        if made.reward_range != environment.reward_range:
            raise AssertionError(
                f"{environment!r} says that rewards are in {environment.reward_range}, the environment that it makes "
                f"that they are in {made.reward_range}."
            )
        if (read := from_json(to_json(environment))) != environment:
            raise AssertionError(f"{environment!r} is {read!r} when it was written as JSON and read again.")
        environment = made
    hold(AbstractEnvironment, environment, skip)


@eqx.filter_jit
def _play(environment: AbstractEnvironment, seed: Any, actions: Any) -> Any:
    """A reset and steps without end, as rows; every step of a scan, so that state and observation must keep."""
    key = jax.random.key(seed)
    start, observation = environment.reset(jax.random.fold_in(key, 0))

    def step(carry: Any, number: Any) -> Any:
        state, _ = carry
        state, transition = environment.step(jax.random.fold_in(key, number + 1), state, actions[number])
        return (state, transition.observation), (transition, environment.is_sane(state, transition))

    (state, _), (transitions, finite) = jax.lax.scan(step, (start, observation), jnp.arange(actions.shape[0]))
    return observation, transitions, finite, start, state


@eqx.filter_jit
def _play_together(environment: AbstractEnvironment, numbers: Any, actions: Any) -> Any:
    return jax.vmap(lambda seed: _play(environment, seed, actions)[:3])(numbers)


@eqx.filter_jit
def _step_once(environment: AbstractEnvironment, seed: Any, action: Any) -> Any:
    state, _ = environment.reset(jax.random.key(seed))
    return environment.step(jax.random.key(seed), state, action)[1]


def _actions(environment: AbstractEnvironment, drawn: Any) -> np.ndarray:
    return np.resize(drawn, (_STEPS, environment.action_space.size))


_DRAWN = vectors(2 * _STEPS + 1, -1.0, 1.0)


def _ensure_equal(one: Any, two: Any, found: str, tolerance: float = 0.0) -> None:
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(two), strict=True):
        same = np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
        ensure(same, f"{jax.tree_util.keystr(path)} is {a} {found} {b}")


@law(AbstractEnvironment, "scan", "state and observation keep their structure, shapes and dtypes from step to step")
def _scan(environment: AbstractEnvironment) -> None:
    state, observation = eqx.filter_eval_shape(environment.reset, jax.random.key(0))
    action = jnp.zeros(environment.action_space.size)
    after, transition = eqx.filter_eval_shape(environment.step, jax.random.key(0), state, action)
    for what, before, now in (("state", state, after), ("observation", observation, transition.observation)):
        same = jax.tree.structure(before) == jax.tree.structure(now)
        ensure(same, f"the {what} {jax.tree.structure(before)}, then {jax.tree.structure(now)}")
        for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(now), strict=True):
            same = (a.shape, a.dtype) == (b.shape, b.dtype)
            name = jax.tree_util.keystr(path)
            ensure(same, f"{what}{name} is {a.dtype}{a.shape}, then {b.dtype}{b.shape}")


@law(
    AbstractEnvironment, "transition", "reward float32 and flags boolean of shape (); a scalar for each of metric_names"
)
def _transition(environment: AbstractEnvironment) -> None:
    action = jnp.zeros(environment.action_space.size)
    made = eqx.filter_eval_shape(_step_once, environment, 0, action)
    for name, dtype in (("reward", np.float32), ("terminated", bool), ("truncated", bool)):
        leaf = getattr(made, name)
        ensure(leaf.shape == () and leaf.dtype == dtype, f"{name} is {leaf.dtype}{leaf.shape}")
    ensure(tuple(sorted(made.metrics)) == environment.metric_names, f"metrics {sorted(made.metrics)}")
    for name, leaf in made.metrics.items():
        ensure(leaf.shape == () and leaf.dtype == np.float32, f"the metric {name} is {leaf.dtype}{leaf.shape}")


@law(AbstractEnvironment, "finite", "observations and rewards are finite, whatever is done")
def _finite(environment: AbstractEnvironment) -> None:
    def body(seed: Any, drawn: Any) -> None:
        observation, transitions, finite, *_ = _play(environment, seed, _actions(environment, drawn))
        ensure(all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(observation)), f"the start {observation}")
        steps = np.flatnonzero(~np.asarray(finite))
        ensure(not steps.size, f"not at step {steps[:1]}: {transitions.observation}, reward {transitions.reward}")

    for_all(body, 5, seed=seeds(), drawn=_DRAWN)


@law(AbstractEnvironment, "rewards", "rewards are in reward_range, where it is known")
def _rewards(environment: AbstractEnvironment) -> None:
    def body(seed: Any, drawn: Any) -> None:
        reward = np.asarray(_play(environment, seed, _actions(environment, drawn))[1].reward)
        low, high = environment.reward_range or (-np.inf, np.inf)
        reward = reward[np.isfinite(reward)]
        margin = 1e-5 * max(1.0, *np.abs([low, high])) if np.isfinite([low, high]).all() else 0.0
        ensure(
            np.all((reward >= low - margin) & (reward <= high + margin)), f"rewards {reward} outside [{low}, {high}]"
        )

    for_all(body, 5, seed=seeds(), drawn=_DRAWN)


@law(
    AbstractEnvironment, "key", "what happens depends on key, state and action alone: the same ones give the same again"
)
def _key(environment: AbstractEnvironment) -> None:
    def body(seed: Any, other: Any, drawn: Any) -> None:
        actions = _actions(environment, drawn)
        first = jax.tree.map(np.asarray, _play(environment, seed, actions)[:3])
        _play(environment, other, actions)
        _ensure_equal(first, _play(environment, seed, actions)[:3], "at first, and after other episodes")
        # Not compiled, so that a state kept outside of JAX shows.
        one, two = (environment.reset(jax.random.key(seed))[1] for _ in range(2))
        _ensure_equal(one, two, "at the first reset, and at the second")

    for_all(body, 2, seed=seeds(), other=seeds(), drawn=_DRAWN)


@law(AbstractEnvironment, "batched", "under vmap every environment does what it does by itself")
def _batched(environment: AbstractEnvironment) -> None:
    def body(seed: Any, drawn: Any) -> None:
        actions, numbers = _actions(environment, drawn), seed + np.arange(_BATCH, dtype=np.uint32)
        together = _play_together(environment, numbers, actions)
        for lane, number in enumerate(numbers):
            one = jax.tree.map(lambda leaf: leaf[lane], together)  # noqa: B023
            _ensure_equal(one, _play(environment, number, actions)[:3], "in a batch, and by itself", 1e-3)

    for_all(body, 2, seed=seeds(), drawn=_DRAWN)


@law(AbstractEnvironment, "action bounds", "an action beyond [-1, 1] does what the nearest one within does")
def _action_bounds(environment: AbstractEnvironment) -> None:
    def body(seed: Any, signs: list[int]) -> None:
        corner = np.resize(np.array(signs, np.float32), environment.action_space.size)
        inside, beyond = (_step_once(environment, seed, jnp.asarray(corner * s)) for s in (1.0, 5.0))
        _ensure_equal(inside, beyond, "at the bound, and beyond it", 1e-6)

    for_all(body, 5, seed=seeds(), signs=st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=3))


@law(AbstractEnvironment, "time limit", "a horizon of at least 1 step, which the task itself does not count")
def _time_limit(environment: AbstractEnvironment) -> None:
    horizon = environment.horizon
    ensure(isinstance(horizon, int) and horizon >= 1, f"the horizon {horizon!r}")
    if horizon > 64:
        return

    def body(seed: Any) -> None:
        actions = np.zeros((horizon + 1, environment.action_space.size), np.float32)
        truncated = np.asarray(_play(environment, seed, actions)[1].truncated)
        terminated = np.asarray(_play(environment, seed, actions)[1].terminated)
        if not terminated.any():
            first = np.flatnonzero(truncated)
            ensure(not first.size or first[0] + 1 != horizon, f"it truncates itself at step {horizon}, the time limit")

    for_all(body, 2, seed=seeds())


@law(
    AbstractEnvironment, "reset", "the shapes of observations are those of observation_shapes, without running anything"
)
def _reset(environment: AbstractEnvironment) -> None:
    says, shows = environment.observation_shapes(), eqx.filter_eval_shape(environment.reset, jax.random.key(0))[1]
    describe = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)
    if jax.tree.structure(says) != jax.tree.structure(shows) or describe(says) != describe(shows):
        raise Broken(f"it says {describe(says)} and shows {describe(shows)}")


@law(AbstractEnvironment, "drawing", "`draw`, where there is one, draws every state")
def _drawing(environment: AbstractEnvironment) -> None:
    if type(environment).draw is AbstractEnvironment.draw:
        return
    *_, start, end = _play(environment, 0, np.zeros((_STEPS, environment.action_space.size), np.float32))
    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    states = [jax.tree.map(lambda leaf: leaf if is_key(leaf) else np.asarray(leaf), one) for one in (start, end)]
    environment.picture().draw(states, [0.0, 0.0], 64, 48)
