"""Published learning curves, to be set beside one's own. What they can and cannot say: `docs/published.md`."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import final

import numpy as np
from jaxtyping import Float, Int

from reppo.errors import require, unknown_name

SOURCE = "results folder of github.com/cvoelcker/reppo (commit a7ab85b, MIT License)"
"""Where the published curves are from."""

CAVEATS: tuple[str, ...] = (
    "Published runs are not paired with these: other seeds, other code, other machines. Differences include all of "
    "that, and there is no test of them here.",
    "The published REPPO is that of July 2025, and the code changed after: the auxiliary loss predicted the wrong "
    "target, and the scalar (MSE) critic had a shape bug, which may inflate its published effect.",
    "Runs per curve are unequal, from 1 to 80; Humanoid runs that gave NaN were rerun by hand by their authors.",
    "No published curve starts at an untrained policy: the first evaluation came after about 2.5M steps.",
)
"""What holds for every comparison with them."""

_HUMANOIDS = (
    "The published humanoid joystick tasks ran without random pushes, and their score is the mean over finished "
    "episodes, where an early fall counts many times. Another protocol gives other numbers."
)

JOYSTICK = ("G1", "T1")

_BRAX = (
    "{variant} was published on a grid of 26M steps and held at its last value after its runs had ended (mostly after "
    "60 to 100M steps for PPO, 5 to 10M for SAC). What was held is not drawn; its final score is not at equal steps."
)

_PARTIAL = "{variant} is the first quarter of a run of 200M steps."

_UNKNOWN = "The exact settings of {variant} are not known."


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class PublishedCurve:
    """A published learning curve on one environment: an aggregate of runs, which are not known one by one here.

    Attributes:
        environment: the environment, by its name in MuJoCo Playground.
        variant: algorithm, size and ablation, such as `"reppo-large/no-kl"`.
        environment_steps: training steps of each evaluation, ascending. Without what was held: neither the row at step
            0, which repeats the first evaluation, nor rows after the end of the runs.
        iqm: interquartile mean of the return over runs.
        low: lower end of its 95% bootstrap interval over runs.
        high: upper end.
        mean: mean over runs.
        runs: how many runs.
        final_iqm: the interquartile mean of the last evaluation.
        final_low: lower end of its interval.
        final_high: upper end.
    """

    environment: str
    variant: str
    environment_steps: Int[np.ndarray, " steps"]
    iqm: Float[np.ndarray, " steps"]
    low: Float[np.ndarray, " steps"]
    high: Float[np.ndarray, " steps"]
    mean: Float[np.ndarray, " steps"]
    runs: int
    final_iqm: float
    final_low: float
    final_high: float

    @property
    def made_by(self) -> str:
        """By whom the runs were made."""
        return made_by(self.variant)

    def at(self, environment_steps: float | int) -> tuple[float, float, float] | None:
        """Interquartile mean and interval at a number of steps, linear between evaluations.

        None before the first evaluation and after the last one: nothing is continued there.

        Args:
            environment_steps: within those of the curve, at least 0.
        """
        steps = self.environment_steps
        if not len(steps) or not steps[0] <= environment_steps <= steps[-1]:
            return None
        middle, low, high = (float(np.interp(environment_steps, steps, y)) for y in (self.iqm, self.low, self.high))
        return middle, low, high


def published(variant: str = "reppo-large", environments: Iterable[str] | None = None) -> list[PublishedCurve]:
    """Loads published learning curves.

    Args:
        variant: one of `published_variants()`.
        environments: only these; None for all that the variant has. Names that it does not have are left out, because
            a comparison is made where it can be.

    Returns:
        The curves by environment.

    Raises:
        ConfigurationError: if there is no such variant.

    Source: Voelcker et al. 2025, Relative Entropy Pathwise Policy Optimization, arXiv:2507.11019; aggregated from the
        results folder of github.com/cvoelcker/reppo, MIT License. What to read into them: docs/published.md.
    """
    table = _table()
    if variant not in table:
        raise unknown_name("published variant", variant, table, "`published_variants()` lists them.")
    curves = table[variant]
    chosen = curves if environments is None else [e for e in dict.fromkeys(environments) if e in curves]
    return [curves[environment] for environment in sorted(chosen)]


def published_variants() -> list[str]:
    """The names of what was published: REPPO in three sizes, ablations of each, PPO, SAC, FastTD3."""
    return sorted(_table())


def made_by(variant: str) -> str:
    """By whom the runs of a published variant were made, as far as is known."""
    if variant.endswith("-brax-0-500M"):
        return "published beside REPPO's curves by its authors; runs of Brax's implementation, by whom is not recorded"
    if variant.startswith("fasttd3"):
        return "published beside REPPO's curves by its authors (Voelcker et al. 2025), as a baseline"
    return "the authors of REPPO (Voelcker et al. 2025, arXiv:2507.11019)"


def published_caveats(variant: str, environments: Iterable[str] = ()) -> list[str]:
    """What has to be said beside a comparison with a published variant on some environments."""
    found: list[str] = [*CAVEATS]
    if any(name.startswith(JOYSTICK) for name in environments):
        found.append(_HUMANOIDS)
    if variant.endswith("-brax-0-500M"):
        found.append(_BRAX.format(variant=variant))
    if variant == "ppo-200M-first-50M":
        found.append(_PARTIAL.format(variant=variant))
    if variant.startswith(("fasttd3", "ppo-retuned")):
        found.append(_UNKNOWN.format(variant=variant))
    return found


def parse_against(text: str) -> str:
    """Reads what `--against` takes: `published:VARIANT`.

    Raises:
        ConfigurationError: if it is something else, or there is no such variant.
    """
    kind, _, variant = text.partition(":")
    require(
        kind == "published" and variant != "",
        f"--against {text!r} is not of the form published:VARIANT, such as published:reppo-large. To compare two "
        "results folders use `reppo compare DIR_A DIR_B`.",
    )
    published(variant)
    return variant


@cache
def _table() -> dict[str, dict[str, PublishedCurve]]:
    cells: dict[tuple[str, str], list[list[float]]] = {}
    text = files("reppo.analysis.curves").joinpath("data/published_returns.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        numbers = [float(row[name]) for name in ("environment_steps", "iqm", "iqm_low95", "iqm_high95", "mean", "runs")]
        cells.setdefault((row["variant"], row["environment"]), []).append(numbers)
    table: dict[str, dict[str, PublishedCurve]] = {}
    for (variant, environment), rows in cells.items():
        steps, iqm, low, high, mean, runs = np.array(sorted(rows)).T
        # A row after the end of the runs repeats their last evaluation, so the first of a constant tail is late, too.
        end = len(steps)
        if variant.endswith("-brax-0-500M"):
            changes = np.flatnonzero((np.diff(iqm) != 0) | (np.diff(mean) != 0))
            end = int(changes[-1]) + 1 if changes.size else 0
        kept = (np.arange(len(steps)) < end) & (steps > 0)
        table.setdefault(variant, {})[environment] = PublishedCurve(
            environment=environment,
            variant=variant,
            environment_steps=steps[kept].astype(np.int64),
            iqm=iqm[kept],
            low=low[kept],
            high=high[kept],
            mean=mean[kept],
            runs=int(runs.min()),
            final_iqm=float(iqm[-1]),
            final_low=float(low[-1]),
            final_high=float(high[-1]),
        )
    return table
