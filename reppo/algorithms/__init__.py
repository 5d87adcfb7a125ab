"""Learning algorithms: slots filled, `init`, `policy`, `update`."""

from reppo.algorithms.contract import AbstractAlgorithm
from reppo.algorithms.reppo import Reppo, ReppoPolicy, ReppoState

__all__ = ["AbstractAlgorithm", "Reppo", "ReppoPolicy", "ReppoState"]
