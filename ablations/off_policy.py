"""What SAC and TD3 are made of: their critics, the network of the targets, the memory, and parts of REPPO in them."""

from typing import Any

from reppo.ablation import ablation
from reppo.algorithms import AbstractOffPolicy
from reppo.errors import require
from reppo.losses import (
    DistributionBackup,
    HLGauss,
    MeanBackup,
    MeanValue,
    ScalarValue,
    TwoHot,
)
from reppo.networks import BatchNorm, RMSNorm
from reppo.optimization import NoTargetNetwork
from reppo.presets.fitting import fitting_support
from reppo.replay import UniformReplay
from reppo.spec import Spec

from .edit import replace, require_algorithm

NORMS = ["algorithm.actor.norm", "algorithm.critic.norm"]
CRITICS_LEARN = ["algorithm.value", "algorithm.backup"]


@ablation(
    "off_policy/one_critic",
    question="Are two critics needed?",
    touches=["algorithm.num_critics"],
    reference="arXiv 1802.09477",
    expects="worse",
)
def one_critic(spec: Spec) -> Spec:
    """One critic: nothing to be pessimistic with."""
    return replace(spec, {"algorithm.num_critics": 1})


@ablation(
    "off_policy/mean_of_critics",
    question="Is it the least of the critics that helps, or that there are several?",
    touches=["algorithm.pessimism"],
    reference="arXiv 1802.09477",
    expects="worse",
)
def mean_of_critics(spec: Spec) -> Spec:
    """The mean of the critics in targets and to the policy."""
    return replace(spec, {"algorithm.pessimism": MeanValue()})


@ablation(
    "off_policy/no_target_network",
    question="Is a target network needed?",
    touches=["algorithm.target_network"],
    reference="arXiv 1509.02971",
    expects="worse",
)
def no_target_network(spec: Spec) -> Spec:
    """Targets are made with the critics that are trained."""
    return replace(spec, {"algorithm.target_network": NoTargetNetwork()})


@ablation(
    "off_policy/one_step_returns",
    question="Is it worth it that targets hold the actions of older policies?",
    touches=["algorithm.return_steps"],
    reference="arXiv 1710.02298",
)
def one_step_returns(spec: Spec) -> Spec:
    """One reward: no action of an older policy is in any target."""
    return replace(spec, {"algorithm.return_steps": 1})


@ablation(
    "off_policy/three_step_returns",
    question="Do several rewards before the critics are asked help?",
    touches=["algorithm.return_steps"],
    reference="arXiv 1710.02298",
)
def three_step_returns(spec: Spec) -> Spec:
    """Three rewards; the actions behind the later ones are those of older policies, which nothing corrects."""
    return replace(spec, {"algorithm.return_steps": 3})


@ablation(
    "off_policy/delayed_actor",
    question="Should the policy wait for the critics?",
    touches=["algorithm.actor_interval"],
    reference="arXiv 1802.09477",
    expects="same",
)
def delayed_actor(spec: Spec) -> Spec:
    """A step of the policy for every two of the critics."""
    return replace(spec, {"algorithm.actor_interval": 2})


@ablation(
    "off_policy/eager_actor",
    question="Does it help that the policy waits for the critics?",
    touches=["algorithm.actor_interval"],
    reference="arXiv 1802.09477",
    expects="worse",
)
def eager_actor(spec: Spec) -> Spec:
    """A step of the policy for every one of the critics."""
    return replace(spec, {"algorithm.actor_interval": 1})


@ablation(
    "off_policy/short_memory",
    question="How much do old data give?",
    touches=["algorithm.replay"],
    reference="arXiv 2007.06700",
    expects="worse",
)
def short_memory(spec: Spec) -> Spec:
    """The buffer has room for eight rollouts, or for twice what learning waits for if that is more."""
    _require_off_policy(spec)
    it: Any = spec.algorithm
    least = UniformReplay.least_capacity(it.num_environments, it.rollout_length, it.learning_starts)
    return replace(spec, {"algorithm.replay": UniformReplay(max(8 * it.steps_per_iteration, least))})


@ablation(
    "off_policy/scalar_critic",
    question="Is it the histogram that makes the critics learnable?",
    touches=CRITICS_LEARN,
    reference="arXiv 2403.03950",
    expects="worse",
)
def scalar_critic(spec: Spec) -> Spec:
    """The critics give a number, and learn by its squared error."""
    return replace(spec, dict(zip(CRITICS_LEARN, (ScalarValue(), MeanBackup()))))


@ablation(
    "off_policy/mean_backup",
    question="Is it the distribution of returns that helps, or the cross-entropy over bins?",
    touches=["algorithm.backup"],
    reference="arXiv 2403.03950",
    expects="same",
)
def mean_backup(spec: Spec) -> Spec:
    """A histogram learns the mean of what follows, divided between the two bins next to it."""
    return replace(spec, {"algorithm.backup": MeanBackup()})


@ablation(
    "off_policy/categorical_value",
    question="Is REPPO's categorical critic as good off-policy?",
    touches=["algorithm.value"],
    reference="arXiv 2403.03950",
    expects="better",
)
def categorical_value(spec: Spec) -> Spec:
    """HL-Gauss over 51 bins, of the task's returns. Where critics learn distributions, put `mean_backup` before it."""
    _require_off_policy(spec)
    return replace(spec, {"algorithm.value": HLGauss(support=fitting_support(spec.environment), num_bins=51)})


@ablation(
    "off_policy/distributional_critic",
    question="Do critics gain by learning the distribution of returns, not its mean?",
    touches=CRITICS_LEARN,
    reference="arXiv 1707.06887",
    expects="better",
)
def distributional_critic(spec: Spec) -> Spec:
    """C51 over 101 bins, as FastTD3 and FlashSAC have it; the support is that of the task's returns."""
    _require_off_policy(spec)
    it: Any = spec.algorithm
    require(not isinstance(it.backup, DistributionBackup), "Its critics learn distributions already.")
    value = TwoHot(support=fitting_support(spec.environment), num_bins=101)
    return replace(spec, dict(zip(CRITICS_LEARN, (value, DistributionBackup()))))


@ablation(
    "off_policy/normalization_layers",
    question="Are REPPO's normalization layers as good off-policy?",
    touches=NORMS,
    reference="arXiv 2507.11019",
    expects="better",
)
def normalization_layers(spec: Spec) -> Spec:
    """RMSNorm before each activation of all networks, but the critics' last."""
    _require_off_policy(spec)
    return replace(spec, dict.fromkeys(NORMS, RMSNorm()))


@ablation(
    "off_policy/batch_normalization",
    question="Does batch normalization make off-policy critics and actors learn faster?",
    touches=NORMS,
    reference="arXiv 2604.04539",
    expects="better",
)
def batch_normalization(spec: Spec) -> Spec:
    """BatchNorm before each activation of all networks, but the critics' last."""
    _require_off_policy(spec)
    return replace(spec, dict.fromkeys(NORMS, BatchNorm()))


def _require_off_policy(spec: Spec) -> None:
    require_algorithm(spec, AbstractOffPolicy, "learning from a replay buffer")
