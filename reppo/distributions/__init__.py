"""Policies' distributions over actions in [-1, 1], and the heads that make them of a network's outputs."""

from reppo.distributions.heads import AbstractHead, TanhNormalHead
from reppo.distributions.tanh_normal import TanhNormal, undo_tanh

__all__ = ["AbstractHead", "TanhNormal", "TanhNormalHead", "undo_tanh"]
