"""Learning curves: one row per seed, one column per evaluation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float, Int

from reppo.results import RunData
from reppo.results.formatting import natural_order


@final
@dataclass(frozen=True, eq=False)
class LearningCurve:
    """The evaluation returns of one arm on one environment.

    Attributes:
        environment: the environment.
        arm: the arm.
        seeds: the seed of each row.
        environment_steps: the training steps of each column, ascending: wherever any seed was evaluated.
        returns: mean evaluation return; NaN where a seed has none: it was not evaluated there, has not come so far,
            or returned nothing finite.
        seconds: seconds of training before each evaluation; NaN where a seed was not evaluated.
        diverged: which seeds diverged.
    """

    environment: str
    arm: str
    seeds: Int[np.ndarray, " seeds"]
    environment_steps: Int[np.ndarray, " steps"]
    returns: Float[np.ndarray, "seeds steps"]
    seconds: Float[np.ndarray, "seeds steps"]
    diverged: Bool[np.ndarray, " seeds"]

    def carried_forward(self) -> Float[np.ndarray, "seeds steps"]:
        """The returns, with those of seeds that diverged continued at their last value.

        Without it an arm would look better from the moment on at which its worst seeds are lost.
        """
        returns = self.returns.copy()
        for row in np.flatnonzero(self.diverged):
            known = np.flatnonzero(np.isfinite(returns[row]))
            if known.size:
                returns[row, known[-1] + 1 :] = returns[row, known[-1]]
        return returns


def learning_curves(results: Sequence[RunData], base: str = "base") -> list[LearningCurve]:
    """Collects the evaluations of all runs into one curve per environment and arm.

    Args:
        results: runs of one experiment, in any order; seeds may differ in how often they were evaluated.
        base: the arm that comes first.

    Returns:
        The curves by environment, then arm. Runs without any evaluation have a row without values.
    """
    curves = []
    for (environment, arm), runs in grouped(results, base).items():
        points = [run.evaluations.curve() for run in runs]
        steps = np.unique(np.concatenate([steps for steps, _ in points]))
        returns, seconds = np.full((2, len(runs), len(steps)), np.nan)
        for i, (run, (own, means)) in enumerate(zip(runs, points, strict=True)):
            returns[i, np.searchsorted(steps, own)] = means
            seconds[i, np.searchsorted(steps, run.evaluations.environment_steps)] = run.evaluations.seconds
        curves.append(
            LearningCurve(
                environment=environment,
                arm=arm,
                seeds=np.array([run.record.seed for run in runs], np.int64),
                environment_steps=steps,
                returns=returns,
                seconds=seconds,
                diverged=np.array([run.record.status == "diverged" for run in runs], np.bool_),
            )
        )
    return curves


def grouped(results: Iterable[RunData], base: str) -> dict[tuple[str, str], list[RunData]]:
    """Groups runs by environment and arm, both by name with the base arm first, and within a group by seed."""

    def place(run: RunData) -> tuple[Any, ...]:
        arm = run.record.arm
        return natural_order(run.record.environment), arm != base, natural_order(arm), run.record.seed

    groups: dict[tuple[str, str], list[RunData]] = {}
    for run in sorted(results, key=place):
        groups.setdefault((run.record.environment, run.record.arm), []).append(run)
    return groups
