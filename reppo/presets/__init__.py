"""Presets: functions from an environment spec to a spec."""

from reppo.presets.reppo import reppo, reppo_humanoid, reppo_reference, reppo_single_file, reppo_small

__all__ = ["reppo", "reppo_humanoid", "reppo_reference", "reppo_single_file", "reppo_small"]
