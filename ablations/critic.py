"""The critic network: what it says before training, its embedding, and its slopes."""

from reppo.ablation import ablation
from reppo.losses import SmoothActionGradient
from reppo.networks import ActivatedEmbedding, NoOffset, ZeroBias, ZeroOffset
from reppo.spec import Spec

from .edit import replace


@ablation(
    "critic/zero_offset",
    question="Does it help that the untrained critic says 0?",
    touches=["algorithm.critic_offset"],
    reference="the reference implementation (github.com/cvoelcker/reppo)",
)
def zero_offset(spec: Spec) -> Spec:
    """Logits moved by 40 times the target of value 0, trainable; off when the published curves were made."""
    return replace(spec, {"algorithm.critic_offset": ZeroOffset(40.0)})


@ablation(
    "critic/zero_bias",
    question="Does it help that the untrained critic says 0, by a bias that learns as fast as any other weight?",
    touches=["algorithm.critic_offset"],
)
def zero_bias(spec: Spec) -> Spec:
    """A bias of the logits that begins as 40 times the target of value 0."""
    return replace(spec, {"algorithm.critic_offset": ZeroBias(40.0)})


@ablation(
    "critic/no_offset",
    question="May the untrained critic say the middle of its support?",
    touches=["algorithm.critic_offset"],
    reference="arXiv 2507.11019",
    expects="worse",
)
def no_offset(spec: Spec) -> Spec:
    """The untrained critic is about uniform over its bins, as when the published curves were made."""
    return replace(spec, {"algorithm.critic_offset": NoOffset()})


@ablation(
    "critic/activated_embedding",
    question="Should the embedding be linear, or a normalized and activated layer?",
    touches=["algorithm.critic.embedding"],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
    expects="same",
)
def activated_embedding(spec: Spec) -> Spec:
    """The encoder's output after norm and swish is what the heads take and the auxiliary task predicts."""
    return replace(spec, {"algorithm.critic.embedding": ActivatedEmbedding()})


@ablation(
    "critic/narrow_embedding",
    question="How wide must the embedding be that the auxiliary task predicts?",
    touches=["algorithm.critic.embedding_width"],
)
def narrow_embedding(spec: Spec) -> Spec:
    """An embedding of 64 units, whatever the hidden layers have."""
    return replace(spec, {"algorithm.critic.embedding_width": 64})


@ablation(
    "critic/smooth_action_gradient",
    question="Does the policy climb better if the slope of Q in the action changes little with the state?",
    touches=["algorithm.smoothness"],
    reference="arXiv 2601.22970",
)
def smooth_action_gradient(spec: Spec) -> Spec:
    """Mixed partial derivatives and missing curvature cost, as in PAVE, without its comparison with the next state."""
    return replace(spec, {"algorithm.smoothness": SmoothActionGradient()})
