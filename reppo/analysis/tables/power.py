"""What a next experiment needs."""

import math
from collections.abc import Mapping, Sequence

from reppo.analysis.comparisons.seeds import plan_seeds
from reppo.analysis.scores.bounds import Bounds
from reppo.analysis.scores.caveats import caveats_of
from reppo.analysis.scores.from_runs import score_table
from reppo.analysis.scores.scales import required_scale
from reppo.analysis.tables.table import Table
from reppo.errors import require
from reppo.results import RunData


def power_table(
    results: Sequence[RunData],
    effect: float,
    *,
    base: str = "base",
    power: float = 0.8,
    level: float = 0.05,
    looks: int = 1,
    tasks: bool = False,
    bounds: Mapping[str, Bounds] | None = None,
) -> Table:
    """How many seeds it takes to find an effect, from the variance of the differences seen so far.

    Args:
        results: runs of an experiment, with two seeds or more.
        effect: the smallest difference worth finding, as a share of the scale of each task: see `scale_of`.
        base: the arm to compare with.
        power: the chance to find it, in (0, 1).
        level: of the test, over all arms together, in (0, 1).
        looks: how many times at most results are tested while seeds are added, at least 1. Each test is then at
            `level / looks`, which holds the level whenever one stops (Bonferroni).
        tasks: whether to plan for each task, too.
        bounds: the lowest and the highest return of tasks, in place of what is known of them.

    Returns:
        A row for each arm (and task) with two pairs or more.

    Raises:
        ConfigurationError: if an argument is out of range, no task has a scale, or there is nothing to plan from.
    """
    require(looks >= 1, f"The number of looks is {looks}; give at least 1.")
    raw = score_table(results, base=base, at_steps="common")
    raw.arm_index(base)
    table = raw.normalized(required_scale(results, raw, bounds))
    plans = plan_seeds(table, effect, power=power, level=level / looks, tests=max(1, len(table.arms) - 1))
    records = [
        {**vars(plan), "task": plan.task or "all tasks", "seeds_so_far": math.ceil(plan.pairs / plan.tasks)}
        for plan in plans
        if tasks or plan.task is None
    ]
    if looks == 1:
        again = "Who looks again after adding seeds is wrong more often than the level says: plan for it with --looks."
    else:
        again = (
            f"That is {level:g} over {looks} looks, which is more than it takes: looks taken by `reppo power --looks "
            f"{looks} --continue` share what they spend."
        )
    return Table.of(
        "power",
        f"Seeds that find a difference of {effect:g} with a chance of {power:.0%}",
        records,
        ("arm", "task", "deviation", "seeds", "seeds_high", "seeds_so_far", "power_now"),
        kinds={"seeds": "count", "seeds_high": "count", "power_now": "share"},
        notes=(
            f"{table.describe()} Deviation: standard deviation of the differences of paired runs. Level "
            f"{level / looks:.2g}, divided by the number of arms. Seeds high: with the upper 80% limit of the "
            f"deviation, to be safe; a dash means more than 10 000. Few seeds tell it only roughly. {again}",
            *caveats_of(table),
        ),
    )
