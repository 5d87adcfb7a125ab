"""The catalog of ablations: one module a theme, each a list of questions."""

from ablations import kl, normalization, value

__all__ = ["kl", "normalization", "value"]
