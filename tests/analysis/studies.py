"""Random studies in memory, and their reports."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reppo.analysis import Report, build_report
from reppo.results import Evaluations, Metrics, RunData, RunFolder, RunRecord
from tests.analysis.runs import WATCHED

SHAPES = ("normal", "lognormal", "bimodal", "saturated", "sparse", "failing", "tied")


@dataclass(frozen=True)
class Study:
    """A random study: for each run (arm, task, seed) its evaluations and whether it diverged, and what it cost."""

    arms: tuple[str, ...]
    tasks: tuple[str, ...]
    known: bool
    runs: dict[tuple[str, str, int], tuple[dict[int, float], bool]]
    ablations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    costs: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)


def draw_study(seed: int, most_arms: int = 4, most_tasks: int = 4, most_seeds: int = 8) -> Study:
    """Draws one: ragged, tied, sparse, diverged, solved, on unlike scales, with and without effects."""
    rng = np.random.default_rng(seed)
    arms = ("base", *(f"a{i}" for i in range(rng.integers(0, most_arms + 1))))
    tasks = tuple(f"T{i}" for i in range(rng.integers(1, most_tasks + 1)))
    seeds, known = int(rng.integers(1, most_seeds + 1)), bool(rng.integers(0, 2))
    steps = [0, 100, 200, 300]
    runs: dict[tuple[str, str, int], tuple[dict[int, float], bool]] = {}
    for task in tasks:
        shape = SHAPES[rng.integers(len(SHAPES))]
        scale = 1.0 if known else float(rng.choice([1.0, 50.0, -3.0]))
        for arm in arms:
            effect = 0.0 if arm == "base" else float(rng.choice([0.0, 0.0, -0.4, 0.3]))
            for k in range(seeds):
                if arm != "base" and rng.random() < 0.05:
                    continue  # ragged
                final = 1000 * float(np.clip(_score(shape, rng) + effect, 0, 1))
                lost = bool(rng.random() < 0.06)
                last = int(rng.integers(1, 4)) if lost or rng.random() < 0.05 else 4
                curve = {s: round(scale * (final * s / 300 + rng.normal(0, 3)), 4) for s in steps[:last]}
                runs[arm, task, k] = ({s: float(np.clip(v, 0, 1000)) if known else v for s, v in curve.items()}, lost)
    beside = np.random.default_rng([seed, 1])
    design = ((), ("x",), ("y",), ("x", "y"), ("z",)) if beside.random() < 0.5 else ()
    costs = {
        key: {
            "steps_per_second": float(beside.lognormal(8, 1)),
            "train_seconds": float(beside.lognormal(4, 1)),
            "compile_seconds": float(beside.lognormal(3, 1)) if beside.random() < 0.9 else None,
            "program_bytes": int(beside.integers(1, 2**32)) if beside.random() < 0.9 else None,
        }
        for key in runs
    }
    return Study(arms, tasks, known, runs, dict(zip(arms, design)), costs)


def draw_null(seed: int, shape: str, seeds: int, known: bool, arms: int = 3, tasks: int = 2) -> Study:
    """A study in which no arm differs from the base: what any page calls better or worse is false."""
    rng = np.random.default_rng([seed, seeds, SHAPES.index(shape)])
    names = ("base", *(f"a{i}" for i in range(arms)))
    runs: dict[tuple[str, str, int], tuple[dict[int, float], bool]] = {}
    for arm, task, k in itertools.product(names, range(tasks), range(seeds)):
        final = 1000 * float(np.clip(_score(shape, rng), 0, 1))
        runs[arm, f"T{task}", k] = ({0: 0.0, 100: final}, False)
    return Study(names, tuple(f"T{i}" for i in range(tasks)), known, runs)


def _score(shape: str, rng: np.random.Generator) -> float:
    return {
        "normal": lambda: rng.normal(0.5, 0.1),
        "lognormal": lambda: 0.1 * rng.lognormal(0, 0.7),
        "bimodal": lambda: rng.choice([0.3, 0.8]) + rng.normal(0, 0.02),
        "saturated": lambda: min(1.0, rng.normal(1, 0.1)),
        "sparse": lambda: 0.9 * (rng.random() < 0.3),
        "failing": lambda: 0.1 if rng.random() < 0.2 else rng.normal(0.8, 0.02),
        "tied": lambda: round(rng.random(), 1),
    }[shape]()


def as_results(study: Study) -> list[RunData]:
    """The study as runs, as they would be read from disk."""
    found = []
    for (arm, task, seed), (curve, lost) in study.runs.items():
        steps = np.array(list(curve), np.int64)
        spec: dict[str, Any] = {}
        if study.known:
            spec = {"environment": {"component": "PlaygroundTask", "task": "CheetahRun", "config": []}}
        record = RunRecord(
            run_id=f"{arm}{task}{seed}",
            experiment="e",
            arm=arm,
            environment=task,
            seed=seed,
            status="diverged" if lost else "finished",
            diverged_at=int(steps[-1]) if lost else None,
            environment_steps=int(steps[-1]),
            spec=spec,
            backend="cpu",
            ablations=list(study.ablations.get(arm, ())),
            settings={},
            watched=WATCHED,
            **study.costs.get((arm, task, seed), {}),
        )
        returns = np.array(list(curve.values()), np.float64)
        zeros = np.zeros(len(steps), np.int64)
        rows = Evaluations(environment_steps=steps, seconds=steps / 10, episode=zeros, returns=returns, lengths=zeros)
        found.append(RunData(record, rows, RunFolder(Path("unused"))))
    return found


def report_of(study: Study) -> Report:
    """Its report; drawing is left to whoever calls to replace."""
    empty = np.zeros(0)
    none = Metrics(environment_steps=empty.astype(np.int64), names=[], mean=empty, minimum=empty, maximum=empty)
    results = as_results(study)
    return build_report(results, metrics=[none] * len(results))
