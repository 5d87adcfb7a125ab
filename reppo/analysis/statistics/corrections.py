"""p values of many tests, corrected for their number."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from reppo.analysis.statistics.aggregates import Numbers, as_numbers
from reppo.errors import require

Row = TypeVar("Row", bound=Any)


def holm(p: Numbers) -> Float[np.ndarray, " tests"]:
    """Holm's correction: p values that keep the chance of any false positive among all tests at its level.

    Args:
        p: p values in [0, 1]; NaN for tests that could not be made, which do not count.

    Returns:
        The corrected p values, in the same order, at most 1.

    Raises:
        ConfigurationError: if the p values are not a flat array.

    Source: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    p = as_numbers(p, "The p values")
    require(p.ndim == 1, f"The p values of the tests are a flat array; the shape is {[*p.shape]}.")
    corrected = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return corrected


def corrected(effects: Sequence[Row]) -> list[Row]:
    """Corrects p values for their number, arms first: over all tasks by Holm's method over the arms, then within arms.

    A task of an arm is corrected over that arm's tasks, and counts for no more than the arm over all tasks: its p value
    is at least as large. So no arm that does nothing is called different on any task in more than 5% of pages, and a
    page of many arms and tasks is not tested as one family, in which no p value could ever be small.

    Args:
        effects: rows with `arm`, `task`, `p` and `smallest_p`; each arm has a row over all tasks.

    Returns:
        The rows with `p_holm` and `smallest_p_holm`, in the order of their arms.

    Source: Holm 1979; Marcus, Peritz and Gabriel 1976, On Closed Testing Procedures (testing in order).
    """
    arms = list(dict.fromkeys(effect.arm for effect in effects))
    whole = {effect.arm: effect for effect in effects if effect.task is None}
    over = dict(zip(whole, _holm_and_reach(list(whole.values())), strict=True))
    found = []
    for arm in arms:
        found.append(replace(whole[arm], p_holm=over[arm][0], smallest_p_holm=over[arm][1]))
        parts = [effect for effect in effects if effect.arm == arm and effect.task is not None]
        gate = over[arm] if math.isfinite(over[arm][0]) else (0.0, 0.0)  # no pairs over all tasks: on no scale
        for part, (p, smallest) in zip(parts, _holm_and_reach(parts), strict=True):
            p_holm, smallest_p_holm = np.maximum((p, smallest), gate).tolist()
            found.append(replace(part, p_holm=p_holm, smallest_p_holm=smallest_p_holm))
    return found


def _holm_and_reach(rows: Sequence[Any]) -> list[tuple[float, float]]:
    """Holm's p value of each row, and the smallest it could have had beside the others."""
    values = np.array([row.p for row in rows], np.float64)
    reach = []
    for i, row in enumerate(rows):
        best = values.copy()
        best[i] = row.smallest_p
        reach.append(float(holm(best)[i]))
    return list(zip(holm(values).tolist(), reach, strict=True))
