"""Parts of REPPO in SAC."""

from reppo.ablation import ablation
from reppo.algorithms import Sac
from reppo.losses import ClippedKL, LearnedMultiplier
from reppo.spec import Spec

from .edit import replace, require_algorithm

OBJECTIVE, KL_MULTIPLIER = "algorithm.actor_loss.objective", "algorithm.kl_multiplier"


@ablation(
    "sac/kl_gate",
    question="Does the constraint of REPPO help off-policy?",
    touches=[OBJECTIVE, KL_MULTIPLIER],
    reference="arXiv 2507.11019",
)
def kl_gate(spec: Spec) -> Spec:
    """Within an iteration the policy stays within a KL of 0.1 of the one that collected, by a learned multiplier."""
    require_algorithm(spec, Sac, "parts of SAC")
    return replace(spec, {OBJECTIVE: ClippedKL(0.1), KL_MULTIPLIER: LearnedMultiplier(0.01)})
