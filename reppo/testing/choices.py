"""Laws of actor losses and of next values, where actions are a discrete set."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.distributions import Categorical
from reppo.environments import Observation
from reppo.losses import AbstractActorLoss, Minibatch
from reppo.targets import AbstractNextValue, Taken
from reppo.testing.laws import ensure, for_all, law
from reppo.testing.strategies import goes_with_choices, seeds, vectors

_BATCH = _SAMPLES = 256


@eqx.filter_jit
def _chosen_loss(actor_loss: AbstractActorLoss, logits: Any, values: Any, seed: Any) -> Any:
    """Loss, metrics and gradient in the logits, at the old policy itself, where every action has a value of its own."""
    old = Categorical(logits)
    drawn = jax.vmap(old.draw)(jax.random.split(jax.random.key(seed), _BATCH))
    repeated = lambda x: jnp.broadcast_to(x, (_BATCH, *x.shape))
    batch = Minibatch(
        observation=Observation(jnp.zeros((_BATCH, 1))),
        action=jax.vmap(old.action_of)(drawn),
        drawn=drawn,
        old=jax.vmap(Categorical)(repeated(logits)),
        target=values[drawn],
        advantage=values[drawn],
    )

    def loss(logits: Any) -> Any:
        critic = lambda _, action: jnp.sum(values * action)
        key = jax.random.fold_in(jax.random.key(seed), 1)
        policy = jax.vmap(Categorical)(repeated(logits))
        return actor_loss(policy, critic, batch, jnp.float32(1e-3), jnp.float32(1.0), key)

    return jax.value_and_grad(loss, has_aux=True)(logits)


@law(AbstractActorLoss, "choices", "where it goes with discrete actions: finite, and towards the best of them")
def _actor_loss_choices(actor_loss: AbstractActorLoss) -> None:
    if not goes_with_choices(actor_loss):
        return

    def body(logits: Any, best: int, seed: Any) -> None:
        (loss, metrics), gradient = _chosen_loss(actor_loss, logits, np.eye(3, dtype=np.float32)[best], seed)
        ensure(loss.shape == () and np.isfinite(loss) and np.isfinite(gradient).all(), f"{loss}, gradient {gradient}")
        ensure(np.abs(metrics["kl"]).max() < 1e-4, f"a kl of {np.abs(metrics['kl']).max()}")
        ensure(gradient[best] < min(np.delete(gradient, best)), f"the gradient {gradient} for the best action {best}")

    for_all(body, 8, logits=vectors(3, -0.5, 0.5), best=st.integers(0, 2), seed=seeds())


@eqx.filter_jit
def _chosen_estimates(next_value: AbstractNextValue, logits: Any, values: Any, continues: Any, seed: Any) -> Any:
    """Estimates with many keys, where every action has a value of its own, which is the embedding as well."""
    distribution = Categorical(logits)

    def one(key: Any) -> Any:
        drawn = distribution.draw(jax.random.fold_in(key, 1))
        evaluate = lambda action: (jnp.sum(values * action), jnp.sum(values * action)[None])
        return next_value(distribution, evaluate, Taken(distribution.action_of(drawn), drawn), continues, key)

    return jax.vmap(one)(jax.random.split(jax.random.key(seed), _SAMPLES))


@law(
    AbstractNextValue,
    "choices",
    "where it goes with discrete actions: the means of value and log-density are those of the policy, or of its mode",
)
def _next_choices(next_value: AbstractNextValue) -> None:
    if not goes_with_choices(next_value):
        return

    def body(logits: Any, values: Any, continues: bool, seed: Any) -> None:
        made = _chosen_estimates(next_value, logits, values, np.array(continues), seed)
        probabilities = np.exp(logits.astype(float) - np.logaddexp.reduce(logits.astype(float)))
        for name, each in (("value", values), ("log_prob", np.log(probabilities))):
            found = np.asarray(getattr(made, name), float)
            error = 5 * found.std() / _SAMPLES**0.5 + 1e-3 * (1 + np.abs(each).max())
            wanted = [probabilities @ each, each[np.argmax(logits)]] if name == "value" else [probabilities @ each]
            ensure(min(abs(found.mean() - one) for one in wanted) < error, f"a mean {name} of {found.mean()}: {wanted}")

    for_all(body, 8, logits=vectors(3, -2, 2), values=vectors(3), continues=st.booleans(), seed=seeds())
