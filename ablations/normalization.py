"""Normalization layers."""

from reppo.ablation import ablation
from reppo.networks import LayerNorm, NoNorm
from reppo.spec import Spec

from .edit import replace

ACTOR = "algorithm.actor.norm"
CRITIC = "algorithm.critic.norm"


@ablation(
    "normalization/no_norm",
    question="Do actor and critic need normalization layers?",
    touches=[ACTOR, CRITIC],
    reference="arXiv 2507.11019",
    expects="worse",
)
def no_norm(spec: Spec) -> Spec:
    """No normalization layers in either network; observations are normalized as before."""
    return replace(spec, {ACTOR: NoNorm(), CRITIC: NoNorm()})


@ablation(
    "normalization/no_norm_actor",
    question="Does the actor need normalization layers, if the critic has them?",
    touches=[ACTOR],
)
def no_norm_actor(spec: Spec) -> Spec:
    """Normalization layers in the critic only."""
    return replace(spec, {ACTOR: NoNorm()})


@ablation(
    "normalization/no_norm_critic",
    question="Does the critic need normalization layers, if the actor has them?",
    touches=[CRITIC],
    expects="worse",
)
def no_norm_critic(spec: Spec) -> Spec:
    """Normalization layers in the actor only."""
    return replace(spec, {CRITIC: NoNorm()})


@ablation(
    "normalization/layer_norm",
    question="Is layer normalization, which the paper's text names, as good as RMS normalization?",
    touches=[ACTOR, CRITIC],
    reference="arXiv 2507.11019",
    expects="same",
)
def layer_norm(spec: Spec) -> Spec:
    """LayerNorm in both networks, as in the paper's text and the reference's single-file version."""
    return replace(spec, {ACTOR: LayerNorm(), CRITIC: LayerNorm()})
