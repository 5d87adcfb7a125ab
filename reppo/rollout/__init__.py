"""Acting: policies, collected trajectories, evaluation episodes."""

from reppo.rollout.collect import EpisodeEnds, collect
from reppo.rollout.evaluate import Evaluated, evaluate
from reppo.rollout.policy import AbstractPolicy, Trajectory

__all__ = ["AbstractPolicy", "EpisodeEnds", "Evaluated", "Trajectory", "collect", "evaluate"]
