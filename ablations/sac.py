"""What SAC is made of: its critics, the network of its targets, its memory, and parts of REPPO in it."""

from typing import Any

from reppo.ablation import ablation
from reppo.algorithms import Sac
from reppo.losses import ClippedKL, HLGauss, LearnedMultiplier, MeanValue, SupportFromRewards
from reppo.networks import RMSNorm
from reppo.optimization import NoTargetNetwork
from reppo.replay import UniformReplay
from reppo.spec import Spec

from .edit import replace, require_algorithm

NORMS = ["algorithm.actor.norm", "algorithm.critic.norm"]
OBJECTIVE, KL_MULTIPLIER = "algorithm.actor_loss.objective", "algorithm.kl_multiplier"


@ablation(
    "sac/one_critic",
    question="Does SAC need two critics?",
    touches=["algorithm.num_critics"],
    reference="arXiv 1802.09477",
    expects="worse",
)
def one_critic(spec: Spec) -> Spec:
    """One critic: nothing to be pessimistic with."""
    _require_sac(spec)
    return replace(spec, {"algorithm.num_critics": 1})


@ablation(
    "sac/mean_of_critics",
    question="Is it the least of the critics that helps, or that there are several?",
    touches=["algorithm.pessimism"],
    reference="arXiv 1802.09477",
    expects="worse",
)
def mean_of_critics(spec: Spec) -> Spec:
    """The mean of the critics in targets and to the policy."""
    return replace(spec, {"algorithm.pessimism": MeanValue()})


@ablation(
    "sac/no_target_network",
    question="Does SAC need a target network?",
    touches=["algorithm.target_network"],
    reference="arXiv 1509.02971",
    expects="worse",
)
def no_target_network(spec: Spec) -> Spec:
    """Targets are made with the critics that are trained."""
    return replace(spec, {"algorithm.target_network": NoTargetNetwork()})


@ablation(
    "sac/three_step_returns",
    question="Do several rewards before the critics are asked help?",
    touches=["algorithm.return_steps"],
    reference="arXiv 1710.02298",
)
def three_step_returns(spec: Spec) -> Spec:
    """Three rewards; the actions behind the later ones are those of older policies, which nothing corrects."""
    _require_sac(spec)
    return replace(spec, {"algorithm.return_steps": 3})


@ablation(
    "sac/delayed_actor",
    question="Should the policy wait for the critics?",
    touches=["algorithm.actor_interval"],
    reference="arXiv 1802.09477",
    expects="same",
)
def delayed_actor(spec: Spec) -> Spec:
    """A step of the policy for every two of the critics."""
    _require_sac(spec)
    return replace(spec, {"algorithm.actor_interval": 2})


@ablation(
    "sac/short_memory",
    question="How much do old data give?",
    touches=["algorithm.replay"],
    reference="arXiv 2007.06700",
    expects="worse",
)
def short_memory(spec: Spec) -> Spec:
    """The buffer has room for eight rollouts, or for twice what learning waits for if that is more."""
    _require_sac(spec)
    it: Any = spec.algorithm
    least = UniformReplay.least_capacity(it.num_environments, it.rollout_length, it.learning_starts)
    return replace(spec, {"algorithm.replay": UniformReplay(max(8 * it.steps_per_iteration, least))})


@ablation(
    "sac/categorical_value",
    question="Does SAC gain by the categorical critic of REPPO?",
    touches=["algorithm.value"],
    reference="arXiv 2403.03950",
    expects="better",
)
def categorical_value(spec: Spec) -> Spec:
    """HL-Gauss over 51 bins; the support is that of the task's returns."""
    _require_sac(spec)
    return replace(spec, {"algorithm.value": HLGauss(support=SupportFromRewards(), num_bins=51)})


@ablation(
    "sac/normalization_layers",
    question="Does SAC gain by the normalization layers of REPPO?",
    touches=NORMS,
    reference="arXiv 2507.11019",
    expects="better",
)
def normalization_layers(spec: Spec) -> Spec:
    """RMSNorm before each activation of all networks, but the critics' last."""
    _require_sac(spec)
    return replace(spec, dict.fromkeys(NORMS, RMSNorm()))


@ablation(
    "sac/kl_gate",
    question="Does the constraint of REPPO help off-policy?",
    touches=[OBJECTIVE, KL_MULTIPLIER],
    reference="arXiv 2507.11019",
)
def kl_gate(spec: Spec) -> Spec:
    """Within an iteration the policy stays within a KL of 0.1 of the one that collected, by a learned multiplier."""
    _require_sac(spec)
    return replace(spec, {OBJECTIVE: ClippedKL(0.1), KL_MULTIPLIER: LearnedMultiplier(0.01)})


def _require_sac(spec: Spec) -> None:
    require_algorithm(spec, Sac, "parts of SAC")
