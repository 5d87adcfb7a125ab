"""The best of several: what is found by trying so many settings, and what luck finds among equals."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from reppo.analysis.statistics.aggregates import Numbers, as_numbers
from reppo.errors import require


def best_of(scores: Numbers, counts: Sequence[int]) -> Float[np.ndarray, " counts"]:
    """The highest of so many of the scores, each drawn once, on average over all such draws.

    What so many settings of a random search find, without bias, for every number up to that of those tried.

    Args:
        scores: one for each setting, finite, at least one.
        counts: how many are drawn, each from 1 to the number of scores.

    Raises:
        ConfigurationError: if a count is out of range.

    Source: Dodge et al. 2019, Show Your Work: Improved Reporting of Experimental Results, arXiv:1909.03004; Tang et al.
        2020, Showing Your Work Doesn't Always Work, arXiv:2004.13705, for draws without replacement.
    """
    ordered = _ordered(scores)
    size = len(ordered)
    found = []
    for count in counts:
        require(1 <= count <= size, f"The best of {count} is asked of {size} scores; ask for one of 1 to {size}.")
        weights = np.zeros(size)
        weight = count / size  # of the highest: the chance that it is drawn
        for place in range(size, count - 1, -1):
            weights[place - 1] = weight
            weight *= (place - count) / max(place - 1, 1)
        found.append(float(weights @ ordered))
    return np.array(found)


def best_of_equals(scores: Numbers, count: int, seeds: int = 1) -> float:
    """The highest score of so many settings that all are as good as this one: what luck alone finds, on average.

    Scores are taken as normal. The highest of draws from those that are given would be far too low: it is never above
    the highest of them, and the best of many settings is.

    Args:
        scores: of the setting with several seeds, finite, at least two.
        count: how many settings, at least 1.
        seeds: of which the score of a setting is the mean, at least 1.

    Raises:
        ConfigurationError: if there are too few scores, settings or seeds.

    Source: Tippett 1925, On the extreme individuals and the range of samples taken from a normal population, for the
        mean of the highest; Tang et al. 2020, arXiv:2004.13705, for the bias of draws with replacement.
    """
    from scipy import special

    require(count >= 1, f"The best of {count} settings is asked for; ask for that of at least 1.")
    require(seeds >= 1, f"Settings of {seeds} seeds are asked for; they have at least 1.")
    known = _ordered(scores)
    require(len(known) > 1, "One score alone does not tell how scores differ: give at least two.")
    points = np.linspace(0.0, 12.0, 4801)  # the mean of the highest by its distribution, on both sides of 0
    highest = np.trapezoid(1 - special.ndtr(points) ** count - special.ndtr(-points) ** count, points)
    return float(known.mean() + known.std(ddof=1) / np.sqrt(seeds) * highest)


def _ordered(scores: Numbers) -> np.ndarray:
    ordered = np.sort(as_numbers(scores))
    require(ordered.ndim == 1 and ordered.size > 0, "There are no scores of which one could be the best.")
    return ordered
