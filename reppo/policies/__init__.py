"""Trained policies: loaded from the folder of a run, evaluated, and shown in a video."""

from reppo.policies.evaluation import evaluate_policy
from reppo.policies.rendering import render_episode
from reppo.policies.trained import TrainedPolicy, load_policy, save_policy
from reppo.policies.video import write_video

__all__ = ["TrainedPolicy", "evaluate_policy", "load_policy", "render_episode", "save_policy", "write_video"]
