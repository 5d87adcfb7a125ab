"""Normalization layers: a builder each, `NoNorm` among them."""

from abc import abstractmethod
from typing import final

import equinox as eqx

from reppo.component import Component


class AbstractNorm(Component):
    """Builds a normalization layer, placed before an activation."""

    @abstractmethod
    def build(self, size: int) -> eqx.Module:
        """A layer from `[size]` to `[size]`.

        Args:
            size: the length of what is normalized, at least 1.
        """


@final
class RMSNorm(AbstractNorm):
    """Divides by the root mean square, then scales (Zhang & Sennrich 2019, arXiv 1910.07467).

    The reference implementation's choice; the paper's text says layer normalization.
    """

    def build(self, size: int) -> eqx.Module:
        return eqx.nn.RMSNorm(size, eps=1e-6, use_bias=False)


@final
class LayerNorm(AbstractNorm):
    """Subtracts the mean, divides by the standard deviation, scales and shifts (Ba et al. 2016, arXiv 1607.06450)."""

    def build(self, size: int) -> eqx.Module:
        return eqx.nn.LayerNorm(size, eps=1e-6)


@final
class NoNorm(AbstractNorm):
    """No normalization."""

    def build(self, size: int) -> eqx.Module:
        return eqx.nn.Identity()
