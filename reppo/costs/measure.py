"""The costs of one spec, measured in this process: `python -m reppo.costs.measure JSON`. Prints one line of JSON."""

import json
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

import jax

from reppo.costs.products import operations, products, seconds
from reppo.runtime.cache import use_compilation_cache
from reppo.runtime.machine import usable_cores, use_all_cores
from reppo.runtime.measuring import peak_device_bytes, peak_process_bytes, timed
from reppo.spec import Spec, from_json
from reppo.sweep.experiment_file import load_experiment
from reppo.training import BatchProgram, lanes_mode
from reppo.training.lanes import lane_devices
from reppo.training.pieces import forget

COMPARED = ("act", "learn", "judge")
"""The steps with networks, whose matrix products are timed by themselves."""


def measure(spec: Spec, seeds: int, devices: int, repetitions: int, compare: bool) -> dict[str, Any]:
    """What compilation, steps and memory of a spec cost.

    Args:
        spec: a resolved spec.
        seeds: how many runs train in one program.
        devices: most devices that they are split over.
        repetitions: how often every step is timed, at least 1.
        compare: whether the matrix products of the steps are counted, and timed by themselves.

    Returns:
        Plain data: `seeds`; `compile_seconds` and `again_seconds`, of the same program from the compilation cache;
        `iteration_seconds`, of iterations that do not wait for each other's steps, and `step_seconds` by step, of steps
        that do, for all seeds together; `steps_per_iteration` and `evaluation_steps` of all seeds, the latter until the
        last episode of each was over, after `evaluation_rounds` steps on average; `bytes` of arrays as the compiler
        laid them out, and `peak_bytes` of the process or the device; where they are compared, for one seed
        `operations` and `product_seconds` by step.
    """
    specs = [spec] * seeds
    compiled, program = timed(BatchProgram(spec, seeds, lanes_mode(), devices).compile)
    states = program.iterate(program.start(specs, range(seeds)), specs, max(1, spec.algorithm.idle_iterations))
    states, _ = program.time_steps(states, specs)  # what is done the first time alone is done
    together, states = timed(program.iterate, states, specs, repetitions)
    times = []
    for _ in range(repetitions):
        states, spent = program.time_steps(states, specs)
        times.append(spent)
    judged = []  # of one policy, so that its episodes are as long each time
    for _ in range(repetitions):
        spent, (states, report) = timed(program.assess, states, specs)
        judged.append(spent)
    rounds = report.evaluation_steps / (seeds * spec.evaluation.episodes)
    found = {
        "seeds": seeds,
        "compile_seconds": compiled,
        "iteration_seconds": together / repetitions,
        "step_seconds": {name: statistics.median(one[name] for one in times) for name in times[0]}
        | {"judge": statistics.median(judged)},
        "steps_per_iteration": seeds * spec.algorithm.steps_per_iteration,
        "evaluation_steps": report.evaluation_steps,
        "evaluation_rounds": rounds,
        "bytes": program.bytes,
        "peak_bytes": peak_process_bytes() if (peak := peak_device_bytes()) is None else peak,
    }
    forget()
    jax.clear_caches()
    found["again_seconds"], _ = timed(BatchProgram(spec, seeds, lanes_mode(), devices).compile)
    if compare:
        forget()
        steps = BatchProgram(spec, 1, lanes_mode(), 1).steps
        made = {name: products(steps[name].traced.jaxpr.jaxpr) for name in COMPARED}
        often = dict.fromkeys(COMPARED, 1.0) | {"judge": rounds}  # a loop of unknown length, counted once
        found["operations"] = {name: often[name] * operations(one) for name, one in made.items()}
        found["product_seconds"] = {name: often[name] * seconds(one) for name, one in made.items()}
    return found


def machine() -> str:
    """This machine in words."""
    device = jax.devices()[0]
    cores = f"{usable_cores()} cores, " if device.platform == "cpu" else ""
    return f"{device.device_kind}, {cores}Python {platform.python_version()}, jax {jax.__version__}"


def main(text: str) -> None:
    """Prints what a line of JSON asks for: arguments of `measure`, and a `file` that declares components.

    Where it is empty, it tells the `machine` in words, and over how many `devices` lanes can be split.
    """
    use_all_cores(Path(__file__).parent)  # as every study does
    use_compilation_cache()
    asked = json.loads(text)
    if not asked:
        found = {"machine": machine(), "devices": lane_devices()}
    else:
        if file := asked.pop("file"):
            load_experiment(Path(file))
        found = measure(from_json(asked.pop("spec")), **asked)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
