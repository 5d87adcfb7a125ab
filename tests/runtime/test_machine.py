"""What of the machine a process may use: the cores it is bound to, and the limits of its control groups."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import reppo
from reppo.runtime import machine
from reppo.runtime.machine import usable_cores, usable_memory


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: set(range(16)), raising=False)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 16),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 16),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/cpu.max": "350000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/../outside\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        (
            {
                "proc/self/cgroup": "3:cpuset:/\n2:cpu,cpuacct:/docker/1f\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (
            {
                "proc/self/cgroup": "2:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            16,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, 16),
    ],
)
def test_cores_are_those_that_binding_and_quota_leave(tmp_path, files, cores):
    assert usable_cores(tree(tmp_path, files)) == cores


def test_a_bound_process_has_its_cores_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: {3}, raising=False)
    quota = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "800000 100000\n"}
    assert usable_cores(tree(tmp_path, quota)) == 1
    monkeypatch.delattr(machine.os, "sched_getaffinity")  # as on macOS
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 6)
    assert usable_cores(tmp_path) == 6


@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({}, None),
        ({"proc/meminfo": "MemTotal:  1000 kB\nMemFree: 10 kB\n"}, 1_024_000),
        (
            {
                "proc/meminfo": "MemTotal:  1000 kB\n",
                "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/memory.max": "500000\n",
                "sys/fs/cgroup/job/step/memory.max": "max\n",
            },
            500_000,
        ),
        (
            {
                "proc/meminfo": "MemTotal:  1000 kB\n",
                "proc/self/cgroup": "4:memory:/docker/1f\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            1_024_000,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/1f\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "700000\n",
            },
            700_000,
        ),
    ],
)
def test_memory_is_what_the_control_groups_leave(tmp_path, files, number):
    assert usable_memory(tree(tmp_path, files)) == number


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound here")
def test_jax_gets_one_device_where_one_core_is_allowed(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from reppo.runtime.machine import use_all_cores; use_all_cores(Path(sys.argv[1]))\n"
        "import jax; print(len(jax.devices()))"
    )
    place = os.environ | {"PYTHONPATH": str(Path(reppo.__file__).parents[1]), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=place)
    assert done.stdout.strip() == "1", done.stderr


def test_no_more_memory_is_planned_than_the_process_may_use(monkeypatch):
    from reppo import Experiment, environments
    from reppo.errors import ConfigurationError
    from reppo.sweep import execution as planning
    from reppo.sweep import forecast
    from reppo.sweep.batches import arrange_batches
    from reppo.sweep.execution import choose_execution
    from tests.tiny import tiny_preset

    experiment = Experiment(
        name="study", base=tiny_preset, environments=[environments.probe("BestAction")], seeds=range(2), steps=1024
    )
    monkeypatch.setattr(planning, "usable_memory", lambda: planning.RESIDENT_BYTES + 1)
    with pytest.raises(ConfigurationError, match=r"and 1 GB are allowed \(--memory\)"):
        choose_execution(experiment, 10**12)
    execution = choose_execution(experiment)
    planned = forecast.forecast(experiment, arrange_batches(experiment.runs(), execution), execution)
    monkeypatch.setattr(forecast, "usable_memory", lambda: planning.RESIDENT_BYTES + 1)
    assert "more than this process may use: 1 GB" in forecast.format_forecast(planned)
    monkeypatch.setattr(forecast, "usable_memory", lambda: 10**12)
    assert "may use" not in forecast.format_forecast(planned)
