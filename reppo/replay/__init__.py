"""Replay: what was collected, kept for later updates."""

from reppo.replay.buffer import AbstractReplay, Stored, Transitions, UniformReplay

__all__ = ["AbstractReplay", "Stored", "Transitions", "UniformReplay"]
