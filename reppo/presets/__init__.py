"""Presets: functions from an environment spec to a spec."""

from reppo.presets.reppo import reppo, reppo_small

__all__ = ["reppo", "reppo_small"]
