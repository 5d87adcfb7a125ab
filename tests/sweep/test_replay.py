"""Runs with a replay buffer in a sweep: stopped and continued, with and without what they had collected."""

import dataclasses

import numpy as np
import pytest

import reppo
from reppo import environments
from reppo.analysis import build_report
from reppo.results import load_results
from reppo.sweep import Experiment, execute
from reppo.tracking import NoTracker
from tests.tiny import tiny_preset, tiny_sac

TASK = environments.probe("BestAction")


def declare(steps, saves_replay):
    algorithm = tiny_sac(saves_replay=saves_replay, learning_starts=384)  # after the first of all evaluations
    base = lambda environment: dataclasses.replace(tiny_preset(environment), algorithm=algorithm)
    return Experiment(name="sac", base=base, environments=[TASK], seeds=[0, 1], steps=steps)


def returns(path):
    return {run.record.seed: np.asarray(run.evaluations.returns) for run in load_results(path)}


@pytest.mark.parametrize("saves_replay", [True, False], ids=["kept", "left out"])
def test_a_run_that_is_continued_has_its_buffer_or_says_that_it_has_not(tmp_path, saves_replay):
    execute(declare(768, saves_replay), tmp_path / "whole", NoTracker())
    execute(declare(512, saves_replay), tmp_path / "stopped", NoTracker())
    execute(declare(768, saves_replay), tmp_path / "stopped", NoTracker())
    whole, stopped = (returns(tmp_path / name) for name in ("whole", "stopped"))
    same = all(np.array_equal(whole[seed], stopped[seed]) for seed in whole)
    assert same == saves_replay
    results = load_results(tmp_path / "stopped")
    assert [run.record.data_lost_at for run in results] == [[] if saves_replay else [512]] * 2
    said = "2 runs were stopped and went on without what they had collected"
    assert (said in repr(build_report(results, title="sac"))) != saves_replay
    policy = reppo.load_policy(tmp_path / "stopped" / "runs" / "base" / TASK.name / "seed0")
    assert np.abs(policy(np.zeros(1, np.float32))).max() <= 1
