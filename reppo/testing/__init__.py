"""Laws of every slot, to hold a component of one's own against, and hypothesis strategies to test it with.

`check(component)` holds a component against the laws of the slot that it fills. An error says which law is broken, and
at which input: the smallest one found. A component that breaks a law on purpose is excused by the name of the law:
`check(component, skip=["closed"])`. The library's own components are held against the same laws.

This is the only part of the library that needs hypothesis.
"""

try:
    import hypothesis as _hypothesis  # noqa: F401
except ImportError as error:
    raise ImportError("reppo.testing needs hypothesis, which only tests need: pip install hypothesis") from error

from reppo.testing import choices as _choices  # noqa: F401
from reppo.testing.actor import check_actor_loss
from reppo.testing.check import CHECKS, check
from reppo.testing.critic import (
    check_auxiliary,
    check_mask,
    check_smoothness,
    check_support,
    check_value,
    check_value_loss,
)
from reppo.testing.distributions import check_head, check_scale
from reppo.testing.divergences import check_divergence
from reppo.testing.environments import check_environment
from reppo.testing.exploration import check_exploration
from reppo.testing.gates import check_gate
from reppo.testing.inputs import check_action_place, check_trunk
from reppo.testing.laws import LAWS, Law
from reppo.testing.multipliers import check_multiplier
from reppo.testing.networks import (
    check_activation,
    check_actor,
    check_critic,
    check_embedding,
    check_initializer,
    check_layers,
    check_norm,
    check_offset,
)
from reppo.testing.normalization import check_normalizer, check_reward_scaling
from reppo.testing.objectives import check_objective
from reppo.testing.optimization import (
    check_annealing,
    check_batches,
    check_clip,
    check_multiplier_optimizer,
    check_optimizer,
    check_step_order,
    check_stop,
)
from reppo.testing.policies import check_policy
from reppo.testing.preference import check_preference
from reppo.testing.replay import check_backup, check_pessimism, check_replay, check_target_network
from reppo.testing.sharing import check_sharing
from reppo.testing.strategies import (
    Rows,
    components,
    distributions,
    floats,
    observations,
    rows,
    seeds,
    shipped,
    small,
    specs,
    trajectories,
    vectors,
)
from reppo.testing.surrogates import check_advantages, check_surrogate
from reppo.testing.targets import check_entropy_bonus, check_next_value, check_targets, check_truncation

__all__ = [
    "CHECKS",
    "LAWS",
    "Law",
    "Rows",
    "check",
    "check_action_place",
    "check_activation",
    "check_actor",
    "check_actor_loss",
    "check_advantages",
    "check_annealing",
    "check_auxiliary",
    "check_backup",
    "check_batches",
    "check_clip",
    "check_critic",
    "check_divergence",
    "check_embedding",
    "check_entropy_bonus",
    "check_environment",
    "check_exploration",
    "check_gate",
    "check_head",
    "check_initializer",
    "check_layers",
    "check_mask",
    "check_multiplier",
    "check_multiplier_optimizer",
    "check_next_value",
    "check_norm",
    "check_normalizer",
    "check_objective",
    "check_offset",
    "check_optimizer",
    "check_pessimism",
    "check_policy",
    "check_preference",
    "check_replay",
    "check_reward_scaling",
    "check_scale",
    "check_sharing",
    "check_smoothness",
    "check_step_order",
    "check_stop",
    "check_support",
    "check_surrogate",
    "check_target_network",
    "check_targets",
    "check_truncation",
    "check_trunk",
    "check_value",
    "check_value_loss",
    "components",
    "distributions",
    "floats",
    "observations",
    "rows",
    "seeds",
    "shipped",
    "small",
    "specs",
    "trajectories",
    "vectors",
]
