"""One check for any component."""

from collections.abc import Callable, Collection
from typing import Any

from reppo.algorithms import AbstractExploration, AbstractPreference, AbstractSharing
from reppo.distributions import AbstractHead, AbstractScale
from reppo.environments import AbstractEnvironment, AbstractEnvironmentSpec
from reppo.losses import (
    AbstractActorLoss,
    AbstractAdvantages,
    AbstractAuxiliary,
    AbstractBackup,
    AbstractDivergence,
    AbstractGate,
    AbstractMask,
    AbstractMultiplier,
    AbstractObjective,
    AbstractPessimism,
    AbstractSmoothness,
    AbstractSupport,
    AbstractSurrogate,
    AbstractValue,
    AbstractValueLoss,
)
from reppo.networks import (
    AbstractActionPlace,
    AbstractActivation,
    AbstractActorBuilder,
    AbstractCriticBuilder,
    AbstractEmbedding,
    AbstractInitializer,
    AbstractLayers,
    AbstractNorm,
    AbstractOffset,
    AbstractTrunk,
)
from reppo.normalization import AbstractNormalizer, AbstractRewardScaling
from reppo.optimization import (
    AbstractAnnealing,
    AbstractBatches,
    AbstractClip,
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    AbstractStepOrder,
    AbstractStop,
    AbstractTargetNetwork,
)
from reppo.replay import AbstractReplay
from reppo.targets import AbstractEntropyBonus, AbstractNextValue, AbstractTargets, AbstractTruncation
from reppo.testing import (
    actor,
    critic,
    distributions,
    divergences,
    environments,
    exploration,
    gates,
    inputs,
    multipliers,
    networks,
    normalization,
    objectives,
    optimization,
    preference,
    replay,
    sharing,
    surrogates,
    targets,
)

CHECKS: dict[type, Callable[..., None]] = {
    AbstractActionPlace: inputs.check_action_place,
    AbstractActivation: networks.check_activation,
    AbstractActorBuilder: networks.check_actor,
    AbstractActorLoss: actor.check_actor_loss,
    AbstractAdvantages: surrogates.check_advantages,
    AbstractAnnealing: optimization.check_annealing,
    AbstractAuxiliary: critic.check_auxiliary,
    AbstractBackup: replay.check_backup,
    AbstractClip: optimization.check_clip,
    AbstractCriticBuilder: networks.check_critic,
    AbstractDivergence: divergences.check_divergence,
    AbstractEmbedding: networks.check_embedding,
    AbstractEntropyBonus: targets.check_entropy_bonus,
    AbstractEnvironment: environments.check_environment,
    AbstractEnvironmentSpec: environments.check_environment,
    AbstractGate: gates.check_gate,
    AbstractHead: distributions.check_head,
    AbstractInitializer: networks.check_initializer,
    AbstractLayers: networks.check_layers,
    AbstractMask: critic.check_mask,
    AbstractMultiplier: multipliers.check_multiplier,
    AbstractNextValue: targets.check_next_value,
    AbstractNorm: networks.check_norm,
    AbstractNormalizer: normalization.check_normalizer,
    AbstractObjective: objectives.check_objective,
    AbstractOffset: networks.check_offset,
    AbstractOptimizer: optimization.check_optimizer,
    # After AbstractOptimizer, which is one too.
    AbstractMultiplierOptimizer: optimization.check_multiplier_optimizer,
    AbstractBatches: optimization.check_batches,
    AbstractPessimism: replay.check_pessimism,
    AbstractExploration: exploration.check_exploration,
    AbstractPreference: preference.check_preference,
    AbstractReplay: replay.check_replay,
    AbstractRewardScaling: normalization.check_reward_scaling,
    AbstractScale: distributions.check_scale,
    AbstractSharing: sharing.check_sharing,
    AbstractStepOrder: optimization.check_step_order,
    AbstractSmoothness: critic.check_smoothness,
    AbstractStop: optimization.check_stop,
    AbstractSupport: critic.check_support,
    AbstractSurrogate: surrogates.check_surrogate,
    AbstractTargetNetwork: replay.check_target_network,
    AbstractTargets: targets.check_targets,
    AbstractTruncation: targets.check_truncation,
    AbstractTrunk: inputs.check_trunk,
    AbstractValue: critic.check_value,
    AbstractValueLoss: critic.check_value_loss,
}
"""The check of each slot, by the abstract class of its components."""


def check(component: Any, *, skip: Collection[str] = ()) -> None:
    """Holds a component against the laws of the slot that it fills.

    Args:
        component: any component of a slot in `CHECKS`. Policies need `check_policy`, which is told what they observe.
        skip: names of laws that it breaks on purpose; `LAWS` lists them.

    Raises:
        AssertionError: if it breaks another law; says which, and at which input. Also if there are no laws for it.
    """
    for slot, one in CHECKS.items():
        if isinstance(component, slot):
            return one(component, skip=skip)
    raise AssertionError(
        f"There are no laws for {component!r}: it fills none of {', '.join(s.__name__ for s in CHECKS)}."
    )
