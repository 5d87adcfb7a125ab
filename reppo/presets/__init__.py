"""Presets: functions from an environment spec to a spec."""

from reppo.presets.ppo import ppo, ppo_small
from reppo.presets.reppo import reppo, reppo_humanoid, reppo_reference, reppo_single_file, reppo_small
from reppo.presets.sac import sac, sac_small
from reppo.presets.td3 import fast_td3, fast_td3_small

__all__ = [
    "fast_td3",
    "fast_td3_small",
    "ppo",
    "ppo_small",
    "reppo",
    "reppo_humanoid",
    "reppo_reference",
    "reppo_single_file",
    "reppo_small",
    "sac",
    "sac_small",
]
