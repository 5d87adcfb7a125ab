"""Numbers along training: the area under a curve, times until something happens."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from reppo.analysis.statistics.aggregates import Numbers, as_numbers
from reppo.errors import require


def area_under_curve(steps: Numbers, returns: Numbers) -> Float[np.ndarray | np.floating, "*batch"]:
    """The return averaged over training: the area under the curve over its length, by the trapezoidal rule.

    Starts at the first evaluation. Of a single evaluation it is that evaluation.

    Args:
        steps: ascending, at least one.
        returns: `[..., points]`, finite.

    Raises:
        ConfigurationError: if there is no evaluation.
    """
    steps, returns = as_numbers(steps, "The steps"), as_numbers(returns, "The returns")
    require(len(steps) > 0, "There is no evaluation to average.")
    if len(steps) == 1:
        return returns[..., 0]
    return np.trapezoid(returns, steps, axis=-1) / (steps[-1] - steps[0])


def kaplan_meier(
    times: Numbers, reached: Bool[np.ndarray, " runs"] | Sequence[bool]
) -> tuple[Float[np.ndarray, " events"], Float[np.ndarray, " events"]]:
    """The share of runs that have not reached a threshold yet, estimated with runs watched for unequal times.

    Args:
        times: when a run reached the threshold, or until when it was watched.
        reached: whether it did.

    Returns:
        The times at which a run reached it, ascending, and the share that had not right after.

    Source: Kaplan and Meier 1958, Nonparametric Estimation from Incomplete Observations.
    """
    times, reached = as_numbers(times, "The times"), np.asarray(reached, np.bool_)
    events = np.unique(times[reached])
    at_risk = (times[None] >= events[:, None]).sum(axis=1)
    happened = ((times[None] == events[:, None]) & reached[None]).sum(axis=1)
    return events, np.cumprod(1 - happened / np.maximum(at_risk, 1))


def survival(
    times: np.ndarray, reached: np.ndarray, weights: np.ndarray, horizon: float
) -> tuple[np.ndarray, np.ndarray]:
    """The restricted mean and the median time for each row of weights of the runs `[batch, runs]`."""
    events = np.unique(times[reached & (times < horizon)])
    if not events.size:
        return np.full(len(weights), horizon), np.full(len(weights), np.inf)
    at_risk = weights @ (times[:, None] >= events)
    happened = weights @ ((times[:, None] == events) & reached[:, None])
    left = np.cumprod(1 - happened / np.maximum(at_risk, 1), axis=1)
    lengths = np.diff(np.append(events, horizon))
    half = left <= 0.5 + 1e-12
    median = np.where(half.any(axis=1), events[np.argmax(half, axis=1)], np.inf)
    return events[0] + left @ lengths, median
