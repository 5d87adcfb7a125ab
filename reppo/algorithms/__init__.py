"""Learning algorithms: slots filled, `init`, `policy`, `update`."""

from reppo.algorithms.acting import Acted, ActorPolicy
from reppo.algorithms.contract import AbstractAlgorithm, AlgorithmState
from reppo.algorithms.reppo import Learner, Reppo

__all__ = ["AbstractAlgorithm", "Acted", "ActorPolicy", "AlgorithmState", "Learner", "Reppo"]
