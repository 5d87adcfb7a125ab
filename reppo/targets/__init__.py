"""Targets for the critic: what the next state is worth, and how rewards and values become returns."""

from reppo.targets.next_value import AbstractNextValue, FreshAction, NextValue
from reppo.targets.returns import AbstractTargets, SoftLambda, soft_lambda_returns

__all__ = ["AbstractNextValue", "AbstractTargets", "FreshAction", "NextValue", "SoftLambda", "soft_lambda_returns"]
