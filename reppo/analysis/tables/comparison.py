"""Two experiments compared with each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from reppo.analysis.comparisons.paired import PairedEffect, compare
from reppo.analysis.scores.bounds import Bounds
from reppo.analysis.scores.caveats import shortened
from reppo.analysis.scores.from_runs import cut_offs, score_table
from reppo.analysis.scores.scales import one_scale, scale_of
from reppo.analysis.statistics.corrections import corrected
from reppo.analysis.tables.specs import changes, circumstances, write_value
from reppo.analysis.tables.table import Table
from reppo.errors import require
from reppo.results import RunData
from reppo.results.formatting import human_count, natural_order


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Two experiments compared.

    Attributes:
        differences: for each arm that both have, the second minus the first over all tasks and on each.
        changes: where the specs of an arm differ.
        versions: versions and machines that differ.
    """

    differences: Table
    changes: Table
    versions: Table

    def __repr__(self) -> str:
        return "\n\n".join(str(table) for table in self._shown())

    def _repr_html_(self) -> str:
        return "".join(table.to_html() for table in self._shown())

    def _shown(self) -> list[Table]:
        return [self.differences, *(table for table in (self.changes, self.versions) if len(table))]


def compare_results(
    first: Sequence[RunData],
    second: Sequence[RunData],
    *,
    base: str = "base",
    bounds: Mapping[str, Bounds] | None = None,
) -> Comparison:
    """Compares the arms that two experiments have in common, on the tasks and seeds that both have.

    A seed stands for the same environment randomness, initial weights and evaluation episodes in both, as far as their
    specs agree, so runs are paired by it. The runs of an arm on a task are compared at the last step at which all of
    them were evaluated, in both experiments; a task without such a step after the start is left out, and said.

    Args:
        first: runs of the one.
        second: runs of the other.
        base: the arm of the first from which tasks have their scales; see `scale_of`.
        bounds: the lowest and the highest return of tasks, in place of what is known of them.

    Raises:
        ConfigurationError: if they have no run in common, or none that was evaluated at the same step of training.
    """
    whole: list[PairedEffect] = []
    parts: list[PairedEffect] = []
    arms = [arm for arm in _arms(first) if arm in set(_arms(second))]
    both = {name: _keys(first, name) & _keys(second, name) for name in arms}
    require(
        any(both.values()),
        "The two experiments have no arm, task and seed in common. The first has the arms "
        f"{shortened(_arms(first))}; the second {shortened(_arms(second))}.",
    )
    pairs = {arm: _pairs(first, second, arm, keys) for arm, keys in both.items() if keys}
    cuts = {(arm, task): step for arm, runs in pairs.items() for task, step in cut_offs(runs).items()}
    lengths = _lengths(pairs, cuts)
    require(
        any(cuts.values()) or not cuts,
        "The two experiments have no evaluation after the same number of training steps, but for that of the untrained "
        f"policy, so nothing is known of a difference. {' '.join(lengths)}",
    )
    untrained = {cell for cell, step in cuts.items() if step == 0}
    one = score_table(first, base=base if base in _arms(first) else arms[0])
    scale = scale_of(first, one, bounds)
    shared = sorted({task for keys in both.values() for task, _ in keys}, key=natural_order)
    scale = replace(scale, missing={task: why for task, why in scale.missing.items() if task in shared})
    raw = len(shared) == 1 or one_scale(scale, shared) or not scale.bounds.keys() & set(shared)
    steps: dict[tuple[str, str | None], int | None] = {}
    for arm, found in pairs.items():
        runs = [run for run in found if (arm, run.record.environment) not in untrained]
        if not runs:
            continue
        table = score_table(runs, base="A")
        for task in table.tasks:
            steps[arm, task] = cuts.get((arm, task))
        at = {steps[arm, task] for task in table.tasks}
        steps[arm, None] = at.pop() if len(at) == 1 else None
        parts += [replace(effect, arm=arm, base="A") for effect in compare(table) if effect.task is not None]
        over = compare(table if raw else table.normalized(scale))
        whole += [replace(effect, arm=arm, base="A") for effect in over if effect.task is None]
    effects = corrected([*whole, *parts])
    said = "Returns." if raw else f"Over all tasks: {scale.describe()}; on a task: returns."
    no_scale = [] if raw else [f"{task} is in no number over tasks: {why}." for task, why in scale.missing.items()]
    differences = Table.of(
        "comparison",
        "Score in B minus A, seed by seed",
        [{**vars(e), "task": e.task or "all tasks", "steps": steps[e.arm, e.task]} for e in effects],
        ("arm", "task", "steps", "estimate", "low", "high", "p_holm", "smallest_p", "wins", "ties", "losses", "pairs"),
        kinds={"steps": "steps", "estimate": "difference", "p_holm": "p", "smallest_p": "p"},
        intervals={"estimate": ("low", "high")},
        notes=(
            f"{said} Steps: the last at which all runs of the arm were evaluated on the task, in A and in B. Estimate: "
            "mean over seeds (and tasks), with its 95% interval. p: sign-flip test, corrected over the arms; on a task "
            "over the arm's tasks, too.",
            *lengths,
            *no_scale,
        ),
    )
    return Comparison(differences=differences, changes=_changes(first, second, both), versions=_versions(first, second))


def _arms(results: Sequence[RunData]) -> list[str]:
    return sorted({run.record.arm for run in results}, key=natural_order)


def _keys(results: Sequence[RunData], arm: str) -> set[tuple[str, int]]:
    return {(run.record.environment, run.record.seed) for run in results if run.record.arm == arm}


def _pairs(first: Sequence[RunData], second: Sequence[RunData], arm: str, keys: set[tuple[str, int]]) -> list[RunData]:
    """The runs of an arm that both have, those of the first as arm A, those of the second as B."""
    return [
        replace(run, record=replace(run.record, arm=name))
        for name, results in (("A", first), ("B", second))
        for run in results
        if run.record.arm == arm and (run.record.environment, run.record.seed) in keys
    ]


def _lengths(pairs: Mapping[str, Sequence[RunData]], cuts: Mapping[tuple[str, str], int]) -> list[str]:
    """What is to be said of arms and tasks on which the runs of A and of B do not end where they are compared."""
    said: dict[str, list[str]] = {}
    for (arm, task), step in cuts.items():
        ends: dict[str, set[int]] = {"A": set(), "B": set()}
        for run in pairs[arm]:
            if run.record.environment == task and run.record.status != "diverged":
                ends[run.record.arm].update(run.evaluations.environment_steps[-1:].tolist())
        if len(ends["A"] | ends["B"]) > 1:
            reach = " and ".join(f"{name} to {_span(steps)}" for name, steps in ends.items() if steps)
            at = f"are compared at {human_count(step)}" if step else "have no later evaluation in common than the first"
            said.setdefault(f"run {reach} steps and {at}.", []).append(f"{arm} on {task}")
    return [f"Unequally long: {shortened(cells, 3)} {text}" for text, cells in said.items()]


def _span(steps: set[int]) -> str:
    low, high = human_count(min(steps)), human_count(max(steps))
    return low if low == high else f"{low} to {high}"


def _changes(first: Sequence[RunData], second: Sequence[RunData], both: dict[str, set[tuple[str, int]]]) -> Table:
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for arm, keys in both.items():
        for task in sorted({task for task, _ in keys}, key=natural_order):
            a, b = (
                next(r.record.spec for r in results if r.record.arm == arm and r.record.environment == task)
                for results in (first, second)
            )
            for path, before, after in changes(a, b):
                rows.setdefault((arm, path, write_value(before), write_value(after)), []).append(task)
    records = [
        {"arm": arm, "path": path, "A": before, "B": after, "tasks": len(tasks)}
        for (arm, path, before, after), tasks in rows.items()
    ]
    return Table.of("changes", "Where the specs differ", records, ("arm", "path", "A", "B", "tasks"))


def _versions(first: Sequence[RunData], second: Sequence[RunData]) -> Table:
    found = [{row["what"]: row["value"] for row in circumstances(results)} for results in (first, second)]
    records = [
        {"what": name, "A": found[0].get(name, ""), "B": found[1].get(name, "")}
        for name in dict.fromkeys([*found[0], *found[1]])
        if found[0].get(name) != found[1].get(name)
    ]
    return Table.of("versions", "Versions and machines that differ", records, ("what", "A", "B"))
