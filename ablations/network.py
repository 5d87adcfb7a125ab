"""Layers, size, activation and initial weights of the networks."""

from reppo.ablation import ablation
from reppo.networks import Relu, ResidualBlocks, UniformFanIn
from reppo.spec import Spec, get_path

from .edit import replace

ACTOR_WIDTH = "algorithm.actor.width"
CRITIC_WIDTH = "algorithm.critic.width"


@ablation(
    "network/deeper_actor",
    question="Does the actor profit from another hidden layer?",
    touches=["algorithm.actor.depth"],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
    expects="same",
)
def deeper_actor(spec: Spec) -> Spec:
    """One more hidden layer in the actor: 3 for the published settings."""
    return replace(spec, {"algorithm.actor.depth": get_path(spec, "algorithm.actor.depth") + 1})


@ablation(
    "network/deeper_critic",
    question="Does the critic profit from another hidden layer in its encoder?",
    touches=["algorithm.critic.encoder_depth"],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
)
def deeper_critic(spec: Spec) -> Spec:
    """One more hidden layer in the critic's encoder: 2 for the published settings."""
    return replace(spec, {"algorithm.critic.encoder_depth": get_path(spec, "algorithm.critic.encoder_depth") + 1})


@ablation(
    "network/wide_critic",
    question="Does the critic profit from twice the width, as the humanoids' settings have it?",
    touches=[CRITIC_WIDTH],
    reference="arXiv 2507.11019",
    expects="better",
)
def wide_critic(spec: Spec) -> Spec:
    """The critic twice as wide."""
    return replace(spec, {CRITIC_WIDTH: 2 * get_path(spec, CRITIC_WIDTH)})


@ablation(
    "network/narrow",
    question="How much of the networks' width is needed?",
    touches=[ACTOR_WIDTH, CRITIC_WIDTH],
    expects="worse",
)
def narrow(spec: Spec) -> Spec:
    """Both networks a quarter as wide."""
    widths = {path: max(1, get_path(spec, path) // 4) for path in (ACTOR_WIDTH, CRITIC_WIDTH)}
    return replace(spec, widths)


@ablation(
    "network/residual_blocks",
    question="Do networks gain by inverted residual blocks in the place of plain hidden layers?",
    touches=["algorithm.actor.layers", "algorithm.critic.layers"],
    reference="arXiv 2604.04539",
    expects="better",
)
def residual_blocks(spec: Spec) -> Spec:
    """As many blocks as there were hidden layers, four times as wide inside; RMSNorm after the last of each stack."""
    return replace(spec, {"algorithm.actor.layers": ResidualBlocks(), "algorithm.critic.layers": ResidualBlocks()})


@ablation(
    "network/relu",
    question="Must the activation be smooth, for a gradient that passes through the critic?",
    touches=["algorithm.actor.activation", "algorithm.critic.activation"],
)
def relu(spec: Spec) -> Spec:
    """ReLU in both networks instead of swish."""
    return replace(spec, {"algorithm.actor.activation": Relu(), "algorithm.critic.activation": Relu()})


@ablation(
    "network/uniform_initialization",
    question="Do initial weights matter?",
    touches=["algorithm.actor.initializer", "algorithm.critic.initializer"],
    reference="the reference's PyTorch version (github.com/cvoelcker/reppo)",
    expects="same",
)
def uniform_initialization(spec: Spec) -> Spec:
    """Weights and biases uniform in +-1 / sqrt(fan in), as when the published curves were made."""
    return replace(
        spec, {"algorithm.actor.initializer": UniformFanIn(), "algorithm.critic.initializer": UniformFanIn()}
    )
