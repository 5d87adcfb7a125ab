"""Learners of other kinds are written with public names alone, and run through the unchanged training loop."""

import ast
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from reppo.spec import resolve
from reppo.training import BatchProgram
from tests.algorithms.newcomers.actor_critic import ActorCritic
from tests.algorithms.newcomers.off_policy import OffPolicy
from tests.algorithms.newcomers.recurrent import Recurrent
from tests.tiny import tiny_spec, train_alone

FILES = sorted((Path(__file__).parent / "newcomers").glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_newcomer_is_short_and_asks_for_nothing_private(file):
    text = file.read_text(encoding="utf-8")
    assert len(text[text.index("@final") :].splitlines()) <= 60
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
        if isinstance(node, ast.ImportFrom):
            assert not any(alias.name.startswith("_") for alias in node.names)


@pytest.mark.parametrize("algorithm", [ActorCritic(), OffPolicy(), Recurrent()], ids=lambda one: type(one).__name__)
def test_a_newcomer_learns(algorithm):
    _, reports = train_alone(tiny_spec(algorithm=algorithm), seed=0, steps=256 * 12)
    returns = [float(np.mean(report.evaluated.episode_return)) for report in reports]
    assert returns[-1] > returns[0], returns


@pytest.mark.slow
def test_a_buffer_stays_out_of_checkpoints_if_the_algorithm_says_so():
    spec = resolve(tiny_spec(algorithm=OffPolicy()))
    program = BatchProgram(spec, 1, "map")
    states = program.iterate(program.start([spec], [0]), [spec], 2)
    saved = program.saved(states)
    assert saved.arrays.algorithm.data == ()
    shapes = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)
    assert shapes(program.saved(program.abstract_states)) == shapes(saved)
    restored = program.restored(saved, [spec], [0])
    assert eqx.tree_equal(restored.arrays.algorithm.learner, states.arrays.algorithm.learner)
    assert not np.any(restored.arrays.algorithm.data.target) and np.any(states.arrays.algorithm.data.target)
    assert shapes(restored) == shapes(states)
