"""What the parts of an iteration of PPO cost here: `python -m reppo.benchmark.parts`.

Each part is a program of its own and runs in turn with the others; what is told are medians. Their sum need not be the
whole, which is one program here. A study compiles each step of an iteration by itself: `reppo bench` measures those.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from reppo.algorithms.ppo import Progress
from reppo.benchmark.own import spec_of
from reppo.benchmark.settings import PpoSettings
from reppo.environments import Episodes
from reppo.losses import StateValue
from reppo.rollout import collect, map_rows
from reppo.spec import Spec, resolve
from reppo.text import markdown_rows
from reppo.training.faults import all_finite, first_fault
from reppo.training.loop import TrainState, init, iterate, make_environment
from reppo.training.steps import MOST_STARTS


def functions_of(spec: Spec, state: TrainState) -> dict[str, tuple[Callable[..., PyTree], tuple[Any, ...]]]:
    """The parts of an iteration of PPO by name, each with what it is called on.

    Args:
        spec: a resolved spec of PPO.
        state: of a run of it.
    """
    algorithm: Any = spec.algorithm
    key = jax.random.key(0)
    environments = jax.random.split(key, algorithm.num_environments)

    def collected(state: TrainState) -> Any:
        episodes = Episodes(make_environment(spec), MOST_STARTS)
        policy = algorithm.policy(state.algorithm)
        arguments = (state.episodes, state.memory, environments, algorithm.rollout_length, key)
        return collect(episodes, policy, *arguments)

    def updated(data: Any, learner: Any, names: tuple[str, ...]) -> Any:
        start = Progress(learner, rate=jnp.ones(()), stopped=algorithm.stop.init())
        steps = {"critic": algorithm.critic_step, "actor": algorithm.actor_step}
        steps = {name: steps[name] for name in names}
        return algorithm.step_order.run(start, data, algorithm.batches.indices(data.size, key), steps, key)

    def checked(state: Any, trajectory: Any, metrics: Any) -> Any:
        return all_finite(state.without_data()), first_fault(algorithm, state, metrics, trajectory)

    def final_values(learner: Any, observations: Any) -> Array:
        value = StateValue(learner.critic, algorithm.value)
        return map_rows(lambda one: value(one.for_critic), observations)

    trajectory = eqx.filter_jit(collected)(state)[2]
    data, metrics = eqx.filter_jit(algorithm.prepare)(state.algorithm, trajectory)
    learner, both = state.algorithm.learner, ("critic", "actor")
    return {
        "the whole iteration": (lambda state: iterate(spec, state), (state,)),
        "collection: policy, task, statistics of episodes": (collected, (state,)),
        "values and advantages": (algorithm.prepare, (state.algorithm, trajectory)),
        "of that, values of the true final observations": (final_values, (learner, trajectory.final_observation)),
        "epochs: shuffles and steps": (lambda data, learner: updated(data, learner, both), (data, learner)),
        "the same without metrics": (lambda data, learner: updated(data, learner, both)[0], (data, learner)),
        "of that, shuffles": (lambda data: algorithm.batches.indices(data.size, key), (data,)),
        "of that, shuffles and steps of the value": (
            lambda data, learner: updated(data, learner, both[:1])[0],
            (data, learner),
        ),
        "of that, shuffles and steps of the policy": (
            lambda data, learner: updated(data, learner, both[1:])[0],
            (data, learner),
        ),
        "looking for numbers that are not finite": (checked, (state.algorithm, trajectory, metrics)),
    }


def measure(settings: PpoSettings, repetitions: int = 50) -> Mapping[str, float]:
    """Seconds of the processor for each part of an iteration.

    Args:
        settings: of the benchmark.
        repetitions: calls of each part, at least 1.
    """
    spec = resolve(spec_of(settings.to_json(1)))
    state = eqx.filter_jit(lambda: init(spec, 0))()
    programs = {name: _compiled(*part) for name, part in functions_of(spec, state).items()}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(repetitions):
        for name, program in programs.items():
            start = time.process_time()
            jax.block_until_ready(program())
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(spent) for name, spent in seconds.items()}


def _compiled(function: Callable[..., PyTree], arguments: tuple[Any, ...]) -> Callable[[], PyTree]:
    """A program, called once, so that what it does the first time alone is done."""
    arrays, code = eqx.partition(arguments, eqx.is_array)
    inside = lambda arrays: eqx.filter(function(*eqx.combine(arrays, code)), eqx.is_array)
    program = jax.jit(inside).lower(arrays).compile()
    jax.block_until_ready(program(arrays))
    return lambda: program(arrays)


def format_parts(seconds: Mapping[str, float]) -> str:
    """A table in Markdown; shares are those of the whole iteration, the first."""
    whole = next(iter(seconds.values()))
    rows = [[name, f"{spent * 1e3:.2f} ms", f"{spent / whole:.0%}"] for name, spent in seconds.items()]
    return "\n".join(markdown_rows(("part", "time of the processor", "share"), rows))


if __name__ == "__main__":
    print(format_parts(measure(PpoSettings())))
