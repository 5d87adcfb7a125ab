"""The entropy of the policy: its weight, its target, and its part in the critic's targets."""

from reppo.ablation import ablation
from reppo.errors import require
from reppo.losses import FixedMultiplier, LearnedMultiplier, WithoutEntropy
from reppo.spec import Spec, get_path
from reppo.targets import BonusAlways, NoBonus

from .edit import replace

TEMPERATURE = "algorithm.temperature"
BONUS = "algorithm.entropy_bonus"
OBJECTIVE = "algorithm.actor_loss.objective"
TARGET = "algorithm.head.entropy_target"


@ablation(
    "entropy/no_entropy",
    question="Does the policy need to be rewarded for its entropy at all?",
    touches=[TEMPERATURE],
    reference="arXiv 2507.11019",
    expects="worse",
)
def no_entropy(spec: Spec) -> Spec:
    """Temperature 0: neither the actor's objective nor the critic's targets know of entropy."""
    return replace(spec, {TEMPERATURE: FixedMultiplier(0.0)})


@ablation(
    "entropy/fixed_temperature",
    question="Must the temperature be learned?",
    touches=[TEMPERATURE],
    reference="arXiv 1812.05905",
    expects="worse",
)
def fixed_temperature(spec: Spec) -> Spec:
    """A temperature of 0.01 throughout, where that of REPPO starts."""
    return replace(spec, {TEMPERATURE: FixedMultiplier(0.01)})


@ablation(
    "entropy/low_start",
    question="Does it matter where the temperature starts?",
    touches=[TEMPERATURE],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
    expects="same",
)
def low_start(spec: Spec) -> Spec:
    """The temperature starts at 0.001; that of REPPO starts at 0.01 otherwise."""
    return replace(spec, {TEMPERATURE: LearnedMultiplier(0.001)})


@ablation(
    "entropy/low_target",
    question="Is SAC's entropy target, -1 per action dimension, as good?",
    touches=[TARGET],
    reference="arXiv 1812.05905",
)
def low_target(spec: Spec) -> Spec:
    """The temperature aims for an entropy of -1 per action dimension."""
    head = get_path(spec, "algorithm.head")
    require(head.pathwise, f"Its target is of dimensions of continuous actions, and {type(head).__name__} has none.")
    return replace(spec, {TARGET: -1.0})


@ablation(
    "entropy/hard_targets",
    question="Must the critic learn soft returns, or is entropy in the actor's objective enough?",
    touches=[BONUS],
)
def hard_targets(spec: Spec) -> Spec:
    """No entropy bonus in the critic's targets; the actor is rewarded for entropy as before."""
    return replace(spec, {BONUS: NoBonus()})


@ablation(
    "entropy/only_in_targets",
    question="Must the policy itself be rewarded for its entropy, if the critic's targets are soft?",
    touches=[OBJECTIVE],
    expects="worse",
)
def only_in_targets(spec: Spec) -> Spec:
    """The actor minimizes no entropy term; the critic's targets have their bonus as before."""
    algorithm, loss = type(spec.algorithm).__name__, get_path(spec, "algorithm.actor_loss")
    require(loss.asks_q, f"The targets of {algorithm} have no entropy bonus anyway.")
    require(
        hasattr(spec.algorithm, "entropy_bonus"),
        f"The temperature of {algorithm} would rise without end: nothing raises the entropy that it aims for.",
    )
    return replace(spec, {OBJECTIVE: WithoutEntropy(get_path(spec, OBJECTIVE))})


@ablation(
    "entropy/bonus_at_termination",
    question="Does the entropy bonus of an action that never happens, after a termination, do harm?",
    touches=[BONUS],
    reference="the reference implementation (github.com/cvoelcker/reppo)",
    expects="same",
)
def bonus_at_termination(spec: Spec) -> Spec:
    """The bonus is kept at terminated steps. Nothing changes where no episode terminates."""
    return replace(spec, {BONUS: BonusAlways()})
