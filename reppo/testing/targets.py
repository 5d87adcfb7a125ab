"""Laws of targets and of the estimates of next values."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.distributions import TanhNormal
from reppo.targets import AbstractNextValue, AbstractTargets
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import Rows, floats, rows, seeds, vectors

_make = eqx.filter_jit(lambda targets, rows, gamma: targets(*rows, gamma))
_GAMMA = floats(0.0, 1.0)


def _targets(targets: AbstractTargets, inputs: Rows, gamma: Any) -> np.ndarray:
    return np.asarray(_make(targets, tuple(inputs), np.float32(gamma)))


def _close(a: Any, b: Any, scale: Any = 10.0) -> bool:
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-4 * scale))


def check_targets(targets: AbstractTargets, *, skip: Collection[str] = ()) -> None:
    """Holds targets against the laws of their slot: `LAWS[AbstractTargets]`.

    Args:
        targets: the component.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractTargets, targets, skip)


@law(AbstractTargets, "shape", "one finite float32 target for every step")
def _shape(targets: AbstractTargets) -> None:
    def body(inputs: Rows, gamma: Any) -> None:
        made = _targets(targets, inputs, gamma)
        ensure(made.shape == inputs.reward.shape and made.dtype == np.float32, f"{made.dtype} of shape {made.shape}")
        ensure(np.isfinite(made).all(), f"targets {made}")

    for_all(body, inputs=rows(), gamma=_GAMMA)


@law(AbstractTargets, "cut", "nothing after the end of an episode, of either kind, changes a target before it")
def _cut(targets: AbstractTargets) -> None:
    def body(inputs: Rows, others: Rows, end: int, terminated: bool, gamma: Any) -> None:
        inputs.terminated[end], inputs.truncated[end] = terminated, not terminated
        changed = Rows(*(np.concatenate([a[: end + 1], b[end + 1 :]]) for a, b in zip(inputs, others, strict=True)))
        before, after = (_targets(targets, one, gamma)[: end + 1] for one in (inputs, changed))
        ensure(_close(before, after), f"up to step {end} the targets went from {before} to {after}")

    for_all(body, inputs=rows(), others=rows(), end=st.integers(0, 4), terminated=st.booleans(), gamma=_GAMMA)


@law(AbstractTargets, "termination", "the target of a terminated step is its reward: nothing follows")
def _termination(targets: AbstractTargets) -> None:
    def body(inputs: Rows, end: int, gamma: Any) -> None:
        inputs.terminated[end], inputs.truncated[end] = True, False
        made = _targets(targets, inputs, gamma)[end]
        ensure(_close(made, inputs.reward[end]), f"{made} at step {end}")

    for_all(body, inputs=rows(), end=st.integers(0, 5), gamma=_GAMMA)


@law(AbstractTargets, "truncation", "a truncated step bootstraps: reward + gamma * V(true next observation)")
def _truncation(targets: AbstractTargets) -> None:
    def body(inputs: Rows, end: int, gamma: Any) -> None:
        inputs.terminated[end], inputs.truncated[end] = False, True
        made = _targets(targets, inputs, gamma)[end]
        expected = inputs.reward[end] + gamma * inputs.next_value[end]
        ensure(_close(made, expected), f"{made} at step {end} instead of {expected}")

    for_all(body, inputs=rows(), end=st.integers(0, 4), gamma=_GAMMA)


@law(AbstractTargets, "last row", "the last row of a rollout bootstraps, unless it terminated")
def _last_row(targets: AbstractTargets) -> None:
    def body(inputs: Rows, gamma: Any) -> None:
        inputs.terminated[-1] = inputs.truncated[-1] = False
        made = _targets(targets, inputs, gamma)[-1]
        expected = inputs.reward[-1] + gamma * inputs.next_value[-1]
        ensure(_close(made, expected), f"{made} instead of {expected}")

    for_all(body, inputs=rows(), gamma=_GAMMA)


@law(AbstractTargets, "both flags", "termination wins where a step is marked as truncated too")
def _both_flags(targets: AbstractTargets) -> None:
    def body(inputs: Rows, end: int, gamma: Any) -> None:
        inputs.terminated[end] = inputs.truncated[end] = True
        made = _targets(targets, inputs, gamma)[end]
        ensure(_close(made, inputs.reward[end]), f"{made} at step {end}")

    for_all(body, inputs=rows(), end=st.integers(0, 5), gamma=_GAMMA)


@law(AbstractTargets, "fixed point", "where the values are the true ones, the targets are these values")
def _fixed_point(targets: AbstractTargets) -> None:
    def body(inputs: Rows, gamma: Any) -> None:
        # V(s_t) drawn; the rewards are those that make V(s_t) = r_t + gamma * V(s_{t+1}) hold everywhere.
        value, following = inputs.reward, inputs.next_value.copy()
        goes_on = ~(inputs.terminated | inputs.truncated)[:-1]
        following[:-1] = np.where(goes_on, value[1:], following[:-1])
        reward = (value - gamma * np.where(inputs.terminated, 0, following)).astype(np.float32)
        made = _targets(targets, Rows(reward, following, inputs.terminated, inputs.truncated), gamma)
        ensure(_close(made, value, 50.0), f"{made} instead of {value}")

    for_all(body, inputs=rows(), gamma=_GAMMA)


@law(AbstractTargets, "discount", "with a discount factor of 0 the target is the reward")
def _discount(targets: AbstractTargets) -> None:
    def body(inputs: Rows) -> None:
        made = _targets(targets, inputs, 0.0)
        ensure(_close(made, inputs.reward), f"{made}")

    for_all(body, inputs=rows())


def check_next_value(next_value: AbstractNextValue, *, skip: Collection[str] = ()) -> None:
    """Holds an estimate of the next state's value against the laws of its slot: `LAWS[AbstractNextValue]`.

    Arguments and errors as for `check_targets`.
    """
    hold(AbstractNextValue, next_value, skip)


@eqx.filter_jit
def _estimate(
    next_value: AbstractNextValue, loc: Any, scale: Any, slope: Any, level: Any, seed: Any, count: int
) -> Any:
    """Estimates with `count` keys, of Q(a) = level + slope . a, whose embedding is [level, a]."""

    def evaluate(action: Any) -> Any:
        return level + jnp.sum(slope * action), jnp.concatenate([level[None], action])

    keys = jax.random.split(jax.random.key(seed), count)
    return jax.vmap(lambda key: next_value(TanhNormal(loc, scale), evaluate, key))(keys)


_SCALES = vectors(2, 0.0625, 2.0)
_LOCS = vectors(2, -2.0, 2.0)
_SAMPLES = 512


def _moments(loc: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of tanh(u) and of log p(tanh(u)), u ~ N(loc, scale), in each dimension, by quadrature."""
    points, weights = np.polynomial.hermite_e.hermegauss(64)
    u = loc[:, None].astype(float) + scale[:, None] * points
    weights = weights / weights.sum()
    log_derivative = 2 * (np.log(2) - u - np.logaddexp(0, -2 * u))
    log_prob = -0.5 * points**2 - np.log(scale[:, None] * np.sqrt(2 * np.pi)) - log_derivative
    return np.tanh(u) @ weights, log_prob @ weights


@law(AbstractNextValue, "shape", "a finite value and log-density of shape (), and an embedding as the critic gives it")
def _next_shape(next_value: AbstractNextValue) -> None:
    def body(loc: Any, scale: Any, slope: Any, level: Any, seed: Any) -> None:
        made = _estimate(next_value, loc, scale, slope, jnp.float32(level), seed, 1)
        shapes = (made.value.shape[1:], made.log_prob.shape[1:], made.embedding.shape[1:])
        ensure(shapes == ((), (), (3,)), f"shapes {shapes} instead of (), () and (3,)")
        ensure(all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(made)), f"{made}")

    for_all(body, loc=_LOCS, scale=_SCALES, slope=vectors(2), level=floats(-10, 10), seed=seeds())


@law(AbstractNextValue, "constant", "where every action is worth the same, that is the value, with that embedding")
def _next_constant(next_value: AbstractNextValue) -> None:
    def body(loc: Any, scale: Any, level: Any, seed: Any) -> None:
        made = _estimate(next_value, loc, scale, jnp.zeros(2), jnp.float32(level), seed, 1)
        ensure(_close(made.value, level), f"the value {made.value[0]}")
        ensure(_close(made.embedding[0, 0], level), f"the embedding {made.embedding[0]}")

    for_all(body, loc=_LOCS, scale=_SCALES, level=floats(-10, 10), seed=seeds())


@law(AbstractNextValue, "value", "over keys, its mean is the mean of Q over the policy's actions")
def _next_value(next_value: AbstractNextValue) -> None:
    def body(loc: Any, scale: Any, slope: Any, seed: Any) -> None:
        made = np.asarray(_estimate(next_value, loc, scale, slope, jnp.float32(0), seed, _SAMPLES).value)
        expected = _moments(loc, scale)[0] @ slope
        error = 5 * made.std() / _SAMPLES**0.5 + 1e-2
        ensure(abs(made.mean() - expected) < error, f"a mean of {made.mean()} instead of {expected}, within {error}")

    for_all(body, 8, loc=_LOCS, scale=_SCALES, slope=vectors(2, -1.0, 1.0), seed=seeds())


@law(AbstractNextValue, "entropy", "over keys, the mean of its log-density is the policy's negative entropy")
def _next_entropy(next_value: AbstractNextValue) -> None:
    def body(loc: Any, scale: Any, seed: Any) -> None:
        made = np.asarray(_estimate(next_value, loc, scale, jnp.ones(2), jnp.float32(0), seed, _SAMPLES).log_prob)
        expected = _moments(loc, scale)[1].sum()
        error = 5 * made.std() / _SAMPLES**0.5 + 2e-2
        ensure(abs(made.mean() - expected) < error, f"a mean of {made.mean()} instead of {expected}, within {error}")

    for_all(body, 8, loc=vectors(2, -1.0, 1.0), scale=vectors(2, 0.0625, 1.0), seed=seeds())
