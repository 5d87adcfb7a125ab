"""Score tables for tests."""

from collections.abc import Mapping, Sequence

import numpy as np

from reppo.analysis import ScoreTable


def table(scores: Mapping[str, np.ndarray], ablations: Mapping[str, Sequence[str]] | None = None) -> ScoreTable:
    """A table of arrays `[tasks, seeds]` by arm."""
    values = np.array([np.asarray(own, np.float64) for own in scores.values()])
    present = np.isfinite(values)
    return ScoreTable(
        arms=tuple(scores),
        tasks=tuple(f"T{i}" for i in range(values.shape[1])),
        seeds=np.arange(values.shape[2]),
        scores=values,
        present=present,
        diverged=np.zeros(values.shape, np.bool_),
        environment_steps=np.where(present, 1000, 0),
        ablations={arm: tuple(own) for arm, own in (ablations or {}).items()},
    )
