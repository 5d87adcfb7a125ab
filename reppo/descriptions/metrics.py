"""What is reported while a run trains: each metric, what it is, and what it looks like when all is well."""

import dataclasses
import functools
from typing import final

from reppo.algorithms import Ppo, Reppo, Sac, Td3
from reppo.errors import unknown_name
from reppo.watched import Watched

OWN = "<name>"
"""Stands in a name for each of the task's own metrics."""


@final
@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric of training.

    Attributes:
        name: its name in `metrics.csv`, in trackers and in the report.
        says: what it is, with its unit.
        healthy: what it looks like when all is well, and what it means otherwise.
        watched: how an algorithm asks for it to be watched; None where it does not.
    """

    name: str
    says: str
    healthy: str
    watched: Watched | None = None

    @property
    def group(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]


_ROOM = "0. Otherwise make room: `config={'naconmax': ...}` or `{'njmax': ...}`."

_METRICS = (
    Metric(
        "actor/kl",
        "KL(old, new), the mean over a minibatch of how far the policy has moved from the one that collected, in nats",
        "of the size of `kl_bound`, or below. Far above it for long: the multiplier does not hold the policy. Where a "
        "clip takes the place of the bound, about 0.01 or below.",
    ),
    Metric(
        "actor/behind_gate",
        "share of states whose KL is above the bound",
        "well below 1. At 1 no state follows the gradient of Q any more: every step only leads back.",
    ),
    Metric(
        "actor/clipped",
        "share of rows whose ratio of densities the clip cuts off, so that they have no gradient",
        "up to about 0.2. Far above: each iteration wants to go further than the clip lets it; lower the learning rate "
        "or the number of epochs.",
    ),
    Metric(
        "actor/stopped",
        "share of steps of the policy that are left out because it has moved far enough",
        "0 where nothing stops it, else below 0.5. Near 1: all but the first epoch is wasted on the policy.",
    ),
    Metric(
        "actor/entropy",
        "mean of -log pi of the policy, in nats",
        "moves from its start to the target that the head sets (`entropy_target`), and stays there; where the "
        "temperature is not learned it falls slowly. Far below its target for long: the policy hardly explores.",
    ),
    Metric(
        "actor/temperature",
        "alpha, the weight of the entropy",
        "settles; constant where it is not learned. It falls while the entropy is above its target, and rises while it "
        "is below; if it rises without end, the entropy does not follow.",
    ),
    Metric(
        "actor/kl_multiplier",
        "beta, the weight of the KL constraint",
        "settles. It rises while the mean KL is above the bound, and falls while it is below; if it rises without end, "
        "the policy does not follow.",
    ),
    Metric(
        "actor/saturated",
        "share of the numbers of a deterministic policy's actions that are within 0.01 of a bound",
        "depends on the task; where it is 1 for long the policy can hardly move, as the tanh has no slope there.",
    ),
    Metric(
        "actor/loss",
        "loss of the actor, the mean over a minibatch",
        "finite. Its level says nothing: it moves with Q or the advantages, and with both multipliers.",
    ),
    Metric(
        "actor/gradient_norm",
        "norm of the actor's gradient before the clip",
        "steady: no jumps by powers of ten.",
    ),
    Metric(
        "critic/loss",
        "value loss, the mean over a minibatch; of a histogram a cross-entropy, in nats",
        "falls, then is level. That of a histogram does not go to 0: at least the entropy of its targets is left.",
    ),
    Metric(
        "critic/auxiliary_loss",
        "loss of the auxiliary task, and of the slopes that are asked of the critic, the mean over a minibatch",
        "falls, then follows the embedding, which is learned as well. 0 without either.",
    ),
    Metric(
        "critic/q",
        "mean value of a minibatch, in scaled rewards",
        "grows as the returns do, and stays away from the ends of the value support.",
    ),
    Metric(
        "critic/value",
        "mean value of a minibatch where the critic is one of states, in scaled rewards",
        "grows as the returns do.",
    ),
    Metric(
        "critic/explained_variance",
        "1 - var(target - value) / var(target), over a minibatch",
        "rises towards 1. At 0 the critic says no more than a constant would, below 0 less.",
    ),
    Metric(
        "critic/gradient_norm",
        "norm of the critic's gradient before the clip",
        "steady: no jumps by powers of ten.",
    ),
    Metric(
        "targets/value",
        "targets of the critic, in scaled rewards",
        "grows as the returns do; `critic/q` or `critic/value` follows it.",
    ),
    Metric(
        "targets/advantage",
        "advantages before they are standardized, in scaled rewards",
        "about 0 in the mean: the critic neither over- nor underestimates.",
    ),
    Metric(
        "targets/reward_factor",
        "what rewards are multiplied by besides `reward_scale`",
        "1 where no running scale is set; else it settles within the first iterations.",
    ),
    Metric(
        "targets/outside_support",
        "share of targets that the value support clips",
        "0. What lies outside is clipped, and the critic cannot follow it: widen the support, or scale the rewards.",
    ),
    Metric(
        "targets/trace_weight",
        "weight of collected actions in traces, where they are drawn wider than the policy's",
        "Between the least weight and 1. The nearer to the least, the shorter the returns: widen less.",
    ),
    Metric(
        "observations/far",
        "share of the actor's observed numbers that count as nearer than they are, being far from all that was seen",
        "0, or nearly so. Otherwise the task gives outliers that normalization has to hold back.",
    ),
    Metric(
        "optimizer/rate",
        "share of the learning rates that annealing leaves",
        "1, or falls from it as the annealing says.",
    ),
    Metric(
        "replay/steps",
        "steps in the replay buffer that can be drawn, of all environments together",
        "grows to the capacity of the buffer, and stays a little below it: ends of episodes take room too.",
    ),
    Metric("episodes/terminated", "episodes that the task ended, in each iteration", "depends on the task."),
    Metric("episodes/truncated", "episodes that reached their time limit, in each iteration", "depends on the task."),
    Metric(
        "episodes/nonfinite",
        "episodes that ended because the simulation broke, in each iteration",
        "0. Each ends one episode and no more; many mean that the physics is unstable where the policy goes.",
    ),
    Metric(
        "episodes/return",
        "return of whole training episodes, with actions drawn from the policy",
        "rises. Evaluation takes the preferred actions, and so has other returns.",
    ),
    Metric("episodes/length", "length of whole training episodes, in environment steps", "depends on the task."),
    Metric(
        "episodes/overflow",
        "steps of a training episode at which MuJoCo Warp left out contacts or constraints; with its physics only",
        _ROOM,
    ),
    Metric(
        f"episodes/{OWN}",
        "sum over a whole training episode of each of the task's own metrics, such as the terms of its reward",
        "depends on the task.",
    ),
    Metric(
        "evaluation/return",
        "mean return of the episodes of an evaluation; in trackers alone, as `evaluations.csv` has every episode",
        "rises.",
    ),
    Metric("evaluation/lowest", "the lowest return among them; in trackers alone", "rises."),
    Metric("evaluation/highest", "the highest return among them; in trackers alone", "rises."),
    Metric(
        "evaluation/overflow",
        "steps of an evaluation episode at which MuJoCo Warp left out contacts or constraints; with its physics only",
        _ROOM,
    ),
    Metric(
        f"evaluation/{OWN}",
        "sum over an evaluation episode of each of the task's own metrics",
        "depends on the task.",
    ),
)


@functools.cache
def all_metrics() -> dict[str, Metric]:
    """Every metric that a run of an algorithm here reports, by name, with what that algorithm watches of it."""
    watched = {one.metric: one for algorithm in (Td3(), Sac(), Ppo(), Reppo()) for one in algorithm.watched()}
    return {one.name: dataclasses.replace(one, watched=watched.get(one.name)) for one in _METRICS}


def find_metric(name: str) -> Metric:
    """The metric of that name; the task's own metrics have the name `episodes/<name>`, `evaluation/<name>`.

    Raises:
        ConfigurationError: if there is none; names close matches.
    """
    known = all_metrics()
    if name not in known:
        raise unknown_name("metric", name, known, "List them by: reppo list metrics")
    return known[name]
