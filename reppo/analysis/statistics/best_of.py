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


def best_of_draws(scores: Numbers, count: int) -> float:
    """The highest of so many draws with replacement, on average: what luck alone finds among equal settings.

    Args:
        scores: of the same setting with other seeds, finite, at least one.
        count: how many draws, at least 1.

    Raises:
        ConfigurationError: if there are no draws.
    """
    require(count >= 1, f"The best of {count} draws is asked for; ask for that of at least 1.")
    ordered = _ordered(scores)
    below = (np.arange(len(ordered) + 1) / len(ordered)) ** count
    return float(np.diff(below) @ ordered)


def _ordered(scores: Numbers) -> np.ndarray:
    ordered = np.sort(as_numbers(scores))
    require(ordered.ndim == 1 and ordered.size > 0, "There are no scores of which one could be the best.")
    return ordered
