"""Two experiments compared with each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from reppo.analysis.comparisons.paired import PairedEffect, compare
from reppo.analysis.scores.bounds import Bounds
from reppo.analysis.scores.from_runs import score_table
from reppo.analysis.scores.scales import one_scale, scale_of
from reppo.analysis.statistics.corrections import corrected
from reppo.analysis.tables.specs import changes, circumstances, write_value
from reppo.analysis.tables.table import Table
from reppo.errors import require
from reppo.results import RunData
from reppo.results.formatting import natural_order


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

    def _repr_html_(self) -> str:
        return "".join(table.to_html() for table in (self.differences, self.changes, self.versions) if len(table))


def compare_results(
    first: Sequence[RunData],
    second: Sequence[RunData],
    *,
    base: str = "base",
    bounds: Mapping[str, Bounds] | None = None,
) -> Comparison:
    """Compares the arms that two experiments have in common, on the tasks and seeds that both have.

    A seed stands for the same environment randomness, initial weights and evaluation episodes in both, as far as their
    specs agree, so runs are paired by it. Runs are compared at the last step that all of them have reached.

    Args:
        first: runs of the one.
        second: runs of the other.
        base: the arm of the first from which tasks have their scales; see `scale_of`.
        bounds: the lowest and the highest return of tasks, in place of what is known of them.

    Raises:
        ConfigurationError: if they have no run in common.
    """
    whole: list[PairedEffect] = []
    parts: list[PairedEffect] = []
    arms = [arm for arm in _arms(first) if arm in set(_arms(second))]
    both = {name: _keys(first, name) & _keys(second, name) for name in arms}
    require(
        any(both.values()),
        f"The two experiments have no arm, task and seed in common. The first has the arms {', '.join(_arms(first))}; "
        f"the second {', '.join(_arms(second))}.",
    )
    one = score_table(first, base=base if base in _arms(first) else arms[0], at_steps="common")
    scale = scale_of(first, one, bounds)
    shared = sorted({task for keys in both.values() for task, _ in keys}, key=natural_order)
    scale = replace(scale, missing={task: why for task, why in scale.missing.items() if task in shared})
    raw = len(shared) == 1 or one_scale(scale, shared) or not scale.bounds.keys() & set(shared)
    for arm in (arm for arm in arms if both[arm]):
        runs = [
            replace(run, record=replace(run.record, arm=name))
            for name, results in (("A", first), ("B", second))
            for run in results
            if run.record.arm == arm and (run.record.environment, run.record.seed) in both[arm]
        ]
        table = score_table(runs, base="A", at_steps="common")
        parts += [replace(effect, arm=arm, base="A") for effect in compare(table) if effect.task is not None]
        over = compare(table if raw else table.normalized(scale))
        whole += [replace(effect, arm=arm, base="A") for effect in over if effect.task is None]
    effects = corrected([*whole, *parts])
    said = "Returns." if raw else f"Over all tasks: {scale.describe()}; on a task: returns."
    no_scale = [] if raw else [f"{task} is in no number over tasks: {why}." for task, why in scale.missing.items()]
    differences = Table.of(
        "comparison",
        "Score in B minus A, seed by seed",
        [{**vars(effect), "task": effect.task or "all tasks"} for effect in effects],
        ("arm", "task", "estimate", "low", "high", "p_holm", "smallest_p", "wins", "ties", "losses", "pairs"),
        kinds={"estimate": "difference", "p_holm": "p", "smallest_p": "p"},
        intervals={"estimate": ("low", "high")},
        notes=(
            f"{said} At the last step that all runs of a task have reached. Estimate: mean over seeds (and tasks), "
            "with its 95% interval. p: sign-flip test, corrected over the arms; on a task over the arm's tasks, too.",
            *no_scale,
        ),
    )
    return Comparison(differences=differences, changes=_changes(first, second, both), versions=_versions(first, second))


def _arms(results: Sequence[RunData]) -> list[str]:
    return sorted({run.record.arm for run in results}, key=natural_order)


def _keys(results: Sequence[RunData], arm: str) -> set[tuple[str, int]]:
    return {(run.record.environment, run.record.seed) for run in results if run.record.arm == arm}


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
