"""Learning algorithms: slots filled, `init`, `policy`, `update`."""

from reppo.algorithms.acting import Acted, ActorPolicy, build_actor
from reppo.algorithms.contract import AbstractAlgorithm, AlgorithmState
from reppo.algorithms.exploration import AbstractExploration, OwnDraws, WiderDraws
from reppo.algorithms.learning import ActorParts, Learner, critic_step
from reppo.algorithms.off_policy import AbstractOffPolicy, OffPolicyLearner
from reppo.algorithms.ppo import Ppo
from reppo.algorithms.preference import AbstractPreference, BestOfDraws, GreedyPolicy, OwnMode
from reppo.algorithms.reppo import Reppo
from reppo.algorithms.sac import Sac
from reppo.algorithms.sharing import AbstractSharing, NoSharing, SharedEncoder
from reppo.algorithms.td3 import DeterministicPolicy, NoisyPolicy, Td3

__all__ = [
    "AbstractAlgorithm",
    "AbstractExploration",
    "AbstractOffPolicy",
    "AbstractPreference",
    "AbstractSharing",
    "Acted",
    "ActorParts",
    "ActorPolicy",
    "AlgorithmState",
    "BestOfDraws",
    "DeterministicPolicy",
    "GreedyPolicy",
    "Learner",
    "NoSharing",
    "NoisyPolicy",
    "OffPolicyLearner",
    "OwnDraws",
    "OwnMode",
    "Ppo",
    "Reppo",
    "Sac",
    "SharedEncoder",
    "Td3",
    "WiderDraws",
    "build_actor",
    "critic_step",
]
