"""PPO of Stable-Baselines3, run by a Python that has it: settings as JSON in, one JSON line out."""

import json
import resource
import sys
import time

import gymnasium
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy


def main(settings):
    """Trains the seeds one after another, as there is no program for several, and says how it went."""
    seconds, cpu_seconds, returns = 0.0, 0.0, []
    steps = settings["iterations"] * settings["num_environments"] * settings["rollout_length"]
    for seed in settings["seeds"]:
        model = prepared(settings, seed)
        start, worked = time.perf_counter(), time.process_time()
        model.learn(steps)
        seconds += time.perf_counter() - start
        cpu_seconds += time.process_time() - worked
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tests = make_vec_env(settings["task"], settings["episodes"], seed=2**31 - 1 - settings["episodes"])
        returns.append(float(evaluate_policy(model, tests, settings["episodes"])[0]))
    print(
        json.dumps(
            {
                "compile_seconds": 0.0,
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "steps": steps * len(returns),
                "memory": memory,
                "returns": returns,
                "versions": {"torch": torch.__version__, "gymnasium": gymnasium.__version__},
            }
        )
    )


def prepared(settings, seed):
    """The learner of one seed."""
    scale, width = settings["reward_scale"], [settings["width"]] * settings["depth"]
    environments = make_vec_env(
        settings["task"],
        settings["num_environments"],
        seed=seed,
        wrapper_class=gymnasium.wrappers.TransformReward,
        wrapper_kwargs={"func": lambda reward: scale * reward},
    )
    deviation = settings["action_scale"] * float(environments.action_space.high.max())
    return PPO(
        "MlpPolicy",
        environments,
        learning_rate=settings["learning_rate"],
        n_steps=settings["rollout_length"],
        batch_size=settings["num_environments"] * settings["rollout_length"] // settings["minibatches"],
        n_epochs=settings["epochs"],
        gamma=settings["gamma"],
        gae_lambda=settings["lam"],
        clip_range=settings["clip"],
        clip_range_vf=settings["clip"],
        ent_coef=0.0,
        max_grad_norm=float("inf"),
        policy_kwargs={
            "net_arch": {"pi": width, "vf": width},
            "activation_fn": torch.nn.Tanh,
            "log_std_init": float(torch.log(torch.tensor(deviation))),
        },
        seed=seed,
        device="cpu",
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
