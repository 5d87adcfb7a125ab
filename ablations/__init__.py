"""The catalog of ablations: one module a theme, each a list of questions."""

from . import (
    actor,
    auxiliary,
    choices,
    critic,
    entropy,
    kl,
    network,
    normalization,
    observations,
    optimizer,
    policy,
    ppo,
    sac,
    targets,
    updates,
    value,
)

__all__ = [
    "actor",
    "auxiliary",
    "choices",
    "critic",
    "entropy",
    "kl",
    "network",
    "normalization",
    "observations",
    "optimizer",
    "policy",
    "ppo",
    "sac",
    "targets",
    "updates",
    "value",
]
