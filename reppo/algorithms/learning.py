"""What algorithms with an actor and a critic share: their learner, and the actor's step."""

import dataclasses
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PyTree

from reppo.distributions import AbstractHead
from reppo.errors import require
from reppo.losses import AbstractActorLoss, AbstractMultiplier, FixedMultiplier, Minibatch, multiplier_gradients
from reppo.optimization import optimizer_step, trainable
from reppo.summary import Summary


@final
class Learner(eqx.Module):
    """The part of the state that minibatch updates change.

    Attributes:
        actor: the actor network.
        critic: the critic network.
        temperature: parameter of the temperature; None if it is fixed.
        kl_multiplier: parameter of the KL multiplier; None if it is fixed.
        actor_optimizer: optimizer state of the actor and of both multipliers.
        critic_optimizer: optimizer state of the critic.
    """

    actor: eqx.Module
    critic: eqx.Module
    temperature: Float[Array, ""] | None
    kl_multiplier: Float[Array, ""] | None
    actor_optimizer: PyTree
    critic_optimizer: PyTree


@final
class ActorParts(eqx.Module):
    """The slots that the actor's step is made of.

    Attributes:
        head: turns the actor's outputs into distributions.
        loss: what the actor minimizes.
        temperature: weight of the entropy.
        kl_multiplier: weight of the KL constraint.
        transform: moves the pair of the actor's parameters and the multipliers.
    """

    head: AbstractHead
    loss: AbstractActorLoss
    temperature: AbstractMultiplier
    kl_multiplier: AbstractMultiplier
    transform: optax.GradientTransformation

    def init(self, actor: eqx.Module, critic: eqx.Module, critic_transform: optax.GradientTransformation) -> Learner:
        """The learner before training.

        Args:
            actor: the actor network.
            critic: the critic network.
            critic_transform: moves its parameters.
        """
        multipliers: Any = (self.temperature.init(), self.kl_multiplier.init())
        return Learner(
            actor=actor,
            critic=critic,
            temperature=multipliers[0],
            kl_multiplier=multipliers[1],
            actor_optimizer=self.transform.init((trainable(actor), multipliers)),
            critic_optimizer=critic_transform.init(trainable(critic)),
        )

    def step(
        self, learner: Learner, critic: Any, batch: Minibatch, key: Key[Array, ""]
    ) -> tuple[Learner, dict[str, Summary]]:
        """One gradient step of the actor, and one of the multipliers by what the actor's loss saw.

        Args:
            learner: before the step.
            critic: what the loss asks for values of actions; None where there is no such critic.
            batch: the minibatch.
            key: consumed.
        """
        temperature = self.temperature.value(learner.temperature)
        kl_multiplier = self.kl_multiplier.value(learner.kl_multiplier)

        def loss(actor: Any) -> tuple[Float[Array, ""], dict[str, Float[Array, " rows"]]]:
            new = jax.vmap(lambda observation: self.head(actor(observation)))(batch.observation.actor)
            return self.loss(new, critic, batch, temperature, kl_multiplier, key)

        (value, seen), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(learner.actor)
        means = {name: one.mean() for name, one in seen.items()}
        slacks = (means["entropy"] - self.head.aimed_entropy(batch.old), self.loss.kl_bound - means["kl"])
        multipliers = (learner.temperature, learner.kl_multiplier)
        multiplier_gradient = multiplier_gradients((self.temperature, self.kl_multiplier), multipliers, slacks)
        (actor, multipliers), optimizer = optimizer_step(
            self.transform, (gradient, multiplier_gradient), learner.actor_optimizer, (learner.actor, multipliers)
        )
        metrics = {
            "actor/loss": Summary.of(value),
            **{f"actor/{name}": Summary.of(mean) for name, mean in means.items()},
            "actor/gradient_norm": Summary.of(optax.tree.norm(gradient)),
            "actor/temperature": Summary.of(jnp.asarray(temperature)),
            "actor/kl_multiplier": Summary.of(jnp.asarray(kl_multiplier)),
        }
        learner = dataclasses.replace(
            learner,
            actor=actor,
            actor_optimizer=optimizer,
            temperature=multipliers[0],
            kl_multiplier=multipliers[1],
        )
        return learner, metrics


def require_common(algorithm: Any) -> None:
    """Checks the fields that such algorithms have in common.

    Args:
        algorithm: with numbers of environments and steps, discount, scale of rewards, batches, and the actor's slots.

    Raises:
        ConfigurationError: if one is out of its range, or batches or multiplier do not go with the others.
    """
    sizes = {"num_environments": algorithm.num_environments, "rollout_length": algorithm.rollout_length}
    for name, size in sizes.items():
        require(size >= 1, f"{name} is {size}; give at least 1.")
    require(0 <= algorithm.gamma <= 1, f"gamma is {algorithm.gamma!s}; give one in [0, 1].")
    require(algorithm.reward_scale > 0, f"reward_scale is {algorithm.reward_scale!s}; give a positive one.")
    algorithm.batches.check(algorithm.steps_per_iteration)
    require(
        bool(np.isfinite(algorithm.actor_loss.kl_bound)) or isinstance(algorithm.kl_multiplier, FixedMultiplier),
        "The KL multiplier is learned, but the actor's objective has no bound for it to aim at. "
        "Set algorithm.kl_multiplier=FixedMultiplier(0).",
    )
