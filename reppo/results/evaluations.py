"""What a run measured, as columns of numbers."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int


@final
@dataclass(frozen=True, eq=False)
class Evaluations:
    """The evaluation episodes of one run, in the order in which they were written.

    Attributes:
        environment_steps: training steps before the evaluation.
        seconds: seconds of training before the evaluation.
        episode: number of the episode within its evaluation, from 0.
        returns: undiscounted sum of the task's rewards; NaN where the simulation broke.
        lengths: length of the episode in environment steps.
    """

    environment_steps: Int[np.ndarray, " rows"]
    seconds: Float[np.ndarray, " rows"]
    episode: Int[np.ndarray, " rows"]
    returns: Float[np.ndarray, " rows"]
    lengths: Int[np.ndarray, " rows"]

    @property
    def broken(self) -> Bool[np.ndarray, " rows"]:
        """Whether the simulation broke in the episode, which then has no return."""
        return np.isnan(self.returns)

    def curve(self) -> tuple[Int[np.ndarray, " evaluations"], Float[np.ndarray, " evaluations"]]:
        """Returns the steps of each evaluation, ascending, and the mean over its episodes with a finite return.

        An evaluation none of whose episodes has a finite return has mean NaN.
        """
        steps, which = np.unique(self.environment_steps, return_inverse=True)
        finite = np.isfinite(self.returns)
        count = np.bincount(which[finite], minlength=len(steps))
        total = np.bincount(which[finite], weights=self.returns[finite], minlength=len(steps))
        return steps, np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def final_return(self) -> float:
        """The mean return of the last evaluation that has one: for a run that diverged, the last before it did.

        NaN if there is none.
        """
        _, means = self.curve()
        finite = means[np.isfinite(means)]
        return float(finite[-1]) if finite.size else float("nan")

    def best_return(self) -> float:
        """The highest mean return of an evaluation; NaN if there is none. Chosen by looking, so biased upward."""
        _, means = self.curve()
        finite = means[np.isfinite(means)]
        return float(finite.max()) if finite.size else float("nan")


@final
@dataclass(frozen=True, eq=False)
class Metrics:
    """The training metrics of one run, in long form: one row per metric and report.

    Attributes:
        environment_steps: training steps at the end of what the row summarizes.
        names: the metric's name.
        mean: mean over the updates since the last report.
        minimum: smallest value among them.
        maximum: largest value among them.
    """

    environment_steps: Int[np.ndarray, " rows"]
    names: list[str]
    mean: Float[np.ndarray, " rows"]
    minimum: Float[np.ndarray, " rows"]
    maximum: Float[np.ndarray, " rows"]

    def of(self, name: str) -> "Metrics":
        """Returns the rows of one metric; no rows if it was never reported."""
        rows = np.array([i for i, other in enumerate(self.names) if other == name], dtype=np.int64)
        return Metrics(
            environment_steps=self.environment_steps[rows],
            names=[name] * len(rows),
            mean=self.mean[rows],
            minimum=self.minimum[rows],
            maximum=self.maximum[rows],
        )
