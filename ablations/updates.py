"""How often, in what order and on how much data the networks are updated."""

from reppo.ablation import ablation
from reppo.errors import require
from reppo.optimization import CriticThenActor
from reppo.spec import Spec, get_path

from .edit import replace

STEP_ORDER = "algorithm.step_order"
EPOCHS = "algorithm.batches.epochs"
MINIBATCHES = "algorithm.batches.num_minibatches"
LENGTH = "algorithm.rollout_length"
ENVIRONMENTS = "algorithm.num_environments"


def _divided(spec: Spec, path: str, divisor: int) -> int:
    """What stands at a path, divided."""
    value = get_path(spec, path)
    require(
        value % divisor == 0,
        f"{path} is {value} in this base, which {divisor} does not divide. Leave the ablation out for this base.",
    )
    return value // divisor


@ablation(
    "updates/critic_then_actor",
    question="Must critic and actor alternate, or may the critic learn first?",
    touches=[STEP_ORDER],
    reference="a port of REPPO",
    expects="same",
)
def critic_then_actor(spec: Spec) -> Spec:
    """All epochs of the critic, then all epochs of the actor."""
    return replace(spec, {STEP_ORDER: CriticThenActor()})


@ablation(
    "updates/one_epoch",
    question="How much is won by going over a rollout more than once?",
    touches=[EPOCHS],
    expects="worse",
)
def one_epoch(spec: Spec) -> Spec:
    """Each rollout is used once and thrown away."""
    return replace(spec, {EPOCHS: 1})


@ablation(
    "updates/half_the_epochs",
    question="Are half as many updates enough?",
    touches=[EPOCHS],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
)
def half_the_epochs(spec: Spec) -> Spec:
    """Half as many epochs: 4 for the published settings."""
    return replace(spec, {EPOCHS: _divided(spec, EPOCHS, 2)})


@ablation(
    "updates/large_minibatches",
    question="Are few large minibatches as good as many small ones?",
    touches=[MINIBATCHES],
    expects="worse",
)
def large_minibatches(spec: Spec) -> Spec:
    """A quarter as many minibatches, four times as large, at as many epochs."""
    return replace(spec, {MINIBATCHES: _divided(spec, MINIBATCHES, 4)})


@ablation(
    "updates/half_data",
    question="Does REPPO need as much data between updates as the paper's large setting, or does medium do?",
    touches=[LENGTH, MINIBATCHES],
    reference="arXiv 2507.11019",
    expects="same",
)
def half_data(spec: Spec) -> Spec:
    """Rollouts half as long and half as many minibatches, each as large as before."""
    return replace(spec, {LENGTH: _divided(spec, LENGTH, 2), MINIBATCHES: _divided(spec, MINIBATCHES, 2)})


@ablation(
    "updates/quarter_data",
    question="Does REPPO need as much data between updates as the paper's large setting, or does small do?",
    touches=[LENGTH, MINIBATCHES],
    reference="arXiv 2507.11019",
    expects="same",
)
def quarter_data(spec: Spec) -> Spec:
    """Rollouts a quarter as long and a quarter as many minibatches, each as large as before."""
    return replace(spec, {LENGTH: _divided(spec, LENGTH, 4), MINIBATCHES: _divided(spec, MINIBATCHES, 4)})


@ablation(
    "updates/long_rollouts",
    question="At equal data, are few environments with long rollouts better than many with short ones?",
    touches=[LENGTH, ENVIRONMENTS],
)
def long_rollouts(spec: Spec) -> Spec:
    """A quarter as many environments, which go four times as many steps."""
    return replace(spec, {LENGTH: 4 * get_path(spec, LENGTH), ENVIRONMENTS: _divided(spec, ENVIRONMENTS, 4)})


@ablation(
    "updates/short_rollouts",
    question="At equal data, are many environments with short rollouts better than few with long ones?",
    touches=[LENGTH, ENVIRONMENTS],
)
def short_rollouts(spec: Spec) -> Spec:
    """Four times as many environments, which go a quarter as many steps."""
    return replace(spec, {LENGTH: _divided(spec, LENGTH, 4), ENVIRONMENTS: 4 * get_path(spec, ENVIRONMENTS)})


@ablation(
    "updates/quarter_length",
    question="With a quarter of the data between updates, are as many updates still good?",
    touches=[LENGTH],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
)
def quarter_length(spec: Spec) -> Spec:
    """Rollouts a quarter as long, in as many minibatches: each a quarter as large, unless it is drawn from a buffer."""
    return replace(spec, {LENGTH: _divided(spec, LENGTH, 4)})


@ablation(
    "updates/half_the_minibatches",
    question="Are half as many minibatches, twice as large, as good?",
    touches=[MINIBATCHES],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
)
def half_the_minibatches(spec: Spec) -> Spec:
    """Half as many minibatches, twice as large, at as many epochs."""
    return replace(spec, {MINIBATCHES: _divided(spec, MINIBATCHES, 2)})
