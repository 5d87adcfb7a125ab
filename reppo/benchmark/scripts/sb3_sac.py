"""SAC of Stable-Baselines3, run by a Python that has it: settings as JSON in, one JSON line out."""

import json
import resource
import sys
import time

import gymnasium
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy


def main(settings):
    """Trains the seeds one after another, as there is no program for several, and says how it went."""
    seconds, cpu_seconds, curves = 0.0, 0.0, []
    for seed in settings["seeds"]:
        model, curve = prepared(settings, seed), []
        for _ in range(settings["points"]):
            start, worked = time.perf_counter(), time.process_time()
            model.learn(settings["steps"] // settings["points"], reset_num_timesteps=False)  # goes on where it was
            seconds += time.perf_counter() - start
            cpu_seconds += time.process_time() - worked
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            curve.append(evaluated(model, settings, seed))
        curves.append(curve)
    print(
        json.dumps(
            {
                "compile_seconds": 0.0,
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "steps": settings["steps"] * len(curves),
                "memory": memory,
                "returns": [curve[-1] for curve in curves],
                "curves": curves,
                "versions": {"torch": torch.__version__, "gymnasium": gymnasium.__version__},
            }
        )
    )


def evaluated(model, settings, seed):
    """The mean return of the mean action, from the same starts at each call, which are those of this seed alone."""
    episodes = settings["episodes"]
    tests = make_vec_env(settings["task"], episodes, seed=2**31 - 1 - (seed + 1) * episodes)
    return float(evaluate_policy(model, tests, episodes)[0])


def prepared(settings, seed):
    """The learner of one seed; what is not named here is as by default, such as two critics with relu."""
    return SAC(
        "MlpPolicy",
        make_vec_env(settings["task"], seed=seed),
        learning_rate=settings["learning_rate"],
        buffer_size=settings["capacity"],
        learning_starts=settings["learning_starts"],
        batch_size=settings["batch_size"],
        tau=settings["target_rate"],
        gamma=settings["gamma"],
        policy_kwargs={"net_arch": [settings["width"]] * settings["depth"]},
        seed=seed,
        device="cpu",
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
