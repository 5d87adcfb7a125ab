"""Learning algorithms: slots filled, `init`, `policy`, `update`."""

from reppo.algorithms.acting import Acted, ActorPolicy, build_actor
from reppo.algorithms.contract import AbstractAlgorithm, AlgorithmState
from reppo.algorithms.learning import ActorParts, Learner, critic_step
from reppo.algorithms.ppo import Ppo
from reppo.algorithms.reppo import Reppo
from reppo.algorithms.sac import Sac
from reppo.algorithms.sharing import AbstractSharing, NoSharing, SharedEncoder

__all__ = [
    "AbstractAlgorithm",
    "AbstractSharing",
    "Acted",
    "ActorParts",
    "ActorPolicy",
    "AlgorithmState",
    "Learner",
    "NoSharing",
    "Ppo",
    "Reppo",
    "Sac",
    "SharedEncoder",
    "build_actor",
    "critic_step",
]
