"""Acting: policies, collected trajectories, and the one protocol of evaluation."""

from reppo.rollout.collect import EpisodeEnds, collect
from reppo.rollout.evaluate import (
    Evaluated,
    evaluate,
    evaluation_starts,
    fresh_root,
    replay,
    start_keys,
)
from reppo.rollout.policy import AbstractPolicy, Trajectory, as_rows, map_rows

__all__ = [
    "AbstractPolicy",
    "EpisodeEnds",
    "Evaluated",
    "Trajectory",
    "as_rows",
    "collect",
    "evaluate",
    "evaluation_starts",
    "fresh_root",
    "map_rows",
    "replay",
    "start_keys",
]
