"""Learning algorithms: slots filled, `init`, `policy`, `update`."""

from reppo.algorithms.acting import Acted, ActorPolicy, build_actor
from reppo.algorithms.contract import AbstractAlgorithm, AlgorithmState
from reppo.algorithms.learning import ActorParts, Learner, critic_step
from reppo.algorithms.ppo import Ppo
from reppo.algorithms.reppo import Reppo

__all__ = [
    "AbstractAlgorithm",
    "Acted",
    "ActorParts",
    "ActorPolicy",
    "AlgorithmState",
    "Learner",
    "Ppo",
    "Reppo",
    "build_actor",
    "critic_step",
]
