"""Presets: functions from an environment spec to a spec."""

from reppo.presets.ppo import ppo, ppo_small
from reppo.presets.reppo import reppo, reppo_humanoid, reppo_reference, reppo_single_file, reppo_small
from reppo.presets.sac import sac, sac_small

__all__ = [
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
