"""Laws of targets and of the estimates of next values."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.distributions import TanhNormal
from reppo.targets import (
    AbstractEntropyBonus,
    AbstractNextValue,
    AbstractTargets,
    AbstractTruncation,
    Taken,
    soft_lambda_returns,
)
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
def _estimates(next_value: AbstractNextValue, count: int, drawn: dict[str, Any], continues: Any, seed: Any) -> Any:
    """Estimates with `count` keys of Q(a) = level + slope . a, whose embedding is [level, a].

    The action taken next is one of the policy's, drawn anew for each key, moved by `away` and clipped.
    """
    level, distribution = drawn["level"], TanhNormal(drawn["loc"], drawn["scale"])

    def evaluate(action: Any) -> Any:
        return level + jnp.sum(drawn["slope"] * action), jnp.concatenate([level[None], action])

    def one(key: Any) -> Any:
        u = distribution.draw(jax.random.fold_in(key, 1)) + drawn["away"]
        return next_value(distribution, evaluate, Taken(jnp.clip(jnp.tanh(u), -0.999, 0.999), u), continues, key)

    return jax.vmap(one)(jax.random.split(jax.random.key(seed), count))


_SAMPLES = 512


def _policies(**changes: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Policies at the next state with a Q function there."""
    parts: dict[str, st.SearchStrategy[Any]] = {
        "loc": vectors(2, -1, 1),
        "scale": vectors(2, 0.0625, 1),
        "slope": vectors(2, -1, 1),
        "level": floats(-10, 10).map(np.float32),
        "away": st.just(np.float32(0)),
    }
    return st.fixed_dictionaries(parts | changes)


_NO_SLOPE = st.just(np.zeros(2, np.float32))


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
    def body(drawn: Any, continues: bool, seed: Any) -> None:
        made = _estimates(next_value, 1, drawn, np.array(continues), seed)
        shapes = (made.value.shape[1:], made.log_prob.shape[1:], made.embedding.shape[1:])
        ensure(shapes == ((), (), (3,)), f"shapes {shapes} instead of (), () and (3,)")
        ensure(all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(made)), f"{made}")

    for_all(body, drawn=_policies(), continues=st.booleans(), seed=seeds())


@law(AbstractNextValue, "constant", "where every action is worth the same, that is the value, with that embedding")
def _next_constant(next_value: AbstractNextValue) -> None:
    def body(drawn: Any, continues: bool, seed: Any) -> None:
        made = _estimates(next_value, 1, drawn, np.array(continues), seed)
        ensure(_close(made.value, drawn["level"]), f"the value {made.value[0]}")
        ensure(_close(made.embedding[0, 0], drawn["level"]), f"the embedding {made.embedding[0]}")

    for_all(body, drawn=_policies(slope=_NO_SLOPE), continues=st.booleans(), seed=seeds())


@law(AbstractNextValue, "value", "over keys, its mean is the mean of Q over the policy's actions")
def _next_value(next_value: AbstractNextValue) -> None:
    def body(drawn: Any, continues: bool, seed: Any) -> None:
        made = np.asarray(_estimates(next_value, _SAMPLES, drawn, np.array(continues), seed).value)
        expected = drawn["level"] + _moments(drawn["loc"], drawn["scale"])[0] @ drawn["slope"]
        error = 5 * made.std() / _SAMPLES**0.5 + 1e-2
        ensure(abs(made.mean() - expected) < error, f"a mean of {made.mean()} instead of {expected}, within {error}")

    for_all(body, 10, drawn=_policies(), continues=st.booleans(), seed=seeds())


@law(
    AbstractNextValue,
    "entropy",
    "over keys, the mean of its log-density is the policy's negative entropy, also where actions meet their limit",
)
def _next_entropy(next_value: AbstractNextValue) -> None:
    def body(drawn: Any, continues: bool, seed: Any) -> None:
        made = np.asarray(_estimates(next_value, _SAMPLES, drawn, np.array(continues), seed).log_prob)
        expected = _moments(drawn["loc"], drawn["scale"])[1].sum()
        error = 5 * made.std() / _SAMPLES**0.5 + 5e-2
        ensure(abs(made.mean() - expected) < error, f"a mean of {made.mean()} instead of {expected}, within {error}")

    for_all(body, 10, drawn=_policies(loc=vectors(2, -6, 6)), continues=st.booleans(), seed=seeds())


@law(AbstractNextValue, "no next action", "where no action was taken next, what is given in its place is not used")
def _next_no_action(next_value: AbstractNextValue) -> None:
    def body(drawn: Any, away: float, seed: Any) -> None:
        changed = drawn | {"away": np.float32(away)}
        one, two = (_estimates(next_value, 1, d, np.array(False), seed) for d in (drawn, changed))
        same = all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True))
        ensure(same, f"{one} with one action, {two} with another")

    for_all(body, drawn=_policies(), away=floats(0.5, 1), seed=seeds())


def check_entropy_bonus(bonus: AbstractEntropyBonus, *, skip: Collection[str] = ()) -> None:
    """Holds an entropy bonus against the laws of its slot: `LAWS[AbstractEntropyBonus]`.

    Arguments and errors as for `check_targets`.
    """
    hold(AbstractEntropyBonus, bonus, skip)


@eqx.filter_jit
def _bonus(bonus: AbstractEntropyBonus, temperature: Any, log_prob: Any, terminated: Any) -> Any:
    return jax.value_and_grad(lambda x: bonus(temperature, x, terminated))(log_prob)


_BONUS = {
    "temperature": floats(0.0625, 2).map(np.float32),
    "log_prob": floats(-10, 10).map(np.float32),
    "terminated": st.booleans().map(np.array),
}


@law(AbstractEntropyBonus, "shape", "a finite number of shape ()")
def _bonus_shape(bonus: AbstractEntropyBonus) -> None:
    def body(temperature: Any, log_prob: Any, terminated: Any) -> None:
        made = _bonus(bonus, temperature, log_prob, terminated)[0]
        ensure(made.shape == () and np.isfinite(made), f"{made}")

    for_all(body, **_BONUS)


@law(AbstractEntropyBonus, "temperature", "at temperature 0 there is none")
def _bonus_temperature(bonus: AbstractEntropyBonus) -> None:
    def body(temperature: Any, log_prob: Any, terminated: Any) -> None:
        made = _bonus(bonus, 0 * temperature, log_prob, terminated)[0]
        ensure(made == 0, f"{made}")

    for_all(body, **_BONUS)


@law(AbstractEntropyBonus, "direction", "a likelier action never gains more")
def _bonus_direction(bonus: AbstractEntropyBonus) -> None:
    def body(temperature: Any, log_prob: Any, terminated: Any) -> None:
        slope = _bonus(bonus, temperature, log_prob, terminated)[1]
        ensure(slope <= 0, f"a gradient in log_prob of {slope}")

    for_all(body, **_BONUS)


@law(AbstractEntropyBonus, "termination", "after termination there is no next action, and no bonus")
def _bonus_termination(bonus: AbstractEntropyBonus) -> None:
    def body(temperature: Any, log_prob: Any, terminated: Any) -> None:
        made = _bonus(bonus, temperature, log_prob, np.array(True))[0]
        ensure(made == 0, f"{made}")

    for_all(body, **_BONUS)


def check_truncation(truncation: AbstractTruncation, *, skip: Collection[str] = ()) -> None:
    """Holds a treatment of truncated steps against the laws of its slot: `LAWS[AbstractTruncation]`.

    Arguments and errors as for `check_targets`.
    """
    hold(AbstractTruncation, truncation, skip)


@eqx.filter_jit
def _cut_returns(truncation: AbstractTruncation, inputs: tuple[Any, ...], gamma: Any) -> Any:
    reward, next_value, terminated, truncated = inputs
    truncated = truncated & ~terminated
    cuts = truncation(terminated, truncated)
    returns = soft_lambda_returns(reward, next_value, cuts.terminated, cuts.truncated, gamma, jnp.float32(0.95))
    return cuts, returns


@law(AbstractTruncation, "shape", "three booleans for every step")
def _truncation_shape(truncation: AbstractTruncation) -> None:
    def body(inputs: Rows) -> None:
        cuts, _ = _cut_returns(truncation, tuple(inputs), np.float32(0.9))
        for leaf in jax.tree.leaves(cuts):
            ensure(leaf.shape == inputs.reward.shape and leaf.dtype == bool, f"{leaf.dtype} of shape {leaf.shape}")

    for_all(body, inputs=rows())


@law(AbstractTruncation, "counts", "the critic learns from every step that does not end its episode")
def _truncation_counts(truncation: AbstractTruncation) -> None:
    def body(inputs: Rows) -> None:
        counts = np.asarray(_cut_returns(truncation, tuple(inputs), np.float32(0.9))[0].counts)
        ensure(np.all(counts | inputs.terminated | inputs.truncated), f"counts {counts}")

    for_all(body, inputs=rows())


@law(AbstractTruncation, "cut", "nothing after the end of an episode changes a return before it that counts")
def _truncation_cut(truncation: AbstractTruncation) -> None:
    def body(inputs: Rows, others: Rows, end: int, terminated: bool, gamma: Any) -> None:
        inputs.terminated[end], inputs.truncated[end] = terminated, not terminated
        changed = inputs._replace(reward=np.concatenate([inputs.reward[: end + 1], others.reward[end + 1 :]]))
        (cuts, one), (_, two) = (_cut_returns(truncation, tuple(i), np.float32(gamma)) for i in (inputs, changed))
        counts = np.asarray(cuts.counts)[: end + 1]
        one, two = (np.where(counts, np.asarray(r)[: end + 1], 0) for r in (one, two))
        ensure(_close(one, two), f"up to step {end} the returns that count went from {one} to {two}")

    for_all(body, inputs=rows(), others=rows(), end=st.integers(0, 4), terminated=st.booleans(), gamma=_GAMMA)


@law(AbstractTruncation, "termination", "the return of a terminated step is its reward")
def _truncation_termination(truncation: AbstractTruncation) -> None:
    def body(inputs: Rows, end: int) -> None:
        inputs.terminated[end], inputs.truncated[end] = True, False
        cuts, made = _cut_returns(truncation, tuple(inputs), np.float32(0.9))
        ensure(_close(made[end], inputs.reward[end]) or not cuts.counts[end], f"{made[end]} at step {end}")

    for_all(body, inputs=rows(), end=st.integers(0, 5))


@law(AbstractTruncation, "truncation", "the return of a truncated step that counts bootstraps")
def _truncation_truncation(truncation: AbstractTruncation) -> None:
    def body(inputs: Rows, end: int) -> None:
        inputs.terminated[end], inputs.truncated[end] = False, True
        cuts, made = _cut_returns(truncation, tuple(inputs), np.float32(0.9))
        expected = inputs.reward[end] + 0.9 * inputs.next_value[end]
        ensure(_close(made[end], expected) or not cuts.counts[end], f"{made[end]} instead of {expected} at step {end}")

    for_all(body, inputs=rows(), end=st.integers(0, 5))
