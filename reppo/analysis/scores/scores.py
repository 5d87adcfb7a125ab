"""Scores as a table, arm x task x seed, with the decisions that made it written down."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from reppo.analysis.scores.bounds import NOT_KNOWN, Bounds
from reppo.analysis.statistics.aggregates import as_numbers, as_scores
from reppo.errors import require, unknown_name
from reppo.results.formatting import human_count
from reppo.text import counted

DivergedPolicy = Literal["worst", "last", "exclude"]

Measure = Literal["final", "area"]


@final
@dataclass(frozen=True)
class Normalization:
    """How scores of each task are mapped to a common scale: `(score - low) / (high - low)`.

    Attributes:
        name: what the scale is called; `"none"` leaves scores as they are.
        bounds: for each task the scores that become 0 and 1; a task that is missing has no score on the scale.
        sources: for each task where its bounds are from: `"known"`, `"given"`, or `"learned by N"`: from the untrained
            policy to the base, over N runs of the base. Empty where that is one and the same for all.
        missing: for each task without bounds the reason.

    Raises:
        ConfigurationError: if the bounds of a task are not finite, or not in ascending order.
    """

    name: str = "none"
    bounds: Mapping[str, tuple[float | int, float | int]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the bounds."""
        for task, (low, high) in self.bounds.items():
            require(
                np.isfinite([low, high]).all() and high > low,
                f"Task {task!r} is normalized from [{low}, {high}]; give finite bounds, the lower one first.",
            )

    @property
    def identity(self) -> bool:
        """Whether scores are left as they are."""
        return self.name == "none"

    @classmethod
    def fixed(cls, low: float | int, high: float | int, tasks: Iterable[str]) -> "Normalization":
        """The same bounds for all tasks, such as 0 and 1000 for the control suite.

        Args:
            low: the score that becomes 0.
            high: the score that becomes 1, above `low`.
            tasks: their names.
        """
        return cls(f"[{low:g}, {high:g}]", {task: (float(low), float(high)) for task in tasks})

    @classmethod
    def min_max(cls, table: "ScoreTable") -> "Normalization":
        """From the lowest to the highest score of any run on each task, all arms together.

        Every number on this scale moves with every arm in the table, the worst one most; reports do not use it. A task
        on which all scores are equal has no such scale.

        Raises:
            ConfigurationError: if the table is normalized already.
        """
        require(table.normalization.identity, "Bounds are taken from raw scores, and this table is normalized already.")
        bounds, missing = {}, {}
        for j, task in enumerate(table.tasks):
            scores = table.scores[:, j][np.isfinite(table.scores[:, j])]
            if scores.size and scores.max() > scores.min():
                bounds[task] = (float(scores.min()), float(scores.max()))
            else:
                missing[task] = "all scores are equal" if scores.size else "there is no score"
        return cls("lowest to highest run", bounds, missing=missing)

    def describe(self) -> str:
        """The bounds in words, for a sentence on the scale."""
        if self.identity:
            return "not normalized"
        groups: dict[str, list[str]] = {}
        for task, (low, high) in self.bounds.items():
            source = self.sources.get(task, "")
            span = " to ".join(f"{end:.0f}" if abs(end) >= 1000 else f"{end:.4g}" for end in (low, high))
            span = span.replace("-", "\u2212")
            if source.startswith("learned by"):
                runs = source.removeprefix("learned by ")
                span = span.replace(" to ", " (untrained) to ", 1) + f" (base, {runs} run{'' if runs == '1' else 's'})"
            elif source:
                span += f" ({source})"
            groups.setdefault(span, []).append(task)
        parts = [
            f"{span} on {', '.join(tasks) if len(tasks) <= 3 else f'{len(tasks)} tasks'}"
            for span, tasks in groups.items()
        ]
        return f"{self.name}, 0 to 1 is {'; '.join(parts)}" if parts else f"{self.name}, which no task has"


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreTable:
    """One score per run, as an array; evaluation episodes are averaged within their run, and never counted as runs.

    Attributes:
        arms: names of the arms, the base first.
        tasks: names of the environments.
        seeds: all seeds that occur, ascending.
        scores: normalized scores; NaN where there is no run, or one without a score.
        present: where there is a run at all.
        diverged: which runs diverged.
        environment_steps: training steps behind each score; 0 where there is none.
        broken: evaluation episodes of each run that have no return because the simulation broke, from the evaluation
            behind its score on; None if unknown.
        ablations: for each arm the ablations that made it from what the base starts from; none for arms that start
            from another preset.
        settings: for each arm that sets nothing but values in the base: path in the spec -> value; see `settings_of`.
        measure: what a score is: `"final"`, the mean return of the last evaluation, or `"area"`, the time-averaged
            return.
        at_steps: where runs were cut off: after so many training steps, at the last at which all runs of the task
            were evaluated (`"common"`), or nowhere (None).
        diverged_policy: what a run that diverged counts as: the `"worst"` return (see `worst_returns`), its own
            `"last"` evaluation, or nothing (`"exclude"`).
        normalization: how returns became scores.
        limits: for each task the least and the greatest return that is possible, as far as that is known; in returns,
            also where scores are normalized.
        longest_iteration: for each task the environment steps of the longest iteration of any run, as far as known.

    Raises:
        ConfigurationError: if the arrays do not have the shape of arms, tasks and seeds.
    """

    arms: tuple[str, ...]
    tasks: tuple[str, ...]
    seeds: Int[np.ndarray, " seeds"]
    scores: Real[np.ndarray, "arms tasks seeds"]
    present: Bool[np.ndarray, "arms tasks seeds"]
    diverged: Bool[np.ndarray, "arms tasks seeds"]
    environment_steps: Int[np.ndarray, "arms tasks seeds"]
    ablations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    measure: Measure = "final"
    at_steps: int | Literal["common"] | None = None
    diverged_policy: DivergedPolicy = "worst"
    normalization: Normalization = field(default_factory=Normalization)
    limits: Mapping[str, Bounds] = field(default_factory=dict)
    broken: Int[np.ndarray, "arms tasks seeds"] | None = None
    longest_iteration: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the shapes; whole scores become floats."""
        object.__setattr__(self, "scores", as_numbers(self.scores))
        shape = (len(self.arms), len(self.tasks), len(self.seeds))
        for name in ("scores", "present", "diverged", "environment_steps"):
            found = np.shape(getattr(self, name))
            require(
                found == shape,
                f"{name} has the shape {[*found]}; {len(self.arms)} arms, {len(self.tasks)} tasks and "
                f"{len(self.seeds)} seeds make [arms, tasks, seeds] = {[*shape]}.",
            )

    def __repr__(self) -> str:
        sizes = f"{counted(len(self.arms), 'arm')} x {counted(len(self.tasks), 'task')} x "
        return f"ScoreTable({sizes}{counted(len(self.seeds), 'seed')}. {self.describe()})"

    @classmethod
    def of(cls, scores: Mapping[str, Any], tasks: Sequence[str] | None = None) -> "ScoreTable":
        """A table of scores that come from elsewhere.

        Args:
            scores: for each arm, the base first, its scores `[tasks, seeds]`, or flat for one task: an array or lists,
                whole numbers or not, NaN where there is none. Column k of every arm is the same seed.
            tasks: their names; None for `task 0`, `task 1` and so on.

        Raises:
            ConfigurationError: if arms differ in shape, or a task has no name.
        """
        require(len(scores) > 0, "There are no scores: give those of one arm at least, as {arm: [tasks, seeds]}.")
        arrays = {arm: as_scores(own, batched=False) for arm, own in scores.items()}
        first, shape = next((arm, own.shape) for arm, own in arrays.items())
        for arm, own in arrays.items():
            require(
                own.shape == shape,
                f"The scores of {arm!r} have the shape {[*own.shape]}, those of {first!r} {[*shape]}; both should be "
                "[tasks, seeds], filled up with NaN.",
            )
        tasks = [f"task {j}" for j in range(shape[0])] if tasks is None else list(tasks)
        require(len(tasks) == shape[0], f"{shape[0]} rows of scores need as many names of tasks, not {len(tasks)}.")
        values = np.stack(list(arrays.values()))
        return cls(
            arms=tuple(arrays),
            tasks=tuple(tasks),
            seeds=np.arange(shape[1]),
            scores=values,
            present=np.isfinite(values),
            diverged=np.zeros(values.shape, np.bool_),
            environment_steps=np.zeros(values.shape, np.int64),
        )

    @property
    def base(self) -> str:
        """The first arm, with which the others are compared."""
        return self.arms[0]

    def arm_index(self, arm: str) -> int:
        """The place of an arm.

        Raises:
            ConfigurationError: if there is no such arm.
        """
        if arm not in self.arms:
            raise unknown_name("arm", arm, self.arms)
        return self.arms.index(arm)

    def arm(self, arm: str) -> Float[np.ndarray, "tasks seeds"]:
        """The scores of one arm.

        Raises:
            ConfigurationError: if there is no such arm.
        """
        return self.scores[self.arm_index(arm)]

    def common_tasks(self) -> tuple[str, ...]:
        """The tasks on which every arm has a score."""
        known = np.isfinite(self.scores)
        return tuple(task for j, task in enumerate(self.tasks) if known[:, j].any(axis=1).all())

    def steps_behind(self, task: str) -> tuple[int, int]:
        """The fewest and the most training steps behind a score of a task, of runs that did not diverge; 0 if none."""
        j = self.tasks.index(task)
        steps = self.environment_steps[:, j][(self.environment_steps[:, j] > 0) & ~self.diverged[:, j]]
        return (int(steps.min()), int(steps.max())) if steps.size else (0, 0)

    def possible(self) -> Float[np.ndarray, "tasks 2"]:
        """The least and the greatest score of each task that is possible, on the table's scale; infinite if unknown."""
        limits = np.array([self.limits.get(task, NOT_KNOWN) for task in self.tasks], np.float64).reshape(-1, 2)
        if self.normalization.identity:
            return limits
        nothing = (np.nan, np.nan)
        bounds = np.array([self.normalization.bounds.get(task, nothing) for task in self.tasks], np.float64)
        low, high = bounds.reshape(-1, 2).T[..., None]
        return (limits - low) / (high - low)

    def select(self, arms: Iterable[str] | None = None, tasks: Iterable[str] | None = None) -> "ScoreTable":
        """The same table with only some arms and tasks, in the order given.

        Raises:
            ConfigurationError: if one of them is unknown.
        """
        arms = self.arms if arms is None else tuple(arms)
        tasks = self.tasks if tasks is None else tuple(tasks)
        rows = [self.arm_index(arm) for arm in arms]
        for task in tasks:
            if task not in self.tasks:
                raise unknown_name("task", task, self.tasks)
        columns = [self.tasks.index(task) for task in tasks]
        cells = np.ix_(rows, columns)
        return replace(
            self,
            arms=arms,
            tasks=tasks,
            scores=self.scores[cells],
            present=self.present[cells],
            diverged=self.diverged[cells],
            environment_steps=self.environment_steps[cells],
            broken=None if self.broken is None else self.broken[cells],
        )

    def normalized(self, normalization: Normalization) -> "ScoreTable":
        """The same table on another scale.

        Raises:
            ConfigurationError: if the table is normalized already.
        """
        if normalization.identity:
            return self
        require(
            self.normalization.identity,
            f"These scores are normalized already ({self.normalization.name}); normalize the table of raw scores.",
        )
        nothing = (np.nan, np.nan)
        bounds = np.array([normalization.bounds.get(task, nothing) for task in self.tasks], np.float64).reshape(-1, 2)
        low, high = bounds[:, :1], bounds[:, 1:]
        return replace(self, scores=(self.scores - low) / (high - low), normalization=normalization)

    def rows(self) -> list[dict[str, Any]]:
        """The table in long form, one row per run."""
        return [
            {
                "arm": arm,
                "task": task,
                "seed": int(seed),
                "score": float(self.scores[i, j, k]),
                "diverged": bool(self.diverged[i, j, k]),
                "environment_steps": int(self.environment_steps[i, j, k]),
            }
            for i, arm in enumerate(self.arms)
            for j, task in enumerate(self.tasks)
            for k, seed in enumerate(self.seeds)
            if self.present[i, j, k]
        ]

    def describe(self) -> str:
        """One sentence on how the scores came about, to be printed beside them."""
        what = {"final": "mean return of the last evaluation", "area": "return averaged over training"}[self.measure]
        at = f" up to {human_count(self.at_steps)} steps" if isinstance(self.at_steps, int) else ""
        if self.at_steps == "common":
            at = " at the last step at which all runs of the task were evaluated"
        scale = self.normalization.describe()
        policy = {
            "worst": "the lowest return known of the task",
            "last": "their last finite evaluation",
            "exclude": "nothing: they are excluded",
        }[self.diverged_policy]
        lost = int(self.diverged.sum())
        diverged = f" {lost} diverged run{'s count' if lost > 1 else ' counts'} as {policy}." if lost else ""
        return f"Score: {what}{at}; scale: {scale}.{diverged}"
