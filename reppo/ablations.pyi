"""For type checkers and editors; see `ablations.py`. Relative, so that no module `ablations` of one's own is meant."""

from ..ablations import actor as actor
from ..ablations import auxiliary as auxiliary
from ..ablations import choices as choices
from ..ablations import critic as critic
from ..ablations import edit as edit
from ..ablations import entropy as entropy
from ..ablations import kl as kl
from ..ablations import network as network
from ..ablations import normalization as normalization
from ..ablations import observations as observations
from ..ablations import off_policy as off_policy
from ..ablations import optimizer as optimizer
from ..ablations import policy as policy
from ..ablations import ppo as ppo
from ..ablations import sac as sac
from ..ablations import targets as targets
from ..ablations import td3 as td3
from ..ablations import updates as updates
from ..ablations import value as value
