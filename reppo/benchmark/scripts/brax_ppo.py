"""PPO of Brax, run by a Python that has Brax and gymnax: settings as JSON in, one JSON line out."""

import functools
import json
import math
import resource
import statistics
import sys
import time

import gymnax
import jax
from brax.envs.base import Env, State
from brax.training.agents.ppo.networks import make_ppo_networks
from brax.training.agents.ppo.train import train
from flax import linen

MOST_PARTS = 12
"""Most stretches that a training is timed in. The first contains the compilation; the median of the others counts."""


class Task(Env):
    """A task of gymnax as Brax has them, without a time limit, which Brax's own wrapper sets."""

    def __init__(self, name):
        self.task, self.params = gymnax.make(name)

    def reset(self, rng):
        """The start of an episode."""
        observation, state = self.task.reset_env(rng, self.params)
        zero = jax.numpy.zeros(())
        return State({"task": state, "key": rng}, observation, zero, zero)

    def step(self, state, action):
        """One step; the task's own clock is set back, so that it never ends an episode."""
        key, own = jax.random.split(state.pipeline_state["key"])
        before = state.pipeline_state["task"].replace(time=0)
        space = self.task.action_space(self.params)
        action = jax.numpy.clip(action, space.low, space.high)
        observation, task, reward, done, _ = self.task.step_env(own, before, action, self.params)
        done = done.astype(state.done.dtype)
        return state.replace(pipeline_state={"task": task, "key": key}, obs=observation, reward=reward, done=done)

    @property
    def observation_size(self):
        """Numbers that are observed."""
        return math.prod(self.task.observation_space(self.params).shape)

    @property
    def action_size(self):
        """Dimensions of actions."""
        return math.prod(self.task.action_space(self.params).shape)

    @property
    def backend(self):
        """None of Brax's physics."""
        return "gymnax"


def main(settings):
    """Trains the seeds one after another, as Brax has no program for several, and says how it went."""
    task = Task(settings["task"])
    outcomes = [one_seed(task, settings, seed) for seed in settings["seeds"]]
    compile_seconds, seconds, cpu_seconds, returns = zip(*outcomes)
    iteration = settings["num_environments"] * settings["rollout_length"]
    print(
        json.dumps(
            {
                "compile_seconds": sum(compile_seconds),
                "seconds": sum(seconds),
                "cpu_seconds": sum(cpu_seconds),
                "steps": settings["iterations"] * iteration * len(returns),
                "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                "returns": returns,
                "versions": {"jax": jax.__version__},
            }
        )
    )


def one_seed(task, settings, seed):
    """Seconds of compilation, of training (by the clock and of the processor), and the return of one seed."""
    width, iterations = [settings["width"]] * settings["depth"], settings["iterations"]
    parts = max(part for part in range(1, MOST_PARTS + 1) if iterations % part == 0)
    parts = parts if parts > 1 else iterations
    lecun = jax.nn.initializers.lecun_normal
    times = [(time.perf_counter(), time.process_time())]
    horizon = task.params.max_steps_in_episode
    make_policy, parameters, _ = train(
        environment=task,
        num_timesteps=iterations * settings["num_environments"] * settings["rollout_length"],
        num_envs=settings["num_environments"],
        episode_length=horizon,
        unroll_length=settings["rollout_length"],
        batch_size=settings["num_environments"] // settings["minibatches"],
        num_minibatches=settings["minibatches"],
        num_updates_per_batch=settings["epochs"],
        learning_rate=settings["learning_rate"],
        discounting=settings["gamma"],
        gae_lambda=settings["lam"],
        clipping_epsilon=settings["clip"],
        clipping_epsilon_value=settings["clip"],
        entropy_cost=0.0,
        reward_scaling=settings["reward_scale"],
        network_factory=functools.partial(
            make_ppo_networks,
            policy_hidden_layer_sizes=width,
            value_hidden_layer_sizes=width,
            activation=linen.tanh,
            distribution_type="normal",
            noise_std_type="log",
            init_noise_std=settings["action_scale"] * float(task.task.action_space(task.params).high),
            policy_network_kernel_init_fn=lecun,
            value_network_kernel_init_fn=lecun,
        ),
        seed=seed,
        num_evals=parts + 1,
        run_evals=False,
        progress_fn=lambda steps, metrics: times.append((time.perf_counter(), time.process_time())),
    )
    spent = [(after[0] - before[0], after[1] - before[1]) for before, after in zip(times, times[1:])]
    seconds, cpu_seconds = (parts * statistics.median(part[which] for part in spent[1:]) for which in (0, 1))
    policy = make_policy(parameters, deterministic=True)

    def episode(key):
        def step(carry, _):
            state, going_on = carry
            state = task.step(state, policy(state.obs, key)[0])
            return (state, going_on * (1 - state.done)), going_on * state.reward

        return jax.lax.scan(step, (task.reset(key), jax.numpy.ones(())), None, horizon)[1].sum()

    keys = jax.random.split(jax.random.PRNGKey(2**31), settings["episodes"])
    mean_return = float(jax.jit(jax.vmap(episode))(keys).mean())
    return sum(part[0] for part in spent) - seconds, seconds, cpu_seconds, mean_return


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
