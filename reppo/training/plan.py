"""From environment steps to iterations and evaluation points."""

import math

from reppo.spec import Spec


def total_iterations(spec: Spec, steps: int) -> int:
    """Iterations that take at least that many environment steps."""
    return math.ceil(steps / spec.algorithm.steps_per_iteration)


def evaluation_points(spec: Spec, steps: int, done: int | None = None) -> list[int]:
    """The iterations after which a run is evaluated: multiples of the interval, and the end.

    Args:
        spec: the spec.
        steps: environment steps of the whole run.
        done: iterations done already; None for a run that has not begun, which is evaluated before training too.
    """
    end = total_iterations(spec, steps)
    every = max(1, math.ceil(spec.evaluation.interval / spec.algorithm.steps_per_iteration))
    points = [point for point in range(0, end, every)] + [end]
    return points if done is None else [point for point in points if point > done]
