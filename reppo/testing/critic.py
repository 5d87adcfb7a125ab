"""Laws of what the critic's outputs mean: value representations, supports, auxiliary tasks."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from hypothesis import strategies as st

from reppo.errors import ConfigurationError
from reppo.losses import (
    AbstractAuxiliary,
    AbstractMask,
    AbstractSmoothness,
    AbstractSupport,
    AbstractValue,
    AbstractValueLoss,
    ScalarValue,
)
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats, seeds, vectors


def check_value(value: AbstractValue, *, skip: Collection[str] = ()) -> None:
    """Holds a value representation against the laws of its slot: `LAWS[AbstractValue]`.

    Args:
        value: the component, with a support that is resolved.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractValue, value, skip)


@eqx.filter_jit
def _fit(value: AbstractValue, targets: Any) -> tuple[Any, Any]:
    """What is decoded after minimizing the loss against each target; losses `[fitted to, against]`."""

    def total(logits: Any) -> Any:
        return jnp.sum(jax.vmap(value.loss)(logits, targets))

    optimizer = optax.adam(optax.cosine_decay_schedule(0.3, 1000))

    def step(carry: Any, _: Any) -> Any:
        logits, state = carry
        updates, state = optimizer.update(jax.grad(total)(logits), state)
        return (logits + updates, state), None

    logits = jnp.zeros((targets.shape[0], value.size))
    (logits, _), _ = jax.lax.scan(step, (logits, optimizer.init(logits)), length=1000)
    losses = jax.vmap(lambda fitted: jax.vmap(lambda target: value.loss(fitted, target))(targets))(logits)
    return jax.vmap(value.decode)(logits), losses


@eqx.filter_jit
def _evaluate(value: AbstractValue, logits: Any, target: Any) -> Any:
    loss, gradient = jax.value_and_grad(value.loss)(logits, target)
    decoded, slope = jax.value_and_grad(value.decode)(logits)
    return loss, decoded, gradient, slope


@eqx.filter_jit
def _shapes(value: AbstractValue) -> Any:
    logits = jnp.zeros(value.size)
    return value.decode(logits), value.loss(logits, jnp.float32(0.5))


_outside = eqx.filter_jit(lambda value, targets: value.outside(targets))


def _interior(value: AbstractValue) -> tuple[np.ndarray, float]:
    """Five targets well inside of what can be represented, and the length of that interval."""
    candidates = np.linspace(-300, 300, 6001, dtype=np.float32)
    held = candidates[np.asarray(_outside(value, jnp.asarray(candidates))) == 0]
    ensure(held.size, "no number between -300 and 300 can be represented")
    low, high = (held[0], held[-1]) if held.size < candidates.size else (-10.0, 10.0)
    return np.linspace(low + 0.3 * (high - low), high - 0.3 * (high - low), 5, dtype=np.float32), float(high - low)


@law(AbstractValue, "shape", "a size of at least 1, and from that many outputs a value and a loss of shape ()")
def _shape(value: AbstractValue) -> None:
    ensure(isinstance(value.size, int) and value.size >= 1, f"the size {value.size!r}")
    decoded, loss = eqx.filter_eval_shape(_shapes, value)
    ensure(decoded.shape == loss.shape == (), f"a value of shape {decoded.shape} and a loss of shape {loss.shape}")


@law(AbstractValue, "decode", "outputs that minimize the loss against a target are decoded to that target")
def _decode(value: AbstractValue) -> None:
    targets, span = _interior(value)
    decoded = np.asarray(_fit(value, jnp.asarray(targets))[0])
    ensure(np.all(np.abs(decoded - targets) < 0.02 * span), f"{decoded} for the targets {targets}")


@law(AbstractValue, "monotone", "outputs fitted to a higher target are decoded to a higher value")
def _monotone(value: AbstractValue) -> None:
    targets, _ = _interior(value)
    decoded = np.asarray(_fit(value, jnp.asarray(targets))[0])
    ensure(np.all(np.diff(decoded) > 0), f"{decoded} for the targets {targets}")


@law(AbstractValue, "minimum", "of all outputs, those fitted to a target have the least loss against it")
def _minimum(value: AbstractValue) -> None:
    targets, _ = _interior(value)
    losses = np.asarray(_fit(value, jnp.asarray(targets))[1])
    others = np.where(np.eye(len(targets)) > 0, np.inf, losses).min(axis=0)
    ensure(np.all(np.diag(losses) < others), f"losses [fitted to, against] {losses} for the targets {targets}")


@law(AbstractValue, "finite", "loss, value and both gradients are finite, for targets far outside as well")
def _finite(value: AbstractValue) -> None:
    def body(scale: Any, logits: Any, target: Any) -> None:
        results = _evaluate(value, np.float32(scale) * np.resize(logits, value.size), np.float32(target))
        names = ("loss", "value", "gradient of the loss", "gradient of the value")
        for name, result in zip(names, results, strict=True):
            ensure(np.isfinite(result).all(), f"the {name} {result}")

    targets = st.one_of(floats(-1e4, 1e4), floats(-5, 5))
    for_all(body, scale=st.sampled_from([1.0, 50.0]), logits=vectors(8, -1, 1), target=targets)


@law(AbstractValue, "outside", "each target is marked 0 or 1 by itself: whether it cannot be represented")
def _outside_marks(value: AbstractValue) -> None:
    def body(targets: Any) -> None:
        marks = np.asarray(_outside(value, jnp.asarray(targets)))
        ensure(marks.shape == targets.shape and set(marks.tolist()) <= {0.0, 1.0}, f"{marks}")
        alone = [float(_outside(value, np.full(4, target, np.float32))[0]) for target in targets]
        ensure(marks.tolist() == alone, f"{marks} together, {alone} each by itself")

    for_all(body, targets=vectors(4, -300.0, 300.0))


@law(AbstractValue, "range", "a value that outputs are decoded to can be represented")
def _range(value: AbstractValue) -> None:
    def body(logits: Any) -> None:
        decoded = _evaluate(value, np.resize(logits, value.size), np.float32(0))[1]
        ensure(_outside(value, np.full(4, decoded, np.float32))[0] == 0, f"{decoded}, which is outside")

    for_all(body, logits=vectors(8, -3.0, 3.0))


_SCALES = (40.0, 80.0)


@eqx.filter_jit
def _started(value: AbstractValue, targets: Any) -> Any:
    """What is added to the outputs for each factor; what they then stand for, gradients there, and at outputs of 0."""
    gradient_norm = lambda logits: jax.vmap(lambda target: optax.tree.norm(jax.grad(value.loss)(logits, target)))
    plain = jnp.zeros(value.size)
    made = [value.start(scale) for scale in _SCALES]
    logits = [plain if start is None else scale * start for scale, start in zip(_SCALES, made, strict=True)]
    return made, [(value.decode(one), gradient_norm(one)(targets), gradient_norm(plain)(targets)) for one in logits]


@law(AbstractValue, "start", "a critic that starts at the value nearest to 0 has a gradient towards others")
def _start(value: AbstractValue) -> None:
    targets, span = _interior(value)
    candidates = np.linspace(-300, 300, 6001, dtype=np.float32)
    held = candidates[np.asarray(_outside(value, jnp.asarray(candidates))) == 0]
    nearest = held[np.argmin(np.abs(held))]
    away = targets[np.abs(targets - nearest) > 0.1 * span]
    try:
        made, at = _started(value, jnp.asarray(away))
    except ConfigurationError:
        return  # a representation need not say how a critic starts
    for start, (decoded, gradient, plain) in zip(made, at, strict=True):
        if start is not None:
            ensure(start.shape == (value.size,), f"shape {start.shape} for {value.size} outputs")
            ensure(np.isfinite(start).all(), f"{start}")
        ensure(abs(decoded - nearest) < 0.1 * span, f"a start at {decoded}; the value nearest to 0 is {nearest}")
        ensure(
            np.all(gradient > 1e-2 * plain),
            f"gradients of norm {gradient} at the start, {plain} at outputs of 0, for the targets {away}",
        )


def check_support(support: AbstractSupport, *, skip: Collection[str] = ()) -> None:
    """Holds an interval of values, resolved, against the laws of its slot: `LAWS[AbstractSupport]`.

    Arguments and errors as for `check_value`.
    """
    hold(AbstractSupport, support, skip)


@law(AbstractSupport, "interval", "two finite ends of shape (), the lower below the upper")
def _interval(support: AbstractSupport) -> None:
    low, high = support.bounds()
    ensure(np.shape(low) == np.shape(high) == (), f"ends of shapes {np.shape(low)} and {np.shape(high)}")
    ensure(np.isfinite(low) and np.isfinite(high) and low < high, f"[{low}, {high}]")


def check_auxiliary(auxiliary: AbstractAuxiliary, *, skip: Collection[str] = ()) -> None:
    """Holds an auxiliary task against the laws of its slot: `LAWS[AbstractAuxiliary]`.

    Arguments and errors as for `check_value`.
    """
    hold(AbstractAuxiliary, auxiliary, skip)


_EMBEDDING = 4


@eqx.filter_jit
def _auxiliary(auxiliary: AbstractAuxiliary, drawn: dict[str, Any], terminated: Any, truncated: Any) -> Any:
    """The loss and its gradient in the prediction, which is repeated to its length."""
    size = auxiliary.size(_EMBEDDING)
    rest = (drawn["next_embedding"], drawn["reward"], terminated, truncated)
    if size == 0:
        return auxiliary.loss(None, *rest), jnp.zeros(())
    prediction = jnp.resize(drawn["prediction"], (size,))
    return jax.value_and_grad(lambda p: auxiliary.loss(p, *rest))(prediction)


_DRAWN = st.fixed_dictionaries(
    {
        "prediction": vectors(8),
        "next_embedding": vectors(_EMBEDDING),
        "reward": floats(-10, 10).map(np.float32),
    }
)
_FLAGS = st.sampled_from([(False, False), (True, False), (False, True)])


def _flags(ends: tuple[bool, bool]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(ends[0]), np.array(ends[1])


@law(AbstractAuxiliary, "shape", "a size of at least 0, and a finite loss of at least 0, of shape ()")
def _auxiliary_shape(auxiliary: AbstractAuxiliary) -> None:
    size = auxiliary.size(_EMBEDDING)
    ensure(isinstance(size, int) and size >= 0, f"the size {size!r}")

    def body(drawn: Any, ends: Any) -> None:
        loss, gradient = _auxiliary(auxiliary, drawn, *_flags(ends))
        ensure(loss.shape == () and np.isfinite(loss) and loss >= 0, f"the loss {loss}")
        ensure(np.isfinite(gradient).all(), f"the gradient {gradient}")

    for_all(body, drawn=_DRAWN, ends=_FLAGS)


@law(AbstractAuxiliary, "ended", "where the step ends its episode, the embedding of the next state is not used")
def _auxiliary_ended(auxiliary: AbstractAuxiliary) -> None:
    def body(drawn: Any, other: Any, terminated: bool) -> None:
        ends = _flags((terminated, not terminated))
        one, two = (_auxiliary(auxiliary, drawn | {"next_embedding": e}, *ends)[0] for e in (other, -other - 1))
        ensure(np.allclose(one, two), f"a loss of {one} with the next embedding {other}, {two} with {-other - 1}")

    for_all(body, drawn=_DRAWN, other=vectors(_EMBEDDING), terminated=st.booleans())


@law(AbstractAuxiliary, "no head", "without outputs there is nothing to learn: the loss is 0")
def _auxiliary_no_head(auxiliary: AbstractAuxiliary) -> None:
    def body(drawn: Any, ends: Any) -> None:
        loss = _auxiliary(auxiliary, drawn, *_flags(ends))[0]
        ensure(loss == 0, f"the loss {loss}")

    if auxiliary.size(_EMBEDDING) == 0:
        for_all(body, drawn=_DRAWN, ends=_FLAGS)


def check_mask(mask: AbstractMask, *, skip: Collection[str] = ()) -> None:
    """Holds a choice of the steps that an auxiliary task counts against the laws of its slot: `LAWS[AbstractMask]`.

    Arguments and errors as for `check_value`.
    """
    hold(AbstractMask, mask, skip)


_mask = eqx.filter_jit(lambda mask, terminated, truncated: jnp.asarray(mask(terminated, truncated)))


@law(AbstractMask, "shape", "one boolean for a step")
def _mask_shape(mask: AbstractMask) -> None:
    for ends in ((False, False), (True, False), (False, True)):
        made = _mask(mask, *_flags(ends))
        ensure(made.shape == () and made.dtype == bool, f"{made.dtype} of shape {made.shape} for {ends}")


@law(AbstractMask, "within", "a step that does not end its episode counts")
def _mask_within(mask: AbstractMask) -> None:
    made = _mask(mask, *_flags((False, False)))
    ensure(made, f"{made}")


def check_smoothness(smoothness: AbstractSmoothness, *, skip: Collection[str] = ()) -> None:
    """Holds what is asked of the critic's slopes against the laws of its slot: `LAWS[AbstractSmoothness]`.

    Arguments and errors as for `check_value`.
    """
    hold(AbstractSmoothness, smoothness, skip)


@eqx.filter_jit
def _smoothness(smoothness: AbstractSmoothness, weights: Any, observation: Any, action: Any, seed: Any) -> Any:
    """Loss and gradient for critics of these weights, `[critic, 3]`: of a constant, a slope, and a curvature."""

    def loss(weights: Any) -> Any:
        constant, slope, curvature = weights.T
        values = lambda observation, action: (
            constant + slope * jnp.sum(jnp.sin(observation)) * jnp.sum(action) + curvature * jnp.sum(action**2)
        )
        return smoothness(values, observation, action, jax.random.key(seed))

    return jax.value_and_grad(loss)(weights)


_SMOOTH = {"weights": vectors(3), "observation": vectors(2), "action": vectors(2, -1, 1), "seed": seeds()}


@law(AbstractSmoothness, "shape", "a finite loss of at least 0, of shape (), with a finite gradient")
def _smoothness_shape(smoothness: AbstractSmoothness) -> None:
    def body(weights: Any, observation: Any, action: Any, seed: Any) -> None:
        loss, gradient = _smoothness(smoothness, weights[None], observation, action, seed)
        ensure(loss.shape == () and np.isfinite(loss) and loss >= 0, f"the loss {loss}")
        ensure(np.isfinite(gradient).all(), f"the gradient {gradient}")

    for_all(body, **_SMOOTH)


@law(AbstractSmoothness, "level", "slopes alone count: values that are higher by a constant have the same loss")
def _smoothness_level(smoothness: AbstractSmoothness) -> None:
    def body(weights: Any, observation: Any, action: Any, seed: Any) -> None:
        moved = weights + np.array([7, 0, 0], np.float32)
        one, other = (_smoothness(smoothness, w[None], observation, action, seed)[0] for w in (weights, moved))
        ensure(np.allclose(one, other, rtol=1e-4, atol=1e-5), f"{one}, and {other} of values that are higher by 7")

    for_all(body, **_SMOOTH)


@law(AbstractSmoothness, "sum", "it is summed over critics: a second one with the same weights doubles it")
def _smoothness_sum(smoothness: AbstractSmoothness) -> None:
    def body(weights: Any, observation: Any, action: Any, seed: Any) -> None:
        one, two = (_smoothness(smoothness, np.tile(weights, (n, 1)), observation, action, seed)[0] for n in (1, 2))
        ensure(np.allclose(two, 2 * one, rtol=1e-4, atol=1e-5), f"{one} of one critic, {two} of two")

    for_all(body, **_SMOOTH)


def check_value_loss(value_loss: AbstractValueLoss, *, skip: Collection[str] = ()) -> None:
    """Holds a loss of the critic against the laws of its slot: `LAWS[AbstractValueLoss]`.

    Arguments and errors as for `check_value`.
    """
    hold(AbstractValueLoss, value_loss, skip)


@eqx.filter_jit
def _value_loss(value_loss: AbstractValueLoss, output: Any, old: Any, target: Any) -> Any:
    """Loss and slope of a scalar critic, and the same of its plain loss."""
    own = jax.value_and_grad(lambda output: value_loss(ScalarValue(), output[None], old, target))(output)
    return own, jax.value_and_grad(lambda output: ScalarValue().loss(output[None], target))(output)


_VALUE = floats(-10, 10).map(np.float32)


@law(AbstractValueLoss, "shape", "a finite loss of shape (), with a finite slope")
def _value_loss_shape(value_loss: AbstractValueLoss) -> None:
    def body(output: Any, old: Any, target: Any) -> None:
        loss, slope = _value_loss(value_loss, output, old, target)[0]
        ensure(loss.shape == () and np.isfinite(loss) and np.isfinite(slope), f"{loss}, with the slope {slope}")

    for_all(body, output=_VALUE, old=_VALUE, target=_VALUE)


@law(AbstractValueLoss, "pessimistic", "it is never below the plain loss of the same outputs")
def _value_loss_pessimistic(value_loss: AbstractValueLoss) -> None:
    def body(output: Any, old: Any, target: Any) -> None:
        (loss, _), (plain, _) = _value_loss(value_loss, output, old, target)
        ensure(loss >= plain - 1e-5 * (1 + plain), f"{loss}, where the plain loss is {plain}")

    for_all(body, output=_VALUE, old=_VALUE, target=_VALUE)


@law(AbstractValueLoss, "start", "where the value has not moved, loss and slope are those of the plain loss")
def _value_loss_start(value_loss: AbstractValueLoss) -> None:
    def body(output: Any, target: Any) -> None:
        own, plain = _value_loss(value_loss, output, output, target)
        ensure(np.allclose(own, plain, rtol=1e-4, atol=1e-4), f"{own} instead of {plain}")

    for_all(body, output=_VALUE, target=_VALUE)


@law(AbstractValueLoss, "way back", "where the value has moved away from its target, the slope leads back")
def _value_loss_way_back(value_loss: AbstractValueLoss) -> None:
    def body(output: Any, away: Any, target: Any) -> None:
        side = np.float32(1 if output >= target else -1)
        slope = _value_loss(value_loss, output + side * np.float32(away), output, target)[0][1]
        ensure(slope * side > 0, f"the slope {slope} at {away} beyond the old value")

    for_all(body, output=_VALUE, away=floats(0.0625, 10), target=_VALUE)
