"""PPO of this library with the settings of the benchmark, by `python -m reppo.benchmark.own SETTINGS`."""

import json
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reppo.algorithms import Ppo
from reppo.distributions import FreeScale, NormalHead
from reppo.environments.suites import find_suite
from reppo.losses import ClippedRatio, ClippedValueLoss, SurrogateLoss
from reppo.networks import Actor, Critic, LecunNormal, NoNorm, Tanh
from reppo.normalization import NoNormalization
from reppo.optimization import Adam, Epochs, NoClip
from reppo.runtime.machine import use_all_cores
from reppo.spec import Evaluation, Spec, resolve
from reppo.targets import SoftLambda
from reppo.training import BatchProgram, lanes_mode


def spec_of(settings: Mapping[str, Any]) -> Spec:
    """The spec that does what the settings say.

    Args:
        settings: as `Settings.to_json` gives them.
    """
    network: dict[str, Any] = {
        "width": settings["width"],
        "norm": NoNorm(),
        "activation": Tanh(),
        "initializer": LecunNormal(),
    }
    adam = Adam(learning_rate=settings["learning_rate"], clip=NoClip())
    return Spec(
        environment=find_suite("gymnax").declare(settings["task"]),
        algorithm=Ppo(
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
        ),
        evaluation=Evaluation(episodes=settings["episodes"]),
    )


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Compiles, trains all seeds in one program, evaluates once at the end, and says how it went.

    Args:
        settings: as `Settings.to_json` gives them.
    """
    spec, seeds = resolve(spec_of(settings)), settings["seeds"]
    specs = [spec] * len(seeds)
    start = time.perf_counter()
    program = BatchProgram(spec, len(seeds), lanes_mode()).compile()
    states = jax.block_until_ready(program.start(specs, seeds))
    compiled, worked = time.perf_counter(), time.process_time()
    states = jax.block_until_ready(program.iterate(states, specs, settings["iterations"]))
    end, worked = time.perf_counter(), time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, report = program.assess(states, specs)
    return {
        "compile_seconds": compiled - start,
        "seconds": end - compiled,
        "cpu_seconds": worked,
        "steps": len(seeds) * settings["iterations"] * spec.algorithm.steps_per_iteration,
        "memory": memory,
        "returns": np.asarray(report.evaluated.episode_return).mean(axis=1).tolist(),
        "versions": {"jax": jax.__version__},
    }


if __name__ == "__main__":
    use_all_cores(Path(__file__).parent)  # as every study does
    print(json.dumps(measure(json.loads(sys.argv[1]))))
