"""What was published, as tables."""

from collections.abc import Iterable

import numpy as np

from reppo.analysis.curves.published import CAVEATS, JOYSTICK, SOURCE, made_by, published, published_variants
from reppo.analysis.statistics.aggregates import iqm
from reppo.analysis.tables.table import Table


def published_effects(base: str = "reppo-large", environments: Iterable[str] | None = None) -> Table:
    """What the published ablations of a size of REPPO tell: the difference of each from the base, unpaired.

    Args:
        base: `"reppo-large"`, `"reppo-medium"` or `"reppo-small"`.
        environments: only these; None for the tasks of the control suite, without the humanoid joystick tasks, whose
            scores are on another scale.

    Returns:
        For each ablation the interquartile mean over tasks of the published final scores, that of the base on the same
        tasks, and their difference; from the lowest difference to the highest. Without intervals or tests, because the
        single runs are not known here.

    Raises:
        ConfigurationError: if there is no such variant.
    """
    reference = {curve.environment: curve for curve in published(base, environments)}
    if environments is None:
        reference = {name: curve for name, curve in reference.items() if not name.startswith(JOYSTICK)}
    rows = []
    for variant in (name for name in published_variants() if name.startswith(f"{base}/")):
        own = {curve.environment: curve for curve in published(variant, reference)}
        mine, its = (
            float(iqm(np.array([curves[name].final_iqm for name in own], np.float64))) for curves in (own, reference)
        )
        rows.append({"variant": variant, "task_iqm": mine, "base": its, "difference": mine - its, "tasks": len(own)})
    rows.sort(key=lambda row: row["difference"])
    return Table.of(
        "published_effects",
        f"Published ablations of {base}: final scores, unpaired",
        rows,
        ("variant", "task_iqm", "base", "difference", "tasks"),
        kinds={"difference": "difference"},
        notes=(f"{made_by(base)}; {SOURCE}.", *CAVEATS),
    )
