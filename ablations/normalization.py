"""Normalization layers and normalization of observations."""

from reppo.ablation import ablation
from reppo.networks import NoNorm
from reppo.spec import Spec, replace_path


@ablation(
    "normalization/no_norm",
    question="Do actor and critic need normalization layers?",
    touches=["algorithm.actor.norm", "algorithm.critic.norm"],
    reference="arXiv 2507.11019",
    expects="worse",
)
def no_norm(spec: Spec) -> Spec:
    """No normalization layers in either network; observations are normalized as before."""
    spec = replace_path(spec, "algorithm.actor.norm", NoNorm())
    return replace_path(spec, "algorithm.critic.norm", NoNorm())
