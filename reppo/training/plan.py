"""From environment steps to iterations and evaluation points."""

import math

from reppo.spec import Spec


def total_iterations(spec: Spec, steps: int) -> int:
    """Iterations that take at least that many environment steps."""
    return math.ceil(steps / spec.algorithm.steps_per_iteration)


def evaluation_interval(spec: Spec) -> int:
    """Environment steps between two evaluations of a run: the spec's interval, rounded up to whole iterations."""
    return total_iterations(spec, spec.evaluation.interval) * spec.algorithm.steps_per_iteration


def evaluation_points(spec: Spec, steps: int, done: int | None = None, interval: int | None = None) -> list[int]:
    """The iterations after which a run is evaluated: the first to reach each multiple of the interval, and the end.

    Args:
        spec: the spec.
        steps: environment steps of the whole run.
        done: iterations done already; None for a run that has not begun, which is evaluated before training too.
        interval: environment steps between two evaluations; `evaluation_interval(spec)` by default.
    """
    end = total_iterations(spec, steps)
    interval = evaluation_interval(spec) if interval is None else interval
    multiples = range(0, end * spec.algorithm.steps_per_iteration, interval)
    points = sorted({*(total_iterations(spec, multiple) for multiple in multiples), end})
    return points if done is None else [point for point in points if point > done]
