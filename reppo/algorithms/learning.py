"""What algorithms with an actor and a critic share: their learner, and the steps of both networks."""

import dataclasses
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Scalar
from reppo.distributions import AbstractHead
from reppo.errors import require
from reppo.losses import AbstractActorLoss, AbstractMultiplier, FixedMultiplier, Minibatch, multiplier_gradients
from reppo.networks import ROWS, learning, normalizes_batches
from reppo.optimization import gradient_norm, optimizer_step, trainable
from reppo.summary import Summary
from reppo.watched import Watched

CRITIC_WATCHED = (
    Watched(
        "targets/outside_support",
        "targets outside the support",
        needs="support",
        warn_above=0.01,
        warning="Value targets lay outside the support, where the critic cannot follow them",
    ),
    Watched("critic/explained_variance", "explained variance"),
    Watched("critic/gradient_norm", "critic gradient norm", logarithmic=True),
)
"""What is watched of a critic and its targets."""

Weights = tuple[Float[Array, ""] | Scalar, Float[Array, ""] | Scalar]
"""Temperature and KL multiplier."""

RowLosses = Callable[[Any, Minibatch, Key[Array, ""]], tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]]
"""From a critic network, one row and a key to the loss of its value, all other losses, and the value."""

CriticRows = tuple[Float[Array, " rows"], Float[Array, " rows"], Float[Array, " rows"]]
"""Those of every row."""


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
        weights = self.weights(learner)
        loss = lambda actor: self.objective(actor, critic, batch, weights, key)
        (value, seen), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(learner.actor)
        return self.moved(learner, batch, gradient, weights, value, seen)

    def weights(self, learner: Learner) -> Weights:
        """Temperature and KL multiplier."""
        return self.temperature.value(learner.temperature), self.kl_multiplier.value(learner.kl_multiplier)

    def objective(
        self, actor: Any, critic: Any, batch: Minibatch, weights: Weights, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, " rows"]]]:
        """The loss of an actor network, and what it saw of every row.

        Args:
            actor: what is differentiated.
            critic: as for `step`.
            batch: the minibatch.
            weights: temperature and KL multiplier.
            key: consumed.
        """
        actor = learning(actor)
        new = jax.vmap(lambda observation: self.head(actor(observation)), axis_name=ROWS)(batch.observation.actor)
        return self.loss(new, critic, batch, *weights, key)

    def moved(
        self,
        learner: Learner,
        batch: Minibatch,
        gradient: Any,
        weights: Weights,
        value: Float[Array, ""],
        seen: dict[str, Float[Array, " rows"]],
    ) -> tuple[Learner, dict[str, Summary]]:
        """The learner after a step, and the metrics.

        Args:
            learner: before the step.
            batch: the minibatch.
            gradient: of the loss, in what `learner.actor` is.
            weights: temperature and KL multiplier.
            value: the loss.
            seen: what it saw of every row.
        """
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
            "actor/gradient_norm": Summary.of(gradient_norm(gradient)),
            "actor/temperature": Summary.of(jnp.asarray(weights[0])),
            "actor/kl_multiplier": Summary.of(jnp.asarray(weights[1])),
        }
        learner = dataclasses.replace(
            learner,
            actor=actor,
            actor_optimizer=optimizer,
            temperature=multipliers[0],
            kl_multiplier=multipliers[1],
        )
        return learner, metrics


def critic_step(
    learner: Learner,
    batch: Minibatch,
    row_losses: RowLosses,
    transform: optax.GradientTransformation,
    says: str,
    key: Key[Array, ""],
) -> tuple[Learner, dict[str, Summary]]:
    """One gradient step of the critic, over the rows that count.

    Args:
        learner: before the step.
        batch: the minibatch.
        row_losses: what the critic says of a row, and what that costs.
        transform: moves its parameters.
        says: what its value is called among the metrics, such as `q`.
        key: consumed.
    """
    loss = lambda critic: critic_loss(critic, batch, row_losses, key)
    gradient, rows = eqx.filter_grad(loss, has_aux=True)(learner.critic)
    critic, optimizer = optimizer_step(transform, gradient, learner.critic_optimizer, learner.critic)
    metrics = critic_metrics(rows, batch, gradient, says)
    return dataclasses.replace(learner, critic=critic, critic_optimizer=optimizer), metrics


def critic_loss(
    critic: Any, batch: Minibatch, row_losses: RowLosses, key: Key[Array, ""]
) -> tuple[Float[Array, ""], CriticRows]:
    """The loss of a critic network over the rows that count, and what it is made of.

    Args:
        critic: what is differentiated.
        batch: the minibatch.
        row_losses: what the critic says of a row, and what that costs.
        key: consumed.
    """
    critic, keys = learning(critic), jax.random.split(key, batch.size)
    losses = jax.vmap(lambda row, key: row_losses(critic, row, key), axis_name=ROWS)(batch, keys)
    return jnp.mean(jnp.where(batch.counts, losses[0] + losses[1], 0.0)), losses


def critic_metrics(rows: CriticRows, batch: Minibatch, gradient: Any, says: str) -> dict[str, Summary]:
    """The metrics of a step of the critic, over the rows that count.

    Args:
        rows: what `critic_loss` is made of.
        batch: the minibatch.
        gradient: of the critic's parameters.
        says: what its value is called, such as `q`.
    """
    value_loss, auxiliary_loss, value = rows
    number = jnp.maximum(jnp.sum(batch.counts), 1)
    mean = lambda x: jnp.sum(jnp.where(batch.counts, x, 0.0)) / number  # over the rows that the critic learns from
    variance = lambda x: mean((x - mean(x)) ** 2)
    return {
        "critic/loss": Summary.of(mean(value_loss)),
        "critic/auxiliary_loss": Summary.of(mean(auxiliary_loss)),
        f"critic/{says}": Summary.of(mean(value)),
        "critic/explained_variance": Summary.of(1 - variance(batch.target - value) / (variance(batch.target) + 1e-8)),
        "critic/gradient_norm": Summary.of(gradient_norm(gradient)),
    }


def require_sizes(algorithm: Any) -> None:
    """Checks the fields that all algorithms have in common.

    Args:
        algorithm: with numbers of environments and steps, discount, and scale of rewards.

    Raises:
        ConfigurationError: if one is out of its range.
    """
    sizes = {"num_environments": algorithm.num_environments, "rollout_length": algorithm.rollout_length}
    for name, size in sizes.items():
        require(size >= 1, f"{name} is {size}; give at least 1.")
    require(0 <= algorithm.gamma <= 1, f"gamma is {algorithm.gamma!s}; give one in [0, 1].")
    require(algorithm.reward_scale > 0, f"reward_scale is {algorithm.reward_scale!s}; give a positive one.")


def require_comparable(algorithm: Any) -> None:
    """Checks that the policy is the one that acted as long as its weights are the same.

    Args:
        algorithm: with the slot of an actor's network, whose loss compares the two.

    Raises:
        ConfigurationError: if the network is normalized by its minibatches while it learns.
    """
    require(
        not normalizes_batches(algorithm.actor),
        "The actor has BatchNorm(), by which its loss normalizes each minibatch in another way than the policy that "
        "acted, so that the two differ at the same weights; and here they are compared. Choose another norm for "
        "algorithm.actor, such as RMSNorm().",
    )


def require_bound(algorithm: Any) -> None:
    """Checks that a learned multiplier has something to aim at.

    Args:
        algorithm: with the slots of an actor's loss and of its multiplier.

    Raises:
        ConfigurationError: if the actor's loss has no bound.
    """
    require(
        bool(np.isfinite(algorithm.actor_loss.kl_bound)) or isinstance(algorithm.kl_multiplier, FixedMultiplier),
        "The KL multiplier is learned, but the actor's objective has no bound for it to aim at. "
        "Set algorithm.kl_multiplier=FixedMultiplier(0).",
    )
