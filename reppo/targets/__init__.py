"""Targets for the critic: what the next state is worth, and how rewards and values become returns."""

from reppo.targets.entropy_bonus import AbstractEntropyBonus, BonusAlways, BonusUntilTermination, NoBonus
from reppo.targets.next_value import (
    AbstractNextValue,
    ExpectedAction,
    FreshAction,
    FreshValueClippedBonus,
    FreshValueTakenBonus,
    ModeAction,
    NextValue,
    Taken,
    TakenAction,
    TakenActionClippedBonus,
)
from reppo.targets.returns import AbstractTargets, SoftLambda, soft_lambda_returns
from reppo.targets.truncation import (
    AbstractTruncation,
    Cuts,
    MaskedFlag,
    OwnFlag,
    ShiftedFlag,
    TruncationAsTermination,
)

__all__ = [
    "AbstractEntropyBonus",
    "AbstractNextValue",
    "AbstractTargets",
    "AbstractTruncation",
    "BonusAlways",
    "BonusUntilTermination",
    "Cuts",
    "ExpectedAction",
    "FreshAction",
    "FreshValueClippedBonus",
    "FreshValueTakenBonus",
    "MaskedFlag",
    "ModeAction",
    "NextValue",
    "NoBonus",
    "OwnFlag",
    "ShiftedFlag",
    "SoftLambda",
    "Taken",
    "TakenAction",
    "TakenActionClippedBonus",
    "TruncationAsTermination",
    "soft_lambda_returns",
]
