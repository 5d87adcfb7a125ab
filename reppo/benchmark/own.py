"""PPO and SAC of this library with the settings of the benchmark, by `python -m reppo.benchmark.own SETTINGS`."""

import json
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reppo.algorithms import Ppo, Sac
from reppo.distributions import FreeScale, NormalHead, TanhNormalHead
from reppo.environments.suites import find_suite
from reppo.losses import ClippedRatio, ClippedValueLoss, LearnedMultiplier, SurrogateLoss
from reppo.networks import Actor, Critic, LecunNormal, NoNorm, Relu, Tanh, UniformFanIn
from reppo.normalization import NoNormalization
from reppo.optimization import Adam, Epochs, NoClip, Polyak
from reppo.replay import UniformReplay
from reppo.runtime.machine import use_all_cores
from reppo.spec import Evaluation, Spec, resolve
from reppo.targets import SoftLambda
from reppo.training import BatchProgram, lanes_mode


def spec_of(settings: Mapping[str, Any]) -> Spec:
    """The spec that does what the settings say.

    Args:
        settings: as `AbstractSettings.to_json` gives them.
    """
    return Spec(
        environment=find_suite("gymnax").declare(settings["task"]),
        algorithm={"ppo": _ppo, "sac": _sac}[settings["algorithm"]](settings),
        evaluation=Evaluation(episodes=settings["episodes"]),
    )


def _ppo(settings: Mapping[str, Any]) -> Ppo:
    network: dict[str, Any] = {
        "width": settings["width"],
        "norm": NoNorm(),
        "activation": Tanh(),
        "initializer": LecunNormal(),
    }
    adam = Adam(learning_rate=settings["learning_rate"], clip=NoClip())
    return Ppo(
        num_environments=settings["num_environments"],
        rollout_length=settings["rollout_length"],
        gamma=settings["gamma"],
        reward_scale=settings["reward_scale"],
        normalizer=NoNormalization(),
        actor=Actor(depth=settings["depth"], **network),
        head=NormalHead(scale=FreeScale(settings["action_scale"])),
        critic=Critic(encoder_depth=settings["depth"] - 1, head_depth=0, **network),
        value_loss=ClippedValueLoss(settings["clip"]),
        targets=SoftLambda(settings["lam"]),
        actor_loss=SurrogateLoss(surrogate=ClippedRatio(settings["clip"])),
        batches=Epochs(epochs=settings["epochs"], num_minibatches=settings["minibatches"]),
        actor_optimizer=adam,
        critic_optimizer=adam,
    )


def _sac(settings: Mapping[str, Any]) -> Sac:
    """An iteration is one step of one environment, and one update."""
    network: dict[str, Any] = {
        "width": settings["width"],
        "norm": NoNorm(),
        "activation": Relu(),
        "initializer": UniformFanIn(),
    }
    adam = Adam(learning_rate=settings["learning_rate"], clip=NoClip())
    return Sac(
        num_environments=1,
        rollout_length=1,
        gamma=settings["gamma"],
        normalizer=NoNormalization(),
        actor=Actor(depth=settings["depth"], **network),
        head=TanhNormalHead(max_action=1.0, entropy_target=-1.0),
        critic=Critic(encoder_depth=settings["depth"] - 1, head_depth=0, **network),
        num_critics=2,
        target_network=Polyak(settings["target_rate"]),
        replay=UniformReplay(settings["capacity"]),
        learning_starts=settings["learning_starts"],
        updates=1,
        batch_size=settings["batch_size"],
        temperature=LearnedMultiplier(1.0),
        actor_optimizer=adam,
        critic_optimizer=adam,
        multiplier_optimizer=adam,
    )


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Compiles, trains all seeds in one program, evaluates at the end and where `points` ask for it, says how it went.

    Args:
        settings: as `AbstractSettings.to_json` gives them.
    """
    spec, seeds = resolve(spec_of(settings)), settings["seeds"]
    specs, points = [spec] * len(seeds), settings.get("points", 1)
    iterations = settings["iterations"] if "iterations" in settings else settings["steps"]
    start = time.perf_counter()
    program = BatchProgram(spec, len(seeds), lanes_mode()).compile()
    states = jax.block_until_ready(program.start(specs, seeds))
    compile_seconds = time.perf_counter() - start
    seconds, cpu_seconds, memory, evaluations = 0.0, 0.0, 0, []
    for _ in range(points):
        start, worked = time.perf_counter(), time.process_time()
        states = jax.block_until_ready(program.iterate(states, specs, iterations // points))
        seconds += time.perf_counter() - start
        cpu_seconds += time.process_time() - worked
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        states, report = program.assess(states, specs)
        evaluations.append(np.asarray(report.evaluated.episode_return).mean(axis=1).tolist())
    curves = {"curves": [list(curve) for curve in zip(*evaluations)]} if "points" in settings else {}
    return {
        "compile_seconds": compile_seconds,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "steps": len(seeds) * iterations * spec.algorithm.steps_per_iteration,
        "memory": memory,
        "returns": evaluations[-1],
        **curves,
        "versions": {"jax": jax.__version__},
    }


if __name__ == "__main__":
    use_all_cores(Path(__file__).parent)  # as every study does
    print(json.dumps(measure(json.loads(sys.argv[1]))))
