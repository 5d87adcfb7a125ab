"""What looking again costs, for `docs/statistics.md`: `python docs/figures/looks.py` (4 minutes on one core).

Looks that share what they spend are those of `reppo.analysis.found_at`, here with the same flips for all simulations.
"""

from collections.abc import Callable, Sequence

import numpy as np

LEVEL, FLIPS, SIMULATIONS = 0.05, 4000, 2000
RNG = np.random.default_rng(0)


def normal(pairs: int) -> np.ndarray:
    """Differences of normal scores, with a standard deviation of 1."""
    return RNG.standard_normal(pairs)


def lognormal(pairs: int) -> np.ndarray:
    """Differences of lognormal scores, with a standard deviation of about 1."""
    first, second = RNG.lognormal(0, 1, (2, pairs))
    return (first - second) / 3


def shared(totals: np.ndarray, observed: np.ndarray) -> int | None:
    """The look at which the observed means are among those that looks count as a difference, from 0."""
    left = np.ones(len(totals), np.bool_)
    for i in range(len(observed)):
        allowed = int(LEVEL * (i + 1) / len(observed) * (len(totals) + 1)) - int((~left).sum())
        if (left & (totals[:, i] >= observed[i] - 1e-9)).sum() + 1 <= allowed:
            return i
        if allowed > 1:
            left &= ~(totals[:, i] > np.sort(totals[left, i])[::-1][allowed - 1] + 1e-9)
    return None


def measure(draw: Callable[[int], np.ndarray], looks: Sequence[int], effect: float) -> dict[str, tuple[float, float]]:
    """For each way of testing the share of simulations with a difference, in percent, and the mean number of pairs."""
    places, last = [look - 1 for look in looks], looks[-1]
    signs = RNG.choice([-1.0, 1.0], (FLIPS, last))
    found: dict[str, list[float]] = {}
    for _ in range(SIMULATIONS):
        own = draw(last) + effect
        totals = np.abs(np.cumsum(signs * own, axis=1)[:, places])
        observed = np.abs(np.cumsum(own)[places])
        p = ((totals >= observed - 1e-9).sum(axis=0) + 1) / (FLIPS + 1)
        at = {
            "once": len(looks) - 1 if p[-1] < LEVEL else None,
            "each time": next(iter(np.flatnonzero(p <= LEVEL)), None),
            "divided": next(iter(np.flatnonzero(p <= LEVEL / len(looks))), None),
            "shared": shared(totals, observed),
        }
        for name, look in at.items():
            found.setdefault(name, []).append(0 if look is None else looks[look])
    return {
        name: (100 * float(np.mean(np.array(used) > 0)), float(np.mean([pairs or last for pairs in used])))
        for name, used in found.items()
    }


if __name__ == "__main__":
    for looks in ([5, 10, 15], [10, 15, 20], [8, 12, 16, 20, 24]):
        for draw in (normal, lognormal):
            for effect in (0.0, 0.8 if looks[-1] == 15 else 0.65):
                print(looks, draw.__name__, effect, measure(draw, looks, effect), flush=True)
