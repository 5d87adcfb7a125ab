"""Laws of heads and of the distributions that they make."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reppo.distributions import AbstractHead, AbstractScale
from reppo.environments import ActionSpace, Box, Discrete
from reppo.errors import ConfigurationError
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats, seeds, vectors


def check_head(head: AbstractHead, *, skip: Collection[str] = ()) -> None:
    """Holds a head, and the distribution that it makes, against the laws of its slot: `LAWS[AbstractHead]`.

    Args:
        head: the component.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractHead, head, skip)


def _space(head: AbstractHead, size: int) -> ActionSpace:
    """A space of that size which the head is for."""
    try:
        head.size(Box.unit(size))
        return Box.unit(size)
    except ConfigurationError:
        return Discrete(size)


def _outputs(head: AbstractHead, drawn: Any, space: ActionSpace) -> Any:
    return jnp.resize(drawn, (head.size(space),))


@eqx.filter_jit
def _sampled(head: AbstractHead, drawn: Any, seed: Any) -> dict[str, Any]:
    outputs, key = _outputs(head, drawn, _space(head, 2)), jax.random.key(seed)
    distribution = head(outputs)
    action, log_prob = distribution.sample_and_log_prob(key)
    gradients = [
        jax.jacobian(lambda o: head(o).sample(key))(outputs),
        jax.grad(lambda o: head(o).sample_and_log_prob(key)[1])(outputs),
    ]
    return {
        "action": action,
        "log_prob": log_prob,
        "again": distribution.sample(key),
        "density": distribution.log_prob(action),
        "mode": distribution.mode(),
        "taken": head.take(distribution, distribution.draw(key)),
        "kl": distribution.kl(distribution),
        "gradients": gradients,
    }


_POINTS = np.linspace(-9, 9, 2001, dtype=np.float32)


@eqx.filter_jit
def _density(head: AbstractHead, drawn: Any) -> Any:
    """Density of one action dimension at tanh(u), times the derivative of tanh, for u on a grid."""
    distribution = head(_outputs(head, drawn, Box.unit(1)))
    u = jnp.asarray(_POINTS)
    log_probs = jax.vmap(lambda action: distribution.log_prob(action[None]))(jnp.tanh(u))
    return jnp.exp(log_probs + 2 * (jnp.log(2.0) - u - jax.nn.softplus(-2 * u)))


_DRAWN = vectors(8, -1.0, 1.0)


@law(AbstractHead, "shape", "a size of at least 1; an action, a mode of its shape, and a log-density of shape ()")
def _shape(head: AbstractHead) -> None:
    for actions in (2, 3):
        size = head.size(_space(head, actions))
        ensure(isinstance(size, int) and size >= 1, f"the size {size!r} for {actions} actions")
    made = eqx.filter_eval_shape(_sampled, head, jnp.zeros(8), 0)
    ensure(made["action"].shape == made["mode"].shape == (2,), f"{made['action'].shape}, {made['mode'].shape}")
    ensure(made["log_prob"].shape == made["density"].shape == (), f"a log-density of shape {made['log_prob'].shape}")


@law(AbstractHead, "bounds", "samples, mode and what is taken are within [-1, 1], whatever the outputs of the network")
def _bounds(head: AbstractHead) -> None:
    def body(outputs: Any, scale: Any, seed: Any) -> None:
        made = _sampled(head, outputs * np.float32(scale), seed)
        for name in ("action", "mode", "taken"):
            ensure(np.all(np.abs(made[name]) <= 1), f"the {name} {made[name]}")

    for_all(body, outputs=_DRAWN, scale=floats(1, 100), seed=seeds())


@law(AbstractHead, "finite", "log-density and gradients are finite, whatever the outputs of the network")
def _finite(head: AbstractHead) -> None:
    def body(outputs: Any, scale: Any, seed: Any) -> None:
        made = _sampled(head, outputs * np.float32(scale), seed)
        ensure(np.isfinite(made["log_prob"]), f"the log-density {made['log_prob']}")
        ensure(all(np.isfinite(leaf).all() for leaf in made["gradients"]), f"the gradients {made['gradients']}")

    for_all(body, outputs=_DRAWN, scale=floats(1, 100), seed=seeds())


@eqx.filter_jit
def _pull(head: AbstractHead, outputs: Any, away: Any) -> Any:
    """Slope, along `away`, of the KL from the policy at some outputs to the one that lies `away` from them."""
    middle = head(outputs)
    gradient = jax.grad(lambda o: middle.kl(head(o)))(outputs + away)
    return jnp.sum(gradient * away)


@law(AbstractHead, "way back", "however far an output has gone, past any limit too, a gradient leads back")
def _way_back(head: AbstractHead) -> None:
    def body(outputs: Any, distance: float) -> None:
        outputs = _outputs(head, outputs, _space(head, 2))
        for away in np.eye(outputs.size, dtype=np.float32) * np.float32(distance):
            for side in (away, -away):
                slope = _pull(head, outputs, side)
                ensure(np.isfinite(slope) and slope > 0, f"{slope} is the slope of the KL outward, {side} away")

    for_all(body, 8, outputs=_DRAWN, distance=floats(20, 100))


@law(AbstractHead, "density", "the log-density that comes with a sample is the log-density at that sample")
def _own_density(head: AbstractHead) -> None:
    def body(outputs: Any, seed: Any) -> None:
        made = _sampled(head, outputs, seed)
        if isinstance(_space(head, 2), Box) and np.abs(made["action"]).max() > 0.999:
            return  # there the inverse of tanh has few digits
        ensure(
            np.allclose(made["action"], made["again"], atol=1e-6), f"{made['action']} and {made['again']} at one key"
        )
        ensure(np.allclose(made["log_prob"], made["density"], rtol=1e-2, atol=1e-2), f"{made}")

    for_all(body, outputs=_DRAWN, seed=seeds())


@law(AbstractHead, "normalized", "the density of one action integrates to 1, the probabilities of a choice sum to 1")
def _normalized(head: AbstractHead) -> None:
    def body(outputs: Any) -> None:
        if isinstance(_space(head, 2), Box):
            total = np.trapezoid(np.asarray(_density(head, outputs), float), _POINTS)
        else:
            total = float(_total(head, outputs))
        ensure(abs(total - 1) < 0.02, f"{total}")

    for_all(body, 10, outputs=_DRAWN)


@eqx.filter_jit
def _total(head: AbstractHead, drawn: Any) -> Any:
    """The sum of the probabilities of three choices."""
    distribution = head(_outputs(head, drawn, Discrete(3)))
    return jnp.sum(jnp.exp(jax.vmap(distribution.log_prob)(jnp.eye(3))))


@eqx.filter_jit
def _entropies(head: AbstractHead, drawn: Any, seed: Any) -> Any:
    """The entropy and minus the mean log-density, with each of many keys."""
    distribution = head(_outputs(head, drawn, _space(head, 2)))
    both = lambda key: (distribution.entropy(key), -distribution.expect(lambda _, log_prob: log_prob, key))
    return jax.vmap(both)(jax.random.split(jax.random.key(seed), 1024))


@law(AbstractHead, "entropy", "the entropy is minus the mean of the log-density")
def _entropy(head: AbstractHead) -> None:
    def body(outputs: Any, seed: Any) -> None:
        entropy, expected = (np.asarray(x, float) for x in _entropies(head, outputs, seed))
        difference = entropy - expected
        error = 5 * difference.std() / len(difference) ** 0.5 + 1e-4
        ensure(abs(difference.mean()) < error, f"{entropy.mean()}, and a mean log-density of {-expected.mean()}")

    for_all(body, 10, outputs=_DRAWN, seed=seeds())


@law(AbstractHead, "pathwise", "where it says so, a sample can be differentiated in the outputs")
def _pathwise(head: AbstractHead) -> None:
    def body(outputs: Any, seed: Any) -> None:
        made = _sampled(head, outputs, seed)
        if head.pathwise and np.abs(made["action"]).max() < 0.99:
            ensure(np.all(np.abs(made["gradients"][0]).sum(axis=1) > 0), f"the Jacobian {made['gradients'][0]}")

    for_all(body, outputs=_DRAWN, seed=seeds())


@law(AbstractHead, "itself", "the KL of a distribution from itself is 0")
def _itself(head: AbstractHead) -> None:
    def body(outputs: Any, seed: Any) -> None:
        kl = _sampled(head, outputs, seed)["kl"]
        ensure(abs(kl) < 1e-5, f"{kl}")

    for_all(body, outputs=_DRAWN, seed=seeds())


def check_scale(scale: AbstractScale, *, skip: Collection[str] = ()) -> None:
    """Holds a source of standard deviations against the laws of its slot: `LAWS[AbstractScale]`.

    Arguments and errors as for `check_head`.
    """
    hold(AbstractScale, scale, skip)


_ACTIONS = 3


@eqx.filter_jit
def _scales(scale: AbstractScale, outputs: Any) -> Any:
    """The standard deviations, and their Jacobian in the outputs that are taken."""
    call = lambda taken: scale(taken, _ACTIONS)
    taken = outputs[: scale.per_action * _ACTIONS]
    return call(taken), jax.jacobian(call)(taken)


@law(AbstractScale, "shape", "one positive, finite number for each action dimension, whatever the outputs")
def _scale_shape(scale: AbstractScale) -> None:
    def body(outputs: Any) -> None:
        made, gradient = _scales(scale, outputs)
        ensure(made.shape == (_ACTIONS,), f"shape {made.shape} for {_ACTIONS} action dimensions")
        ensure(np.isfinite(made).all() and (np.asarray(made) > 0).all(), f"{made}")
        ensure(np.isfinite(gradient).all(), f"the gradient {gradient}")

    for_all(body, outputs=vectors(_ACTIONS, -100.0, 100.0))


@law(AbstractScale, "own", "it takes 0 or 1 outputs for a dimension, each of which moves that dimension alone, upwards")
def _scale_own(scale: AbstractScale) -> None:
    def body(outputs: Any) -> None:
        jacobian = np.asarray(_scales(scale, outputs)[1])
        if jacobian.size:
            own = np.diag(jacobian)
            ensure(np.array_equal(jacobian, np.diag(own)) and (own > 0).all(), f"the Jacobian {jacobian}")

    ensure(scale.per_action in (0, 1), f"{scale.per_action} outputs for a dimension")
    for_all(body, outputs=vectors(_ACTIONS, -3.0, 3.0))


@law(AbstractScale, "free", "where its outputs are parameters of their own, they start at a finite number each")
def _scale_free(scale: AbstractScale) -> None:
    free = scale.free(_ACTIONS)
    if free is not None:
        ensure(free.shape == (scale.per_action * _ACTIONS,) and np.isfinite(free).all(), f"{free}")
