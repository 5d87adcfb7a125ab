"""The policy's distribution, and the actions that are stored or preferred."""

from reppo.ablation import ablation
from reppo.algorithms import BestOfDraws, WiderDraws
from reppo.distributions import FixedScale, FreeScale, NormalHead, TanhNormalHead
from reppo.spec import Spec, get_path

from .edit import replace

HEAD = "algorithm.head"
SCALE = "algorithm.head.scale"
TARGET = "algorithm.head.entropy_target"
FLOOR = "algorithm.head.floor"
LIMIT = "algorithm.head.max_action"


@ablation(
    "policy/floor",
    question="Does a floor of 0.1 under the standard deviation help exploration?",
    touches=[FLOOR],
    reference="the reference implementation (github.com/cvoelcker/reppo)",
)
def floor(spec: Spec) -> Spec:
    """The standard deviation is exp(log std) + 0.1, as in the published runs."""
    return replace(spec, {FLOOR: 0.1})


@ablation(
    "policy/small_floor",
    question="Does a tiny floor under the standard deviation matter?",
    touches=[FLOOR],
    reference="the reference's single-file version (github.com/cvoelcker/reppo)",
    expects="same",
)
def small_floor(spec: Spec) -> Spec:
    """The standard deviation is exp(log std) + 1e-6."""
    return replace(spec, {FLOOR: 1e-6})


@ablation(
    "policy/unclipped_action",
    question="Must sampled actions be kept away from the borders?",
    touches=[LIMIT],
    reference="the reference's PyTorch version (github.com/cvoelcker/reppo)",
    expects="same",
)
def unclipped_action(spec: Spec) -> Spec:
    """A limit of 1 on sampled actions, which the tanh keeps anyway."""
    return replace(spec, {LIMIT: 1.0})


@ablation(
    "policy/unsquashed",
    question="Does the policy need its squash, or may a Gaussian be cut off at the borders?",
    touches=[HEAD],
    reference="arXiv 2006.05990",
)
def unsquashed(spec: Spec) -> Spec:
    """A Gaussian whose draws are clipped to the borders, as is usual for PPO; densities are those before the clip."""
    return replace(spec, {HEAD: NormalHead(get_path(spec, SCALE), get_path(spec, TARGET))})


@ablation(
    "policy/squashed",
    question="Should the Gaussian be squashed into the borders instead of cut off there?",
    touches=[HEAD],
    reference="arXiv 2006.05990",
)
def squashed(spec: Spec) -> Spec:
    """The tanh of a Gaussian, with actions up to 1."""
    if isinstance(get_path(spec, HEAD), TanhNormalHead):
        return spec
    head = TanhNormalHead(max_action=1.0, entropy_target=get_path(spec, TARGET), scale=get_path(spec, SCALE))
    return replace(spec, {HEAD: head})


@ablation(
    "policy/free_scale",
    question="Must the standard deviation depend on the state?",
    touches=[SCALE],
    reference="arXiv 2006.05990",
    expects="same",
)
def free_scale(spec: Spec) -> Spec:
    """A parameter for each action dimension, the same in every state; 1 before training, plus the floor of the head."""
    return replace(spec, {SCALE: FreeScale(1.0)})


@ablation(
    "policy/fixed_scale",
    question="Must the standard deviation be learned?",
    touches=[SCALE],
    expects="worse",
)
def fixed_scale(spec: Spec) -> Spec:
    """A standard deviation of 0.5 throughout, plus the floor of the head."""
    return replace(spec, {SCALE: FixedScale(0.5)})


@ablation(
    "policy/best_of_16",
    question="Does it pay to ask the critic at evaluation, too?",
    touches=["algorithm.preference"],
)
def best_of_16(spec: Spec) -> Spec:
    """Evaluation takes the best of the mode and 16 draws by the critic's values; training is as it was."""
    return replace(spec, {"algorithm.preference": BestOfDraws(16)})


@ablation(
    "policy/wider_draws",
    question="Does it help to explore wider than the policy, where returns go on only through what it would have done?",
    touches=["algorithm.exploration"],
    reference="the reference implementation (github.com/cvoelcker/reppo), where it is off",
)
def wider_draws(spec: Spec) -> Spec:
    """Each episode draws with 1 to 1.5 times the standard deviation; traces weigh actions by 0.5 to 1."""
    return replace(spec, {"algorithm.exploration": WiderDraws(least=1.0, most=1.5, least_weight=0.5)})
