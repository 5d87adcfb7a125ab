"""Learning curves: one row per seed, one column per evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float, Int

from reppo.analysis.scores.arms import arms_in_order
from reppo.analysis.scores.bounds import NOT_KNOWN, Bounds, task_limits
from reppo.analysis.scores.from_runs import last_counted, worst_returns
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
            returned nothing finite, or had diverged, after which only its last finite policy is evaluated.
        seconds: seconds of training and evaluation before each evaluation, without compilation; NaN where a seed was
            not evaluated. They are a run's share of its batch: the seconds of that over the number of its runs, since
            batches of different arms hold different numbers of them.
        diverged: which seeds diverged.
        worst: what a seed counts as once it has diverged; NaN if unknown. See `worst_returns`.
        limits: the least and the greatest return that is possible, as far as that is known.
        rank: the place of the arm among all arms of the runs.
        iteration: steps of an iteration, the longest of any seed; 0 where that is unknown.
    """

    environment: str
    arm: str
    seeds: Int[np.ndarray, " seeds"]
    environment_steps: Int[np.ndarray, " steps"]
    returns: Float[np.ndarray, "seeds steps"]
    seconds: Float[np.ndarray, "seeds steps"]
    diverged: Bool[np.ndarray, " seeds"]
    worst: float = float("nan")
    limits: Bounds = NOT_KNOWN
    rank: int = 0
    iteration: int = 0

    def completed(self) -> Float[np.ndarray, "seeds steps"]:
        """The returns of the same seeds at every step, as far as each has come.

        A seed that diverged goes on at `worst`, as in every score: without it an arm would look better from the moment
        on at which its worst seeds are lost. Between two evaluations of a seed, where others were evaluated and it
        was not, its return is interpolated, so that no point is of other seeds than its neighbors.
        """
        returns = self.returns.copy()
        steps = self.environment_steps.astype(np.float64)
        for row, own in enumerate(returns):
            known = np.flatnonzero(np.isfinite(own))
            if known.size:
                inside = slice(known[0], known[-1] + 1)
                own[inside] = np.interp(steps[inside], steps[known], own[known])
            if self.diverged[row]:
                own[known[-1] + 1 if known.size else 0 :] = self.worst
        return returns

    def until(self, steps: int) -> "LearningCurve":
        """The curve up to so many training steps, or to its evaluation nearest to them; see `last_counted`.

        Args:
            steps: environment steps, at least those of the first evaluation.
        """
        kept = self.environment_steps <= last_counted(self.environment_steps, steps, self.iteration)
        return replace(
            self,
            environment_steps=self.environment_steps[kept],
            returns=self.returns[:, kept],
            seconds=self.seconds[:, kept],
        )

    def interpolated(self) -> bool:
        """Whether `completed` had to interpolate: seeds were evaluated at different steps."""
        known = np.isfinite(self.returns)
        before, after = (np.logical_or.accumulate(part, axis=1) for part in (known, known[:, ::-1]))
        return bool((~known & before & after[:, ::-1]).any())

    def common_steps(self) -> Int[np.ndarray, " points"]:
        """The columns at which `completed` has a return of every seed that has any."""
        known = np.isfinite(self.completed())
        return np.flatnonzero(known[known.any(axis=1)].all(axis=0)) if known.any() else np.zeros(0, np.int64)


def learning_curves(results: Sequence[RunData], base: str = "base") -> list[LearningCurve]:
    """Collects the evaluations of all runs into one curve per environment and arm.

    Args:
        results: runs of one experiment, in any order; seeds may differ in how often they were evaluated.
        base: the arm that comes first.

    Returns:
        The curves by environment, then arm. Runs without any evaluation have a row without values.
    """
    curves = []
    ranks = {arm: i for i, arm in enumerate(arms_in_order(results, base))}
    floors, limits = worst_returns(results, base), task_limits(results)
    for (environment, arm), runs in grouped(results, base).items():
        points = [run.evaluations.curve() for run in runs]
        steps = np.unique(np.concatenate([steps for steps, _ in points]))
        returns, seconds = np.full((2, len(runs), len(steps)), np.nan)
        for i, (run, (own, means)) in enumerate(zip(runs, points, strict=True)):
            lost = own > run.record.diverged_at if run.record.diverged_at is not None else np.zeros(len(own), np.bool_)
            returns[i, np.searchsorted(steps, own)] = np.where(lost, np.nan, means)
            shared = run.evaluations.seconds / run.record.runs_in_batch
            seconds[i, np.searchsorted(steps, run.evaluations.environment_steps)] = shared
        curves.append(
            LearningCurve(
                environment=environment,
                arm=arm,
                seeds=np.array([run.record.seed for run in runs], np.int64),
                environment_steps=steps,
                returns=np.where(np.isfinite(returns), returns, np.nan),
                seconds=seconds,
                diverged=np.array([run.record.status == "diverged" for run in runs], np.bool_),
                worst=floors[arm, environment],
                limits=limits[environment],
                rank=ranks[arm],
                iteration=max(run.record.steps_per_iteration or 0 for run in runs),
            )
        )
    return curves


def grouped(results: Sequence[RunData], base: str) -> dict[tuple[str, str], list[RunData]]:
    """Groups runs by environment and arm, in the order of their names with the base first, and in it by seed."""
    ranks = {arm: i for i, arm in enumerate(arms_in_order(results, base))}

    def place(run: RunData) -> tuple[Any, ...]:
        return natural_order(run.record.environment), ranks[run.record.arm], run.record.seed

    groups: dict[tuple[str, str], list[RunData]] = {}
    for run in sorted(results, key=place):
        groups.setdefault((run.record.environment, run.record.arm), []).append(run)
    return groups
