"""For every law of which action a policy prefers one that breaks it."""

import dataclasses

import jax.numpy as jnp

from reppo.algorithms import AbstractPreference, BestOfDraws, GreedyPolicy, OwnMode
from reppo.distributions import TanhNormalHead
from reppo.rollout import AbstractPolicy
from tests.testing.wrong.changing import wrong


class Noisy(AbstractPolicy):
    """Prefers what it would draw."""

    policy: AbstractPolicy

    def __call__(self, memory, observation, key, deterministic):
        return self.policy(memory, observation, key, False)


def limited(self, policy, q):
    """Another policy than the one that was given."""
    return dataclasses.replace(policy, head=TanhNormalHead(max_action=0.01))


def against(self, policy, q):
    """The worst."""
    return GreedyPolicy(policy, lambda observation, action: -jnp.asarray(q(observation, action)), 16)


PREFERENCE = {
    (AbstractPreference, "possible"): wrong(OwnMode(), of=lambda self, policy, q: Noisy(policy)),
    (AbstractPreference, "collects"): wrong(OwnMode(), of=limited),
    (AbstractPreference, "no worse"): wrong(BestOfDraws(), of=against),
}
