"""The constraint that keeps the policy near the one that collected the data."""

from reppo.ablation import ablation
from reppo.losses import (
    ExactReverseKL,
    FixedMultiplier,
    LowVarianceKL,
    MismatchedKL,
    NoGate,
    OutweighedKL,
    PenalizedKL,
    PerBatch,
    PerDimension,
    SampledKL,
    Unconstrained,
)
from reppo.spec import Spec, get_path

from .edit import replace

OBJECTIVE = "algorithm.actor_loss.objective"
BOUND = "algorithm.actor_loss.objective.kl_bound"
DIVERGENCE = "algorithm.actor_loss.kl"
GATE = "algorithm.actor_loss.gate"
MULTIPLIER = "algorithm.kl_multiplier"


@ablation(
    "kl/no_kl",
    question="Does the policy need a KL constraint to the one that collected the data?",
    touches=[OBJECTIVE, MULTIPLIER],
    reference="arXiv 2507.11019",
    expects="worse",
)
def no_kl(spec: Spec) -> Spec:
    """Pathwise gradients without any constraint: the objective of SAC on on-policy data."""
    return replace(spec, {OBJECTIVE: Unconstrained(), MULTIPLIER: FixedMultiplier(0.0)})  # pyright: ignore[reportCallIssue]


@ablation(
    "kl/penalized",
    question="Is a KL penalty at every state as good as a gate?",
    touches=[OBJECTIVE],
    reference="arXiv 2507.11019",
    expects="worse",
)
def penalized(spec: Spec) -> Spec:
    """The Lagrangian: the penalty is added at every state, and the gradient of Q is never dropped."""
    return replace(spec, {OBJECTIVE: PenalizedKL(get_path(spec, BOUND))})


@ablation(
    "kl/outweighed",
    question="Beyond the bound, must the gradient of Q be dropped, or is it enough to outweigh it?",
    touches=[OBJECTIVE],
)
def outweighed(spec: Spec) -> Spec:
    """Beyond the bound the KL term is added to the objective instead of taking its place."""
    return replace(spec, {OBJECTIVE: OutweighedKL(get_path(spec, BOUND))})


@ablation(
    "kl/no_gate",
    question="What does the gate do that the rest of the constraint does not?",
    touches=[GATE],
    expects="worse",
)
def no_gate(spec: Spec) -> Spec:
    """All states follow Q. The multiplier is learned but weighs nothing: in theory the same as `kl/no_kl`."""
    return replace(spec, {GATE: NoGate()})


@ablation(
    "kl/gate_per_batch",
    question="Must the gate be decided for each state, or does the mean KL of the minibatch do?",
    touches=[GATE],
)
def gate_per_batch(spec: Spec) -> Spec:
    """One verdict for a whole minibatch, as in one port."""
    return replace(spec, {GATE: PerBatch()})


@ablation(
    "kl/gate_only",
    question="Is it enough to stop at the bound, without pulling states back that are beyond it?",
    touches=[MULTIPLIER],
    expects="worse",
)
def gate_only(spec: Spec) -> Spec:
    """A multiplier of 0: beyond the bound there is no gradient at all, as in the clip of PPO."""
    return replace(spec, {MULTIPLIER: FixedMultiplier(0.0)})


@ablation(
    "kl/fixed_multiplier",
    question="Must the weight of the KL term be learned?",
    touches=[MULTIPLIER],
    reference="arXiv 2507.11019",
)
def fixed_multiplier(spec: Spec) -> Spec:
    """A multiplier of 1 throughout."""
    return replace(spec, {MULTIPLIER: FixedMultiplier(1.0)})


@ablation(
    "kl/reverse",
    question="Does the direction of the KL matter?",
    touches=[DIVERGENCE],
    reference="arXiv 2507.11019",
    expects="same",
)
def reverse(spec: Spec) -> Spec:
    """KL(new, old) instead of KL(old, new), exact as well. The paper prints both."""
    return replace(spec, {DIVERGENCE: ExactReverseKL()})


@ablation(
    "kl/per_dimension",
    question="Should the bound on the KL grow with the number of action dimensions?",
    touches=[DIVERGENCE],
)
def per_dimension(spec: Spec) -> Spec:
    """The mean over action dimensions instead of the sum, with the same bound: looser wherever there are several."""
    return replace(spec, {DIVERGENCE: PerDimension(get_path(spec, DIVERGENCE))})


@ablation(
    "kl/sampled",
    question="Does an exact KL help over one estimated from 16 samples?",
    touches=[DIVERGENCE],
    reference="arXiv 2507.11019",
    expects="same",
)
def sampled(spec: Spec) -> Spec:
    """The mean log-ratio at 16 actions of the old policy, both densities at the same action."""
    return replace(spec, {DIVERGENCE: SampledKL(16)})


@ablation(
    "kl/sampled_4",
    question="Are 4 samples enough to estimate the KL?",
    touches=[DIVERGENCE],
    expects="same",
)
def sampled_4(spec: Spec) -> Spec:
    """The mean log-ratio at 4 actions of the old policy, both densities at the same action."""
    return replace(spec, {DIVERGENCE: SampledKL(4)})


@ablation(
    "kl/low_variance",
    question="If the KL is estimated, does an estimator that is never negative make the gate more reliable?",
    touches=[DIVERGENCE],
    reference="Schulman 2020, Approximating KL Divergence (joschu.net/blog/kl-approx.html)",
    expects="same",
)
def low_variance(spec: Spec) -> Spec:
    """The estimator k3 from 16 samples."""
    return replace(spec, {DIVERGENCE: LowVarianceKL(16)})


@ablation(
    "kl/mismatched",
    question="What does it do that the reference takes its two densities at different actions?",
    touches=[DIVERGENCE],
    reference="the reference implementation (github.com/cvoelcker/reppo)",
)
def mismatched(spec: Spec) -> Spec:
    """The reference's estimate: the old density at what was drawn, the new one at the same clipped to +-0.9999."""
    return replace(spec, {DIVERGENCE: MismatchedKL(16)})


@ablation(
    "kl/mismatched_4",
    question="What does it do that the reference's single-file version estimates this from 4 samples?",
    touches=[DIVERGENCE],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
)
def mismatched_4(spec: Spec) -> Spec:
    """The reference's estimate, the two densities at different actions, from 4 samples."""
    return replace(spec, {DIVERGENCE: MismatchedKL(4)})
