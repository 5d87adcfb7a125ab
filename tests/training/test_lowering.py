"""The programs of the presets, traced and lowered for GPUs from a CPU; every ablation traced through training."""

import equinox as eqx
import jax
import pytest

from reppo import environments, presets
from reppo.ablation import all_ablations
from reppo.spec import resolve
from reppo.training import init, train_chunk

PRESETS = [presets.reppo, presets.reppo_small]


@pytest.mark.parametrize("preset", PRESETS)
def test_train_chunk_lowers_for_cuda(preset):
    spec = resolve(preset(environments.gymnax("Pendulum-v1")))
    arrays, static = eqx.partition(eqx.filter_eval_shape(init, spec, 0), lambda x: isinstance(x, jax.ShapeDtypeStruct))

    def chunk(arrays):
        state, report = train_chunk(spec, eqx.combine(arrays, static), 2)
        return eqx.filter((state, report), eqx.is_array)

    text = jax.jit(chunk).trace(arrays).lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.while" in text


@pytest.mark.parametrize("name", list(all_ablations()))
def test_every_ablation_traces_through_training(name):
    spec = resolve(all_ablations()[name](presets.reppo_small(environments.gymnax("Pendulum-v1"))))
    state = eqx.filter_eval_shape(init, spec, 0)
    new, report = eqx.filter_eval_shape(train_chunk, spec, state, 1)
    assert jax.tree.structure(eqx.filter(new, _abstract)) == jax.tree.structure(eqx.filter(state, _abstract))
    assert report.evaluated.episode_return.shape == (spec.evaluation.episodes,)


def _abstract(leaf):
    return isinstance(leaf, jax.ShapeDtypeStruct)
