"""Looking again after adding seeds, with one level for all looks."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reppo.analysis.comparisons.seeds import plan_seeds
from reppo.analysis.scores.bounds import Bounds
from reppo.analysis.scores.from_runs import score_table
from reppo.analysis.scores.scales import required_scale
from reppo.analysis.statistics.aggregates import mean
from reppo.analysis.statistics.power import MOST_SEEDS, paired_power, seeds_needed
from reppo.analysis.statistics.sequential import found_at
from reppo.analysis.tables.table import Table
from reppo.errors import require
from reppo.results import RunData
from reppo.results.files import read_json, write_json

FILE = "looks.json"
"""In the folder of an experiment: how often its results are to be tested, and which seeds each test has used."""


def next_look(
    folder: str | Path,
    results: Sequence[RunData],
    effect: float | int,
    *,
    looks: int,
    base: str = "base",
    power: float = 0.8,
    level: float = 0.05,
    bounds: Mapping[str, Bounds] | None = None,
) -> Table:
    """Tests the results of an experiment once more, and says whether to stop or how many seeds to add.

    The seeds of each look are kept in the folder, in `looks.json`. Without new seeds the last look is told again. An
    arm that a look has found different stays so. The level is divided by the number of arms.

    Args:
        folder: that of the experiment.
        results: its runs, all of them done.
        effect: the smallest difference worth finding, as a share of the scale of each task: see `scale_of`.
        looks: how many times at most results are tested; the same in each call.
        base: the arm to compare with.
        power: the chance to find the effect, in (0, 1).
        level: of all looks and arms together, in (0, 1).
        bounds: the lowest and the highest return of tasks, in place of what is known of them.

    Returns:
        A row for each arm; the first note says what to do.

    Raises:
        ConfigurationError: if an argument is out of range or differs from that of the looks before, runs are not done,
            seeds of an earlier look are missing, or no task has a scale.
    """
    require(looks >= 2, f"The number of looks is {looks}; give at least 2, all that there will be, by --looks.")
    running = sum(run.record.status == "running" for run in results)
    require(not running, f"{running} of {len(results)} runs are not done. Finish them before you look.")
    raw = score_table(results, base=base, at_steps="common")
    raw.arm_index(base)
    table = raw.normalized(required_scale(results, raw, bounds))
    arms, now, path = list(table.arms[1:]), table.seeds.tolist(), Path(folder) / FILE
    plans = {one.arm: one for one in plan_seeds(table, effect, power=power, level=level) if one.task is None}
    few = [arm for arm in arms if arm not in plans]
    require(arms and not few, f"A look needs two seeds of each arm and the base; {', '.join(few) or base} has fewer.")
    plan = {"looks": looks, "level": level, "base": base, "arms": arms}
    taken, found = _read(path, plan)
    missing = sorted({seed for own in taken for seed in own} - set(now))
    require(not missing, f"An earlier look has used the seeds {', '.join(map(str, missing))}, which are gone.")
    each = level / len(arms)
    if not taken or set(now) != set(taken[-1]):
        require(len(taken) < looks, f"All {looks} looks are taken: another one would not hold the level.")
        taken.append(now)
        masks = [np.isin(table.seeds, own).tolist() for own in taken]
        for arm in arms:
            if arm not in found and found_at(table.arm(arm) - table.arm(base), masks, looks, each):
                found[arm] = len(taken)
        write_json(path, {**plan, "taken": taken, "found": found})
    rows, targets = [], []
    for arm in arms:
        differences = table.arm(arm) - table.arm(base)
        estimate = float(mean(differences[np.isfinite(differences).any(axis=1)]))
        at, own = found.get(arm), plans[arm]
        rows.append(
            {
                "arm": arm,
                "verdict": "not shown" if at is None else "better" if estimate > 0 else "worse",
                "found_at_look": at,
                "estimate": estimate,
                "deviation": own.deviation,
                "seeds": len(now),
            }
        )
        if at is None and paired_power(effect, own.deviation, len(now), own.tasks, each / looks) < power:
            targets.append(seeds_needed(effect, own.deviation, own.tasks, power=power, level=each / looks))
    return Table.of(
        "looks",
        f"Look {len(taken)} of {looks}",
        rows,
        ("arm", "verdict", "found_at_look", "estimate", "deviation", "seeds"),
        kinds={"estimate": "difference", "found_at_look": "count"},
        notes=(
            _advice(len(found) < len(arms), targets, len(now), looks - len(taken), effect, power),
            f"{table.describe()} Level {level:g} for all looks and arms together, {each:.2g} for each arm; a look "
            f"spends its share of it and what earlier ones have left. The seeds of each look are in {FILE}.",
        ),
    )


def _advice(
    open_arms: bool, targets: Sequence[int | None], seeds: int, left: int, effect: float | int, power: float
) -> str:
    """What to do: stop, and why, or how many seeds to add."""
    if not open_arms:
        return "Stop: every arm is shown to differ."
    if not left:
        return "Stop: all looks are taken. What is not shown now stays so."
    if not targets:
        return f"Stop: a difference of {effect:g} would have been found with a chance of {power:.0%} or more."
    known = [target for target in targets if target is not None]
    if not known:
        return f"Stop: {MOST_SEEDS} seeds would not find a difference of {effect:g} with a chance of {power:.0%}."
    more = math.ceil(max(max(known) - seeds, 1) / left)
    return f"Go on: add {more} seed{'' if more == 1 else 's'}, to {seeds + more}, and look again ({left} left)."


def _read(path: Path, plan: Mapping[str, object]) -> tuple[list[list[int]], dict[str, int]]:
    """The seeds of the looks so far, and which arms they have found, if they are of the same plan."""
    if not path.exists():
        return [], {}
    before = read_json(path)
    changed = [f"{name} {before.get(name)!r}" for name in plan if before.get(name) != plan[name]]
    require(
        not changed,
        f"Earlier looks, in {path}, were taken with {', '.join(changed)}: a level holds for one plan. Give the same "
        "values; without that file looks begin anew, and the level is no longer held.",
    )
    return before["taken"], before["found"]
