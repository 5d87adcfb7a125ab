"""Folders of results that no training made, written by the library's own writers: for tests and timings of reports."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reppo.algorithms import Reppo
from reppo.results import ResultsFolder, RunRecord, write_runs_csv

WATCHED = [watched.to_json() for watched in Reppo().watched()]
METRICS = {
    "actor/kl": (0.08, 0.02),
    "actor/behind_gate": (0.15, 0.05),
    "actor/entropy": (0.5, 0.4),
    "actor/temperature": (0.02, 0.005),
    "actor/kl_multiplier": (1.5, 0.5),
    "targets/outside_support": (0.002, 0.001),
    "critic/explained_variance": (0.8, 0.1),
    "critic/gradient_norm": (0.6, 0.2),
    "critic/loss": (2.0, 0.3),
}


def spec_of(task: str | None, ablations: Sequence[str]) -> dict[str, Any]:
    """A spec like a real one in shape: components with fields, one of them changed per ablation."""
    objective = {"component": "ClippedKL", "kl_bound": 0.1, "num_samples": 4}
    algorithm: dict[str, Any] = {
        "component": "Reppo",
        "gamma": 0.99,
        "actor_loss": {"component": "PathwiseLoss", "objective": objective, "gate": {"component": "PerState"}},
        "value": {"component": "HLGauss", "num_bins": 151, "support": {"component": "FixedSupport", "low": 0.0}},
        "critic": {"component": "Critic", "width": 512, "norm": {"component": "RMSNorm"}},
    }
    for name in ablations:
        algorithm[name.replace("/", "_")] = {"component": f"No{name.split('/')[-1].title()}"}
    if "kl/no_kl" in ablations:
        algorithm["actor_loss"]["objective"] = {"component": "Unconstrained"}
    spec = {"component": "Spec", "algorithm": algorithm, "evaluation": {"episodes": 8, "interval": 10_000}}
    return (
        spec if task is None else {**spec, "environment": {"component": "PlaygroundTask", "task": task, "config": []}}
    )


def _value(text):
    """A number, or else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def settings_in(ablations: Sequence[str]) -> dict[str, Any]:
    """What a sweep would record of ablations named `path=value`."""
    found = (name.partition("=") for name in ablations if "=" in name)
    return {f"algorithm.actor_loss.{path}": _value(value) for path, _, value in found}


def make_results(
    path: Path,
    arms: Mapping[str, float],
    tasks: Sequence[str],
    seeds: int,
    evaluations: int = 10,
    episodes: int = 2,
    steps: int = 100_000,
    reports: int = 0,
    diverged: Sequence[tuple[str, str, int]] = (),
    unfinished: Sequence[tuple[str, str, int]] = (),
    offset: float = 0.0,
    untrained: float | None = None,
    name: str = "synthetic",
) -> Path:
    """Writes an experiment whose runs learn along a saturating curve.

    Args:
        path: the folder.
        arms: for each arm (ablations joined by `+`) the final score, as a share of the task's scale.
        tasks: names of the environments.
        seeds: how many.
        evaluations: of each run, evenly spaced up to `steps`.
        episodes: of each evaluation.
        steps: of each run.
        reports: of training metrics.
        diverged: runs (arm, task, seed) that diverge half-way.
        unfinished: runs that are half-way.
        offset: added to every return.
        untrained: the final score, as a share, of an evaluation before training; None for none.
        name: of the experiment.
    """
    folder = ResultsFolder.create_or_open(path, {"id": "0123456789ab", "name": name})
    shares = np.arange(1, evaluations + 1) / evaluations
    for t, task in enumerate(tasks):
        for a, (arm, level) in enumerate(arms.items()):
            for seed in range(seeds):
                generator = np.random.default_rng([t, seed])  # shared by the arms: pairs have something in common
                common = generator.normal(0, 0.04)
                own = np.random.default_rng([t, a, seed])
                final = (level + common + own.normal(0, 0.03)) * (1 + 0.05 * np.sin(t + 9 * level))
                curve = 1000 * final * (1 - np.exp(-4 * shares)) + offset
                lost, half = (arm, task, seed) in diverged, (arm, task, seed) in unfinished
                last = max(1, evaluations // 2) if lost or half else evaluations
                run = folder.run(arm, task, seed)
                rows = []
                if untrained is not None:
                    rows.append((0, 0.0, 1000 * untrained + offset + own.normal(0, 10, episodes)))
                for i in range(last):
                    step = int(steps * shares[i])
                    returns = curve[i] + own.normal(0, 10, episodes)
                    rows.append((step, step / 5000 * (1 + 0.1 * a), returns))
                known = task in TASKS and not offset
                for step, seconds, returns in rows:
                    returns = np.clip(returns, 0, 1000) if known else returns
                    run.append_evaluation(step, seconds, returns, np.full(episodes, 1000))
                for i in range(reports):
                    done = (i + 1) / reports
                    metrics = {}
                    for metric, (middle, spread) in METRICS.items():
                        value = middle * (1 + 0.3 * a) * (0.5 + done) + spread * own.normal() * 0.2
                        value = max(value, 1e-4) if metric != "actor/entropy" else value - done
                        metrics[metric] = (value, value - spread, value + spread)
                    run.append_metrics(int(steps * done * last / evaluations), metrics)
                ablations = [] if arm == "base" else arm.split("+")
                at = rows[-1][0]
                run.write_record(
                    RunRecord(
                        run_id=f"{a:04x}{t:04x}{seed:04x}",
                        experiment="0123456789ab",
                        arm=arm,
                        environment=task,
                        seed=seed,
                        status="diverged" if lost else "running" if half else "finished",
                        environment_steps=at if half else steps,
                        diverged_at=at if lost else None,
                        spec=spec_of(task if known else None, ablations),
                        ablations=ablations,
                        settings=settings_in(ablations),
                        watched=WATCHED,
                        versions={"reppo": "0.1.0", "jax": "0.10.2", "equinox": "0.13.8", "numpy": "2.4.6"},
                        backend="cpu",
                        device="cpu",
                        width=seeds,
                        batch="batch0000",
                        lanes_mode="map",
                        matmul_precision="highest",
                        train_seconds=rows[-1][1],
                        compile_seconds=20.0 + a,
                        program_bytes=(40 + a) * 2**20,
                        steps_per_second=5000.0 / (1 + 0.1 * a),
                    )
                )
    write_runs_csv(path)
    return path


TASKS = (
    "AcrobotSwingup", "AcrobotSwingupSparse", "BallInCup", "CartpoleBalance", "CartpoleBalanceSparse",
    "CartpoleSwingup", "CartpoleSwingupSparse", "CheetahRun", "FingerSpin", "FingerTurnEasy", "FingerTurnHard",
    "FishSwim", "HopperHop", "HopperStand", "HumanoidRun", "HumanoidStand", "HumanoidWalk", "PendulumSwingup",
    "PointMass", "ReacherEasy", "ReacherHard", "SwimmerSwimmer6", "WalkerRun", "WalkerStand", "WalkerWalk",
)  # fmt: skip
ARMS = {
    "base": 0.85, "kl/no_kl": 0.5, "value/mse": 0.7, "normalization/no_norm": 0.8, "auxiliary/no_auxiliary": 0.84,
    "kl/no_kl+value/mse": 0.42, "entropy/fixed_temperature": 0.83, "entropy/no_entropy": 0.77,
    "targets/no_lambda": 0.74,     "targets/monte_carlo": 0.66, "value/two_hot": 0.86,
    "value/ensemble_of_two_critics_with_minimum": 0.87,
    "kl/penalized": 0.845, "kl/reverse": 0.82, "gate/per_batch": 0.84, "optimizer/no_clip": 0.81,
    "network/no_skip": 0.8, "network/narrow": 0.79, "observations/no_normalization": 0.6, "actor/no_state_std": 0.855,
}  # fmt: skip
