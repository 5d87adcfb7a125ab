"""The catalog of ablations: one module a theme, each a list of questions."""

from . import (
    actor,
    auxiliary,
    critic,
    entropy,
    kl,
    network,
    normalization,
    observations,
    optimizer,
    policy,
    ppo,
    targets,
    updates,
    value,
)

__all__ = [
    "actor",
    "auxiliary",
    "critic",
    "entropy",
    "kl",
    "network",
    "normalization",
    "observations",
    "optimizer",
    "policy",
    "ppo",
    "targets",
    "updates",
    "value",
]
