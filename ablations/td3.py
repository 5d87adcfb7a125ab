"""What TD3 explores with, and what its targets are made of."""

from typing import Any

from reppo.ablation import ablation
from reppo.algorithms import Td3
from reppo.spec import Spec

from .edit import replace, require_algorithm

EXPLORES = ["algorithm.least_noise", "algorithm.most_noise"]


@ablation(
    "td3/one_noise",
    question="Does it help that each environment explores with a noise of its own?",
    touches=EXPLORES,
    reference="arXiv 2505.22642",
    expects="worse",
)
def one_noise(spec: Spec) -> Spec:
    """The same standard deviation in every episode: the middle of their range."""
    require_algorithm(spec, Td3, "the noise of TD3")
    it: Any = spec.algorithm
    return replace(spec, dict.fromkeys(EXPLORES, (it.least_noise + it.most_noise) / 2))


@ablation(
    "td3/no_target_noise",
    question="Need targets be smoothed by a noise on their actions?",
    touches=["algorithm.target_noise"],
    reference="arXiv 1802.09477",
    expects="same",
)
def no_target_noise(spec: Spec) -> Spec:
    """Targets are those of the policy's own actions."""
    return replace(spec, {"algorithm.target_noise": 0.0})


@ablation(
    "td3/strong_target_noise",
    question="How much should targets be smoothed by a noise on their actions?",
    touches=["algorithm.target_noise"],
    reference="arXiv 1802.09477",
)
def strong_target_noise(spec: Spec) -> Spec:
    """A standard deviation of 0.2, that of TD3; the clip stays as it is, at 0.5 in the presets."""
    return replace(spec, {"algorithm.target_noise": 0.2})
