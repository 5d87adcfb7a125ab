"""Settings of all tests: no broadcasting by accident, compiled programs kept between runs."""

import gc
import itertools
import os
from pathlib import Path

# Two devices, so that lanes are split over devices in the tests as in real use; set before JAX starts.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import hypothesis
import jax
import pytest

from reppo.runtime.cache import use_compilation_cache
from reppo.training import pieces
from tests.unchecked import as_users_run_it

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)
use_compilation_cache()

# Compiling the first example takes longer than any deadline; the same examples every time.
hypothesis.settings.register_profile("reppo", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("reppo")


@pytest.fixture(scope="session")
def pendulum_results(tmp_path_factory):
    """The results of a short experiment on Pendulum-v1, one arm and two seeds; not to be written to."""
    from reppo import environments
    from reppo.sweep import Experiment, execute
    from reppo.tracking import NoTracker
    from tests.tiny import tiny_preset

    path = tmp_path_factory.mktemp("results") / "pendulum"
    experiment = Experiment(
        name="pendulum",
        base=tiny_preset,
        environments=[environments.gymnax("Pendulum-v1")],
        seeds=[0, 1],
        steps=512,
    )
    execute(experiment, path, NoTracker())
    return path


@pytest.fixture
def key() -> jax.Array:
    """A random key."""
    return jax.random.key(0)


@pytest.fixture
def unchecked():
    """As users run it: types are not checked at every call, as they are in the tests."""
    with as_users_run_it():
        yield


MAPPINGS = Path("/proc/self/maps")
MOST_MAPPINGS = 30_000
tests_done = itertools.count()


@pytest.fixture(autouse=True)
def room_for_programs():
    """Compiled programs are dropped before there are more than Linux lets a process map, by default 65530 areas.

    A small one takes a thousand. Where there is no room JAX does not raise, but ends the process.
    """
    yield
    if next(tests_done) % 4 == 0 and MAPPINGS.exists() and MAPPINGS.read_bytes().count(b"\n") > MOST_MAPPINGS:
        pieces.forget()
        jax.clear_caches()
        gc.collect()
