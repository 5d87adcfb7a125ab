"""Laws of actor losses."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.distributions import TanhNormal
from reppo.environments import Observation
from reppo.losses import (
    AbstractActorLoss,
    Minibatch,
)
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats, seeds, vectors


def check_actor_loss(actor_loss: AbstractActorLoss, *, skip: Collection[str] = ()) -> None:
    """Holds an actor loss against the laws of its slot: `LAWS[AbstractActorLoss]`.

    It is given a policy, a critic that prefers one action, and a minibatch that was collected by the policy itself, or
    by one from which it has moved far. Arguments and errors as for `check_objective`.
    """
    hold(AbstractActorLoss, actor_loss, skip)


_BATCH = 256


@eqx.filter_jit
def _collected(loc: Any, scale: Any, seed: Any) -> Any:
    """What a policy drew, before the tanh."""
    return jax.vmap(TanhNormal(loc, scale).draw)(jax.random.split(jax.random.key(seed), _BATCH))


def _actor_loss(actor_loss: AbstractActorLoss, loc: Any, scale: Any, best: Any, seed: Any) -> Any:
    """Loss, metrics and gradients in (loc, log scale), at the old policy itself, for Q(a) = -|a - best|^2."""
    return _moved_loss(actor_loss, (loc, scale), (loc, np.log(scale)), best, np.float32(1e-3), seed)


def _moved_loss(actor_loss: AbstractActorLoss, old: Any, new: Any, best: Any, temperature: Any, seed: Any) -> Any:
    """The same where the policy has moved from `old`, (loc, scale), to `new`, (loc, log scale)."""
    return _weighted_loss(actor_loss, old, new, best, temperature, np.float32(1), seed)


@eqx.filter_jit
def _weighted_loss(
    actor_loss: AbstractActorLoss, old: Any, new: Any, best: Any, temperature: Any, kl_multiplier: Any, seed: Any
) -> Any:
    """The same with another weight of the divergence."""
    drawn = _collected(old[0], old[1], seed)
    actions = jnp.clip(jnp.tanh(drawn), -0.999, 0.999)
    repeated = lambda x: jnp.broadcast_to(x, (_BATCH, *x.shape))
    values = -jnp.sum((actions - best[None]) ** 2, axis=1)
    batch = Minibatch(
        observation=Observation(jnp.zeros((_BATCH, 1))),
        action=actions,
        drawn=drawn,
        old=jax.vmap(TanhNormal)(repeated(old[0]), repeated(old[1])),
        target=values,
        advantage=values - jnp.mean(values),
    )

    def loss(parameters: Any) -> Any:
        policy = jax.vmap(TanhNormal)(repeated(parameters[0]), repeated(jnp.exp(parameters[1])))
        critic = lambda _, action: -jnp.sum((action - best) ** 2)
        key = jax.random.fold_in(jax.random.key(seed), 1)
        return actor_loss(policy, critic, batch, temperature, kl_multiplier, key)

    return jax.value_and_grad(loss, has_aux=True)(new)


def _drawn_policy() -> dict[str, st.SearchStrategy[Any]]:
    return {"loc": vectors(2, -0.5, 0.5), "scale": vectors(2, 0.25, 0.75), "seed": seeds()}


@law(AbstractActorLoss, "shape", "a finite number of shape (), with finite gradients in the policy")
def _actor_loss_shape(actor_loss: AbstractActorLoss) -> None:
    def body(loc: Any, scale: Any, seed: Any) -> None:
        (loss, _), gradients = _actor_loss(actor_loss, loc, scale, jnp.array([0.5, -0.5]), seed)
        ensure(loss.shape == () and np.isfinite(loss), f"the loss {loss}")
        ensure(all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients)), f"the gradients {gradients}")

    for_all(body, 8, **_drawn_policy())


@law(AbstractActorLoss, "metrics", "entropy, kl and behind_gate of every state; the kl from the old policy itself is 0")
def _actor_loss_metrics(actor_loss: AbstractActorLoss) -> None:
    def body(loc: Any, scale: Any, seed: Any) -> None:
        metrics = _actor_loss(actor_loss, loc, scale, jnp.array([0.5, -0.5]), seed)[0][1]
        missing = {"entropy", "kl", "behind_gate"} - set(metrics)
        ensure(not missing, f"no {', '.join(sorted(missing))} among {', '.join(sorted(metrics))}")
        shapes = {name: metric.shape for name, metric in metrics.items()}
        ensure(all(shape == (_BATCH,) for shape in shapes.values()), f"shapes {shapes} for {_BATCH} states")
        ensure(np.abs(metrics["kl"]).max() < 1e-4, f"a kl of {np.abs(metrics['kl']).max()}")

    for_all(body, 8, **_drawn_policy())


@law(AbstractActorLoss, "improves", "its gradient moves the policy towards the action that the critic prefers")
def _actor_loss_improves(actor_loss: AbstractActorLoss) -> None:
    def body(loc: Any, scale: Any, seed: Any) -> None:
        best = np.array([0.95, -0.95], np.float32)
        gradient = np.asarray(_actor_loss(actor_loss, loc, scale, best, seed)[1][0])
        ensure(gradient @ (best - np.tanh(loc)) < 0, f"a gradient in the mean of {gradient} for the best action {best}")

    for_all(body, 8, **_drawn_policy())


def _far(seed: Any) -> tuple[Any, Any, list[Any]]:
    """An old policy of 16 actions, the best action, and new policies, nearly deterministic, far from the old.

    The first has moved away from the best action; the second has closed in on the worst that was taken.
    """
    random = np.random.default_rng(int(seed))
    loc, scale = (np.float32(random.uniform(*ends, 16)) for ends in ((-0.5, 0.5), (0.25, 0.75)))
    side = np.float32(random.choice([-1, 1], 16))
    drawn = np.asarray(_collected(loc, scale, seed))
    worst = drawn[np.argmax(np.sum((np.tanh(drawn) - 0.9 * side) ** 2, axis=1))]
    narrow = np.full(16, -9, np.float32)
    # Half a standard deviation off the worst action: at its center the density has no slope.
    policies = [(loc - side, narrow), (worst + side * np.exp(narrow) / 2, narrow)]
    return (loc, scale), 0.9 * side, policies


@law(AbstractActorLoss, "finite", "loss and gradients are finite however far the policy has moved")
def _actor_loss_finite(actor_loss: AbstractActorLoss) -> None:
    def body(out: float, log_scale: float, seed: Any) -> None:
        old, best, policies = _far(seed)
        for new in (*policies, (old[0] + np.float32(out), np.full(16, log_scale, np.float32))):
            (loss, _), gradients = _moved_loss(actor_loss, old, new, best, np.float32(1e-3), seed)
            ensure(np.isfinite(loss), f"the loss {loss}")
            ensure(all(np.isfinite(leaf).all() for leaf in gradients), f"the gradients {gradients}")

    for_all(body, 8, out=floats(-1000, 1000), log_scale=floats(-10, 4), seed=seeds())


@law(AbstractActorLoss, "way back", "however unlikely the actions taken have become, its gradient leads to better ones")
def _actor_loss_way_back(actor_loss: AbstractActorLoss) -> None:
    def body(seed: Any) -> None:
        old, best, policies = _far(seed)
        for new in policies:
            gradient = np.asarray(_moved_loss(actor_loss, old, new, best, np.float32(0), seed)[1][0], float)
            slope = gradient @ (best - np.tanh(new[0]))
            ensure(slope < 0, f"a slope of {slope} towards the best action, from a mean of {new[0]}")

    for_all(body, 8, seed=seeds())


@law(
    AbstractActorLoss, "bound", "where it has a bound, a heavy multiplier leads a policy beyond it back to the old one"
)
def _actor_loss_bound(actor_loss: AbstractActorLoss) -> None:
    if not np.isfinite(actor_loss.kl_bound):
        return

    def body(loc: Any, scale: Any, seed: Any) -> None:
        best = np.array([0.95, -0.95], np.float32)
        beyond = np.float32(np.sign(best) * scale * np.sqrt(8 * actor_loss.kl_bound))  # a KL of 8 times the bound
        moved = (loc + beyond, np.log(scale))
        zero, heavy = np.float32(0), np.float32(1e4)
        gradient = np.asarray(_weighted_loss(actor_loss, (loc, scale), moved, best, zero, heavy, seed)[1][0])
        ensure(gradient @ beyond > 0, f"a gradient in the mean of {gradient}, {beyond} away from the old one")

    for_all(body, 8, **_drawn_policy())
