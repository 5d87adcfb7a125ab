"""What the parts of the check do. Each runs in a process of its own and tells what it finds as it finds it."""

import contextlib
import fcntl
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from reppo import presets
from reppo.ablation import Arm, find_ablation
from reppo.environments import AbstractEnvironmentSpec
from reppo.environments.suites import find_suite, suite_packages
from reppo.gpu_check.plan import first_part, parts, published_suite
from reppo.networks import Actor, Critic
from reppo.optimization import Epochs
from reppo.results import ResultsFolder
from reppo.rollout import Trajectory
from reppo.runtime.cache import use_compilation_cache
from reppo.runtime.machine import usable_cores
from reppo.runtime.measuring import peak_device_bytes, timed
from reppo.spec import Evaluation, Spec, replace_path, resolve
from reppo.training import BatchProgram, lanes_mode

Tell = Callable[..., None]

REHEARSED_HORIZON = 50
"""Steps of an episode in a rehearsal: a CPU simulates thousands of them, where a GPU takes all environments at once."""

_PACKAGES = ("jax", "jaxlib", "equinox", "optax", "numpy")

_RESUME_STUDY = """\
from reppo import Experiment, environments, presets

experiment = Experiment(
    name="resume",
    base=presets.reppo_small,
    environments=[environments.{suite}("{task}")],
    seeds=range(2),
    steps={whole},
    overrides=["evaluation.interval=2048", "evaluation.episodes=4"],
)
"""


def run_part(name: str, rehearsal: bool, out: Path) -> int:
    """Runs the part of that name in this process; what it finds goes where the environment says, or is printed."""
    every = [first_part(), *parts(rehearsal), *parts(rehearsal, missing=suite_packages())]
    part = next(part for part in every if part.name == name)
    place = os.environ.get("REPPO_GPU_CHECK_FOUND", "/dev/stdout")

    def tell(**found: Any) -> None:
        with open(place, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(found) + "\n")

    use_compilation_cache()
    _FUNCTIONS[part.function](tell, rehearsal, out, **part.arguments)
    return 0


def machine(tell: Tell, rehearsal: bool, out: Path) -> None:
    """Versions, the device, and one product of matrices on it."""
    versions = {name: installed(name) for name in (*_PACKAGES, *suite_packages())}
    tell(python=platform.python_version(), cores=usable_cores(), versions=versions, unmet=unmet())
    device = jax.devices()[0]
    stats = device.memory_stats() or {}
    tell(
        platform=device.platform,
        device=device.device_kind,
        devices=len(jax.devices()),
        client=device.client.platform_version.replace("\n", " "),
        driver=driver(),
        memory=stats.get("bytes_limit"),
        xla_flags=os.environ.get("XLA_FLAGS", ""),
    )
    with jax.default_matmul_precision("highest"):
        product = jnp.ones((512, 512)) @ jnp.ones((512, 512))
    assert float(product[0, 0]) == 512.0, f"a product of matrices of ones gave {product[0, 0]}, not 512"


def tiny(tell: Tell, rehearsal: bool, out: Path, suite: str, task: str, backend: str, lanes: int) -> None:
    """A few iterations of a tiny network, the same seeds twice in one program."""
    least = find_suite(suite).device.learned
    shorter = rehearsal and least is None
    spec = resolve(tiny_spec(_task(suite, task, backend, REHEARSED_HORIZON if shorter else None)))
    iterations = 4 if least is None else 60
    program = _compiled(tell, spec, lanes)
    outcomes = []
    for _ in range(2):
        states, before, after = trained(program, spec, lanes, iterations)
        _tell_returns(tell, before, after)
        outcomes.append((states, after.evaluated.episode_return))
    first, second = outcomes
    tell(twice=difference(first[0], second[0]) | {"returns": difference(first[1], second[1])["largest"]})
    if least is not None:
        best, untrained = (np.asarray(report.evaluated.episode_return).mean() for report in (after, before))
        assert best > max(least, untrained), f"{task} was not learned: return {best:.3f}, {untrained:.3f} before"


def published(tell: Tell, rehearsal: bool, out: Path, backend: str, lanes: int) -> None:
    """`presets.reppo` at its published size: seconds of an iteration, of its steps one by one, and of an evaluation."""
    spec = _main_spec(backend, rehearsal)
    program = _compiled(tell, spec, lanes)
    specs, iterations = [spec] * lanes, 2
    states = program.start(specs, range(lanes))
    states, _ = jax.block_until_ready(program.advance(states, specs, 0))  # Warp compiles its kernels here
    evaluation, trained, steps = [], [], []
    for _ in range(3):
        with _device(out):
            spent, states = timed(program.iterate, states, specs, iterations)
        trained.append(spent)
        with _device(out):
            states, spent = program.time_steps(states, specs)
        steps.append(spent)
        with _device(out):
            spent, (states, report) = timed(program.assess, states, specs)
        evaluation.append(spent)
        tell(
            evaluation_seconds=min(evaluation),
            iteration_seconds=min(trained) / iterations,
            step_seconds=_least(steps),
            evaluation_steps=report.evaluation_steps,
            iteration_steps=lanes * spec.algorithm.steps_per_iteration,
            device_bytes=peak_device_bytes(),
        )
    _tell_returns(tell, report, report)


def update(
    tell: Tell, rehearsal: bool, out: Path, precisions: Sequence[str], options: Mapping[str, bool | int | str]
) -> None:
    """The update of `presets.reppo` at its published size alone, on invented data, in several matmul precisions.

    Options are the compiler's: where the time of compilation goes to is what two parts with other ones tell.
    """
    backends = list(published_suite().device.backends) or [""]
    spec = _main_spec(backends[-1], rehearsal)  # nothing is simulated: any will do
    interface = spec.environment.make().interface()
    algorithm = spec.algorithm
    keys = jax.random.split(jax.random.key(0), 1)
    init = lambda key: algorithm.init(key, interface)
    states = jax.jit(jax.vmap(lambda key: eqx.filter(init(key), eqx.is_array)))(keys)
    code = eqx.filter(eqx.filter_eval_shape(init, keys[0]), _is_code)
    rollouts = jax.jit(jax.vmap(lambda arrays, key: _invented(spec, eqx.combine(arrays, code), key)))(states, keys)

    def step(arrays: PyTree, rollout: Trajectory, key: Any) -> PyTree:
        return eqx.filter(algorithm.update(eqx.combine(arrays, code), rollout, key)[0], eqx.is_array)

    learners, seconds = {}, {}
    for precision in precisions:
        start = time.perf_counter()
        with jax.default_matmul_precision(precision):
            program = jax.jit(jax.vmap(step), compiler_options=dict(options)).lower(states, rollouts, keys).compile()
        tell(**{f"compile_seconds_{precision}": time.perf_counter() - start})
        times = []
        for _ in range(3):
            with _device(out):
                spent, new = timed(program, states, rollouts, keys)
            times.append(spent)
        seconds[precision] = min(times)
        learners[precision] = jax.tree.map(np.asarray, (new.learner.actor, new.learner.critic))
        tell(update_seconds=seconds, update_steps=algorithm.steps_per_iteration, device_bytes=peak_device_bytes())
    moved = _distance(learners[precisions[0]], (states.learner.actor, states.learner.critic))
    apart = {name: _distance(learner, learners[precisions[0]]) / moved for name, learner in learners.items()}
    tell(apart_of_step={name: share for name, share in apart.items() if name != precisions[0]})


def quickstart(tell: Tell, rehearsal: bool, out: Path, suite: str, task: str, arm: str) -> None:
    """Two iterations of an arm of the quickstart, four seeds, on the backend that `auto` chooses."""
    base = presets.reppo_small(_task(suite, task, ""))
    spec = resolve((Arm() if arm == "base" else Arm() + find_ablation(arm))(base))
    program = _compiled(tell, spec, 4)
    _, before, after = trained(program, spec, 4, 2)
    _tell_returns(tell, before, after)


def rival(tell: Tell, rehearsal: bool, out: Path, suite: str, task: str, preset: str) -> None:
    """The preset of another algorithm, four seeds, for as long as it takes to learn from two rollouts; its steps."""
    spec = resolve(getattr(presets, preset)(_task(suite, task, "")))
    program = _compiled(tell, spec, 4)
    specs = [spec] * 4
    states, before = program.advance(program.start(specs, range(4)), specs, 0)
    states, after = program.advance(states, specs, spec.algorithm.idle_iterations + 2)
    _tell_returns(tell, before, after)
    steps = []
    for _ in range(3):
        with _device(out):
            states, spent = program.time_steps(states, specs)
        steps.append(spent)
    tell(step_seconds=_least(steps))


def resume(tell: Tell, rehearsal: bool, out: Path, suite: str, task: str) -> None:
    """`reppo run`, once whole, and once killed after a checkpoint and run again: the same evaluations and policies?"""
    first, whole = (2 * 2048, 10 * 2048) if rehearsal else (4 * 2048, 40 * 2048)
    folder = out / "resume" / task
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    study = folder / "study.py"
    study.write_text(_RESUME_STUDY.format(suite=suite, task=task, whole=whole), encoding="utf-8")

    def command(place: str, steps: int) -> list[str]:
        out = str(folder / place)
        return [sys.executable, "-m", "reppo.cli", "run", str(study), "--out", out, "--steps", str(steps)]

    def finish(place: str, steps: int) -> None:
        start = time.perf_counter()
        done = subprocess.run(command(place, steps), capture_output=True, text=True)
        assert done.returncode == 0, f"reppo run ended with {done.returncode}: {(done.stderr or done.stdout)[-250:]}"
        tell(**{f"seconds_{place}_{steps}": time.perf_counter() - start})

    finish("whole", whole)
    finish("killed", first)
    rows = folder / "killed" / "resume" / "runs" / "base" / task / "seed0" / "evaluations.csv"
    size = rows.stat().st_size
    with open(folder / "killed.log", "wb") as log:
        process = subprocess.Popen(command("killed", whole), stdout=log, stderr=log)
        while process.poll() is None and rows.stat().st_size <= size:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        code = process.wait()
    assert code == -signal.SIGKILL, f"it ended with {code} before it could be killed: see {folder / 'killed.log'}"
    finish("killed", whole)
    a, b = (_numbers(ResultsFolder.open(folder / place / "resume")) for place in ("whole", "killed"))
    assert a.keys() == b.keys() and all(a[name].shape == b[name].shape for name in a), "other evaluations were made"
    tell(resumed=difference(a, b))


def _numbers(folder: ResultsFolder) -> dict[str, np.ndarray]:
    """Returns of all evaluations, their steps, and the last policies."""
    found = {}
    for run in folder.runs():
        evaluations = run.read_evaluations()
        name = run.path.name
        found |= {f"{name} steps": evaluations.environment_steps, f"{name} returns": evaluations.returns}
        with np.load(run.policy_path / "last.npz") as arrays:
            found |= {f"{name} {key}": arrays[key] for key in arrays if arrays[key].dtype.kind in "fiu"}
    return found


def _task(name: str, task: str, backend: str, horizon: int | None = None) -> AbstractEnvironmentSpec:
    suite = find_suite(name)
    arguments: dict[str, Any] = {"backend": backend} if backend else {}
    if horizon and suite.horizon_setting:
        arguments["config"] = {suite.horizon_setting: horizon}
    return suite.declare(task, **arguments)


def tiny_spec(environment: AbstractEnvironmentSpec) -> Spec:
    """`presets.reppo_small` with networks and rollouts that compile and train in seconds."""
    small = presets.reppo_small(environment)
    spec = Spec(
        environment=environment, algorithm=small.algorithm, evaluation=Evaluation(interval=100_000_000, episodes=4)
    )
    changes = {
        "num_environments": 16,
        "rollout_length": 8,
        "actor": Actor(width=16, depth=1),
        "critic": Critic(width=16),
        "batches": Epochs(epochs=2, num_minibatches=2),
    }
    for name, value in changes.items():
        spec = replace_path(spec, f"algorithm.{name}", value)
    return spec


def _main_spec(backend: str, rehearsal: bool) -> Spec:
    """`presets.reppo` at its published size on the task that is timed; tiny in a rehearsal."""
    suite = published_suite()
    environment = _task(suite.name, suite.device.published, backend, REHEARSED_HORIZON if rehearsal else None)
    return resolve(tiny_spec(environment) if rehearsal else presets.reppo(environment))


def _compiled(tell: Tell, spec: Spec, lanes: int) -> BatchProgram:
    seconds, program = timed(BatchProgram(spec, lanes, lanes_mode()).compile)
    backend = getattr(spec.environment.make(), "resolved_backend", "")
    tell(lanes=lanes, backend=backend, compile_seconds=seconds, program_bytes=program.bytes)
    return program


def _least(times: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The shortest time of each step."""
    return {name: min(one[name] for one in times) for name in times[0]}


def trained(program: BatchProgram, spec: Spec, lanes: int, iterations: int) -> tuple[Any, Any, Any]:
    """States after training, and the reports before and after it, on the host."""
    specs = [spec] * lanes
    states = program.start(specs, range(lanes))
    states, before = program.advance(states, specs, 0)
    states, after = program.advance(states, specs, iterations)
    return jax.tree.map(_on_host, (states, before, after))


def _tell_returns(tell: Tell, before: Any, after: Any) -> None:
    mean = lambda report: np.asarray(report.evaluated.episode_return).mean(-1).tolist()
    tell(returns_before=mean(before), returns=mean(after), device_bytes=peak_device_bytes())
    diverged = np.asarray(after.diverged_at)
    assert (diverged < 0).all(), f"lanes diverged at iterations {diverged.tolist()}"
    assert np.isfinite(mean(after)).all(), f"returns are not finite: {mean(after)}"


def _invented(spec: Spec, state: Any, key: Any) -> Trajectory:
    """A rollout of the right shapes: observations at random, the policy's own actions, rewards in [0, 1]."""
    algorithm = spec.algorithm
    size = (algorithm.rollout_length, algorithm.num_environments)
    shapes = spec.environment.make().observation_shapes()
    keys = iter(jax.random.split(key, 4))
    draw = lambda key: jax.tree.map(lambda shape: jax.random.normal(key, (*size, *shape.shape)), shapes)
    observation, following = draw(next(keys)), draw(next(keys))
    policy = algorithm.policy(state)
    act = lambda observation, key: policy(policy.start(key), observation, key, False)
    action, _, extras = jax.vmap(jax.vmap(act))(observation, jax.random.split(next(keys), size))
    never = jnp.zeros(size, bool)
    return Trajectory(observation, action, extras, jax.random.uniform(next(keys), size), never, never, following)


def _is_code(leaf: Any) -> bool:
    return not isinstance(leaf, jax.ShapeDtypeStruct)


def _on_host(leaf: Any) -> np.ndarray:
    keys = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if keys else leaf)


def difference(a: PyTree, b: PyTree) -> dict[str, Any]:
    """How far apart two trees of equal shapes are; a NaN in the same place of both is no difference."""
    pairs = [(np.asarray(x), np.asarray(y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]
    unequal = [pair for pair in pairs if not np.array_equal(*pair, equal_nan=pair[0].dtype.kind == "f")]
    gaps = [np.abs(x.astype(np.float64) - y.astype(np.float64)) for x, y in unequal]
    largest = max((float(np.nanmax(gap)) if not np.isnan(gap).all() else float("nan") for gap in gaps), default=0.0)
    return {"identical": not unequal, "arrays": len(pairs), "unequal": len(unequal), "largest": largest}


def _distance(a: PyTree, b: PyTree) -> float:
    """The Euclidean distance of two trees."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return float(np.sqrt(sum(np.sum((np.asarray(x, np.float64) - np.asarray(y, np.float64)) ** 2) for x, y in pairs)))


@contextlib.contextmanager
def _device(out: Path) -> Iterator[None]:
    """Times nothing while another part times something; compilations and tiny runs go on beside it."""
    with open(out / "device.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed(name: str) -> str | None:
    """The version of a package; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def unmet() -> list[str]:
    """What the library requires and is not installed in a version that fits."""
    from packaging.requirements import Requirement

    missing = []
    for requirement in map(Requirement, importlib.metadata.requires("reppo") or []):
        version = installed(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and (version is None or not requirement.specifier.contains(version, prereleases=True)):
            missing.append(f"{requirement} ({version or 'not installed'})")
    return missing


def driver() -> str:
    """The driver's version, as NVIDIA's tool tells it; empty without it."""
    if shutil.which("nvidia-smi") is None:
        return ""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()


_FUNCTIONS: dict[str, Callable[..., None]] = {
    function.__name__: function for function in (machine, tiny, published, update, quickstart, rival, resume)
}
