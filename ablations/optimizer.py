"""Optimizers, clips, who shares them, and what holds weights."""

from reppo.ablation import ablation
from reppo.optimization import AdamW, NoClip, UnitNormRows, WithActor
from reppo.spec import Spec, get_path

from .edit import replace

ACTOR = "algorithm.actor_optimizer"
CRITIC = "algorithm.critic_optimizer"


def _decayed(spec: Spec, weight_decay: float) -> Spec:
    optimizers = {
        path: AdamW(get_path(spec, f"{path}.learning_rate"), weight_decay, get_path(spec, f"{path}.clip"))
        for path in (ACTOR, CRITIC)
    }
    return replace(spec, optimizers)


@ablation(
    "optimizer/adamw",
    question="Does weight decay help?",
    touches=[ACTOR, CRITIC],
    reference="the reference's PyTorch version (github.com/cvoelcker/reppo)",
)
def adamw(spec: Spec) -> Spec:
    """AdamW with a decay of 0.01 for both networks; multipliers decay where they share the actor's optimizer alone."""
    return _decayed(spec, 0.01)


@ablation(
    "optimizer/adamw_light",
    question="Does a light weight decay help?",
    touches=[ACTOR, CRITIC],
    reference="a later published version of REPPO",
    expects="same",
)
def adamw_light(spec: Spec) -> Spec:
    """AdamW with a decay of 0.001 for both networks; multipliers decay where they share the actor's optimizer alone."""
    return _decayed(spec, 0.001)


@ablation(
    "optimizer/shared_multipliers",
    question="May temperature and KL multiplier share the actor's optimizer and its clip?",
    touches=["algorithm.multiplier_optimizer"],
    reference="the reference implementation (github.com/cvoelcker/reppo)",
    expects="same",
)
def shared_multipliers(spec: Spec) -> Spec:
    """The multipliers are parameters among the actor's: a large gradient of the policy slows them."""
    return replace(spec, {"algorithm.multiplier_optimizer": WithActor()})


@ablation(
    "optimizer/no_clip",
    question="Do the networks' gradients need a clip?",
    touches=[f"{ACTOR}.clip", f"{CRITIC}.clip"],
)
def no_clip(spec: Spec) -> Spec:
    """Gradients of any norm, for both networks."""
    return replace(spec, {f"{ACTOR}.clip": NoClip(), f"{CRITIC}.clip": NoClip()})


@ablation(
    "optimizer/unit_norm_rows",
    question="Is it enough to learn the direction of each row of weights, and not its length?",
    touches=[ACTOR, CRITIC],
    reference="arXiv 2604.04539",
    expects="same",
)
def unit_norm_rows(spec: Spec) -> Spec:
    """Rows of linear layers are scaled to length 1 after each step, in both networks, their outputs among them."""
    return replace(spec, {path: UnitNormRows(get_path(spec, path)) for path in (ACTOR, CRITIC)})
