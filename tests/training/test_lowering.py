"""The programs of the presets, traced and lowered for GPUs from a CPU."""

import equinox as eqx
import jax
import pytest

from reppo import environments, presets
from reppo.spec import resolve
from reppo.training import BatchProgram, init, train_chunk

PRESETS = [
    presets.ppo,
    presets.ppo_small,
    presets.reppo,
    presets.reppo_small,
    presets.reppo_reference,
    presets.reppo_single_file,
    presets.sac,
    presets.fast_td3,
]


@pytest.mark.parametrize("preset", PRESETS)
def test_train_chunk_lowers_for_cuda(preset):
    spec = resolve(preset(environments.gymnax("Pendulum-v1")))
    arrays, static = eqx.partition(eqx.filter_eval_shape(init, spec, 0), lambda x: isinstance(x, jax.ShapeDtypeStruct))

    def chunk(arrays):
        state, report = train_chunk(spec, eqx.combine(arrays, static), 2)
        return eqx.filter((state, report), eqx.is_array)

    text = jax.jit(chunk).trace(arrays).lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.while" in text


@pytest.mark.parametrize(
    "preset", [presets.ppo, presets.reppo, presets.sac, presets.fast_td3], ids=lambda preset: preset.__name__
)
def test_the_steps_of_two_lanes_lower_for_cuda(preset):
    """The programs that a sweep compiles, with lanes by `vmap` as on a GPU."""
    program = BatchProgram(resolve(preset(environments.gymnax("Pendulum-v1"))), 2, "vmap", devices=1)
    for traced in program.trace():
        assert "stablehlo" in traced.lower(lowering_platforms=("cuda",)).as_text()
