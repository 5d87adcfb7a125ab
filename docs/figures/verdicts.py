"""Measures how often a page calls an arm different that is not, for docs/statistics.md. A minute of one core.

python docs/figures/verdicts.py
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

SIMULATIONS, FLIPS = 2000, 2000


def shapes(rng: np.random.Generator) -> dict[str, Callable[[tuple[int, int]], np.ndarray]]:
    """Scores of runs, by what they look like."""
    return {
        "normal": lambda size: rng.normal(size=size),
        "lognormal": lambda size: rng.lognormal(0, 1, size),
        "bimodal": lambda size: rng.choice([-2.0, 2.0], size) + rng.normal(0, 0.1, size),
        "saturated": lambda size: np.minimum(1.0, rng.normal(1.0, 0.1, size)),
        "sparse": lambda size: 0.9 * (rng.random(size) < 0.2),
        "failing": lambda size: np.where(rng.random(size) < 0.2, 0.1, rng.normal(0.8, 0.02, size)),
    }


def sign_flip_p(differences: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The p value of each row by `sign_flip_test`'s rule, for as many pairs on each task."""
    pairs = differences.shape[1]
    drawn = pairs > 16
    if drawn:
        signs = rng.choice([-1.0, 1.0], (FLIPS, pairs))
    else:
        signs = 2.0 * ((np.arange(2 ** (pairs - 1))[:, None] >> np.arange(pairs)) & 1) - 1
    sums = np.abs(differences.sum(axis=1))
    least = sums * (1 - 1e-9) - 1e-12 * np.abs(differences).sum(axis=1)
    extreme = np.zeros(len(differences))
    for block in np.array_split(signs, max(1, len(signs) // 2048)):
        extreme += (np.abs(differences @ block.T) >= least[:, None]).sum(axis=1)
    return (extreme + drawn) / (len(signs) + drawn)


def main() -> None:
    """Prints both tables."""
    rng = np.random.default_rng(0)
    print("False verdicts on a page of 3 arms, percent: tasks x seeds")
    for name, draw in shapes(rng).items():
        row = []
        for tasks in (1, 5):
            for seeds in (4, 10, 20):
                size = (SIMULATIONS, tasks * seeds)
                base = draw(size)
                p = np.stack([sign_flip_p(draw(size) - base, rng) for _ in range(3)], axis=1)
                row.append(f"{tasks} x {seeds}: {100 * (3 * p.min(axis=1) < 0.05).mean():.1f}")
        print(f"{name:10}", *row, sep="  ", flush=True)
    print("An arm that fails one run in ten, with the base's mean: called better, percent (sign-flip, Student)")
    for tasks, seeds in ((1, 10), (1, 20), (1, 40), (5, 4), (5, 10), (5, 20)):
        size = (SIMULATIONS, tasks * seeds)
        gained = rng.normal(0.8 + 0.7 / 9, 0.02, size)
        differences = np.where(rng.random(size) < 0.1, 0.1, gained) - rng.normal(0.8, 0.02, size)
        better = differences.mean(axis=1) > 0
        values = sign_flip_p(differences, rng), stats.ttest_1samp(differences, 0, axis=1)[1]
        print(f"{tasks} x {seeds}", *(f"{100 * ((p < 0.05) & better).mean():.1f}" for p in values), flush=True)


if __name__ == "__main__":
    main()
