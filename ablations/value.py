"""What the critic's outputs stand for."""

from reppo.ablation import ablation
from reppo.losses import Scalar
from reppo.spec import Spec, replace_path


@ablation(
    "value/mse",
    question="Does the critic need a categorical loss, or does a scalar trained by the squared error do?",
    touches=["algorithm.value"],
    reference="arXiv 2507.11019",
    expects="worse",
)
def mse(spec: Spec) -> Spec:
    """A scalar critic with mean squared error."""
    return replace_path(spec, "algorithm.value", Scalar())
