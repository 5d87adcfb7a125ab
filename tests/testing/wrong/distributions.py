"""For every law of heads and scales one that breaks it."""

import jax
import jax.numpy as jnp

from reppo.distributions import AbstractHead, AbstractScale, FreeScale, StateScale, TanhNormal, TanhNormalHead
from tests.testing.wrong.changing import calls, wrong


def head(**methods):
    """A head whose distribution has other methods."""

    def rule(self, outputs):
        return wrong(TanhNormalHead.__call__(self, outputs), **methods)

    return calls(TanhNormalHead(), rule)


def unbounded(self, key):
    u = self.draw(key)
    return u, self.log_prob_of_draw(u)


def without_determinant(self, key):
    u = self.draw(key)
    return jnp.tanh(u), jnp.sum(-0.5 * ((u - self.loc) / self.scale) ** 2 - jnp.log(self.scale) - 0.9189385)


def dead_beyond_limits(self, outputs):
    loc, log_std = jnp.split(outputs, 2)
    return TanhNormal(loc, jnp.exp(jnp.clip(log_std, -10.0, 4.0)))


HEADS = {
    (AbstractHead, "shape"): wrong(TanhNormalHead(), size=lambda self, space: 2.0 * space.size),
    (AbstractHead, "bounds"): head(sample_and_log_prob=unbounded),
    (AbstractHead, "finite"): calls(
        TanhNormalHead(), lambda self, o: TanhNormal(o[: o.size // 2], jnp.exp(o[o.size // 2 :]))
    ),
    (AbstractHead, "way back"): calls(TanhNormalHead(), dead_beyond_limits),
    (AbstractHead, "density"): head(sample_and_log_prob=without_determinant),
    (AbstractHead, "normalized"): head(log_prob=lambda self, action: 1 + TanhNormal.log_prob(self, action)),
    (AbstractHead, "entropy"): head(entropy=lambda self, key: jnp.zeros(())),
    (AbstractHead, "pathwise"): head(sample=lambda self, key: jax.lax.stop_gradient(TanhNormal.sample(self, key))),
    (AbstractHead, "itself"): head(kl=lambda self, other: jnp.sum(self.scale / other.scale)),
    (AbstractScale, "shape"): calls(StateScale(), lambda self, outputs, actions: outputs),
    (AbstractScale, "own"): calls(StateScale(), lambda self, outputs, actions: jax.nn.softmax(outputs)),
    (AbstractScale, "free"): wrong(FreeScale(), free=lambda self, actions: jnp.zeros(1)),
}
