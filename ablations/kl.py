"""The constraint that keeps the policy near the one that collected the data."""

from reppo.ablation import ablation
from reppo.losses import FixedMultiplier, Unconstrained
from reppo.spec import Spec, replace_path


@ablation(
    "kl/no_kl",
    question="Does the policy need a KL constraint to the one that collected the data?",
    touches=["algorithm.actor_loss.objective", "algorithm.kl_multiplier"],
    reference="arXiv 2507.11019",
    expects="worse",
)
def no_kl(spec: Spec) -> Spec:
    """Pathwise gradients without any constraint: the objective of SAC on on-policy data."""
    spec = replace_path(spec, "algorithm.actor_loss.objective", Unconstrained())  # pyright: ignore[reportCallIssue]
    return replace_path(spec, "algorithm.kl_multiplier", FixedMultiplier(0.0))
