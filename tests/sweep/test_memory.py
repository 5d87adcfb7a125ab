"""What a sweep takes of the machine's memory, measured in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import reppo

ROOT = Path(reppo.__file__).parent.parent

SPLIT = """
import dataclasses, sys
from pathlib import Path
import jax

jax.config.update("jax_num_cpu_devices", 2)
from reppo import environments, presets
from reppo.sweep import Experiment, execute
from reppo.sweep.execution import choose_execution
from reppo.tracking import NoTracker


def resident(what):
    line = next(line for line in open("/proc/self/status") if line.startswith(what))
    return int(line.split()[1]) * 1024


def base(environment):
    spec = presets.reppo_small(environment)
    algorithm = dataclasses.replace(spec.algorithm, num_environments=2048, rollout_length=128)
    return dataclasses.replace(spec, algorithm=algorithm)


experiment = Experiment(
    name="large", base=base, environments=[environments.gymnax("Pendulum-v1")], seeds=range(2), steps=1
)
memory = {memory}
assert choose_execution(experiment).devices == 2
devices = choose_execution(experiment, memory).devices
start = resident("VmRSS")
execute(experiment, Path(sys.argv[1]), NoTracker(), memory)
print(devices, resident("VmHWM") - start)
"""


@pytest.mark.slow  # rollouts of a gigabyte
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures by the proc file system")
@pytest.mark.parametrize(("memory", "devices"), [(3 * 10**9, 2), (2_500_000_000, 1)])
def test_what_does_not_fit_is_split_and_stays_under_the_limit(memory, devices, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SPLIT.format(memory=memory), str(tmp_path / "large")],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    used, peak = map(int, done.stdout.split())
    assert used == devices
    assert devices * 0.8 * 10**9 < peak < memory
