"""What each arm changes over all tasks."""

import math

import numpy as np

from reppo.analysis import figures
from reppo.analysis.comparisons.summaries import probability_of_improvement
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study
from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.tables.table import Table


def section(study: Study) -> Section | None:
    """What each arm changes in the scores over all tasks."""
    if not study.several:
        return None
    effects, table, unit = study.effects, study.table, study.unit
    whole = sorted(
        (effect for effect in effects if effect.task is None),
        key=lambda effect: effect.estimate if math.isfinite(effect.estimate) else math.inf,
    )
    better = {(row.arm, row.task): row for row in probability_of_improvement(table, paired=False)}
    records = []
    for effect in whole:
        row = better.get((effect.arm, None))
        chance = math.nan if row is None else row.estimate
        records.append({**vars(effect), "chance_to_beat_base": chance})
    columns = (
        "arm", "estimate", "low", "high", "p_holm", "smallest_p_holm", "p", "p_signs", "standardized",
        "chance_to_beat_base", "wins", "ties", "losses", "tasks", "pairs",
    )  # fmt: skip
    summary = Table.of(
        "effects",
        f"Difference in {unit} from {table.base}, over all tasks",
        records,
        columns,
        kinds={
            "estimate": "difference",
            **dict.fromkeys(("p", "p_holm", "smallest_p_holm", "p_signs"), "p"),
            "chance_to_beat_base": "share",
        },
        intervals={"estimate": ("low", "high")},
        notes=(
            f"Scale: {table.normalization.describe()}. Estimate: mean over tasks and seeds of the arm minus the base "
            "of the same seed. Its 95% interval is that of the test by itself: it leaves out 0 where p is below 0.05, "
            "and is missing where so few pairs bound nothing. p: two-sided sign-flip test of the mean over pairs; p "
            "(Holm): corrected over the arms, which decides; smallest p (Holm): what so many pairs can attain there. "
            "The test is exact where an arm that changes nothing could be exchanged with the base. An arm that fails "
            "rarely and gains a little elsewhere may have the same mean and be called better all the same: in a third "
            "of cases if it fails one run in ten and there are 10 seeds. p (signs): whether it wins as many pairs as "
            "it loses, true for any shape. Standardized: over the standard deviation of differences. Chance to beat "
            "the base: that any run of the arm scores higher than any run of the base on the same task. Wins and "
            "losses: pairs.",
        ),
    )
    pictures = []
    if any(math.isfinite(effect.estimate) for effect in whole):
        pictures.append(("effects", figures.plot_effects(effects, unit=unit)))
    return Section(
        key="effects",
        title="Effects",
        text="Each arm minus the base with the same seed. Bars are 95% intervals of each arm by itself, small strokes "
        "the tasks; marks are filled where the p value, corrected over the arms, is below 0.05. " + _pairing(table),
        pictures=tuple(pictures),
        tables=(summary,),
    )


def _pairing(table: ScoreTable) -> str:
    """What pairing by seed was worth in these runs: how much less differences of the same seed vary."""
    base = table.scores[0]
    paired = apart = 0.0
    pairs = 0
    for own in table.scores[1:]:
        both = np.isfinite(own) & np.isfinite(base)
        for j in np.flatnonzero(both.sum(axis=1) >= 2):
            a, b = own[j, both[j]], base[j, both[j]]
            paired += float(np.var(a - b, ddof=1))
            apart += float(np.var(a, ddof=1) + np.var(b, ddof=1))
            pairs += int(both[j].sum())
    if apart == 0:
        return ""
    share = 100 * (1 - paired / apart)
    return (
        f"In these {pairs} pairs, the variance of differences between runs of the same seed is {abs(share):.0f}% "
        f"{'lower' if share >= 0 else 'higher'} than of different seeds."
    )
