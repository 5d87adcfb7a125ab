"""Acting: policies, collected trajectories, evaluation episodes."""

from reppo.rollout.collect import EpisodeEnds, collect
from reppo.rollout.evaluate import Evaluated, evaluate
from reppo.rollout.policy import AbstractPolicy, Trajectory, as_rows

__all__ = ["AbstractPolicy", "EpisodeEnds", "Evaluated", "Trajectory", "as_rows", "collect", "evaluate"]
