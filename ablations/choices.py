"""Discrete actions: what is exact over all of them, where they stand in the critic, how random the policy shall be."""

from reppo.ablation import ablation
from reppo.errors import require
from reppo.networks import ActionAsInput
from reppo.spec import Spec, get_path
from reppo.targets import FreshAction

from .edit import replace


def _require_choices(spec: Spec) -> None:
    head = get_path(spec, "algorithm.head")
    require(not head.pathwise, f"It is about discrete actions, and {type(head).__name__} has others.")


@ablation(
    "choices/sampled_value",
    question="Must the next state's value be exact over all actions, or does one drawn from the policy do?",
    touches=["algorithm.next_value"],
    reference="arXiv 2507.11019",
)
def sampled_value(spec: Spec) -> Spec:
    """Q and log-probability of one fresh action, as where actions are continuous."""
    _require_choices(spec)
    return replace(spec, {"algorithm.next_value": FreshAction(1)})


@ablation(
    "choices/action_input",
    question="Should a critic of discrete actions have outputs for each, or see the action beside the observation?",
    touches=["algorithm.critic.action"],
    reference="arXiv 1312.5602",
    expects="same",
)
def action_input(spec: Spec) -> Spec:
    """The encoder sees the one-hot action, so that each action costs a pass through the network."""
    _require_choices(spec)
    return replace(spec, {"algorithm.critic.action": ActionAsInput()})


@ablation(
    "choices/uniform_target",
    question="Is the entropy target of SAC for discrete actions, nearly that of the uniform policy, as good?",
    touches=["algorithm.head.entropy_target"],
    reference="arXiv 1910.07207",
    expects="worse",
)
def uniform_target(spec: Spec) -> Spec:
    """The temperature aims for 0.98 of the entropy of the uniform policy."""
    _require_choices(spec)
    return replace(spec, {"algorithm.head.entropy_target": 0.98})
