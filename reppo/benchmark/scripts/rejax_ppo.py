"""PPO of rejax, run by a Python that has rejax and gymnax: settings as JSON in, one JSON line out."""

import json
import resource
import sys
import time

import gymnax
import jax
import jax.numpy as jnp
import rejax


def with_scaled_rewards(task, scale):
    """The task with a factor on its rewards, which rejax has no setting for."""

    class Scaled(type(task)):
        def step_env(self, key, state, action, params):
            observation, state, reward, done, info = super().step_env(key, state, action, params)
            return observation, state, scale * reward, done, info

    return Scaled()


def main(settings):
    """Trains all seeds in one program and says how it went."""
    task, params = gymnax.make(settings["task"])
    algorithm = prepared(settings, with_scaled_rewards(task, settings["reward_scale"]), params)
    keys = jax.vmap(jax.random.PRNGKey)(jnp.array(settings["seeds"]))
    start = time.perf_counter()
    init = jax.jit(jax.vmap(lambda key: initialized(algorithm, key, settings))).lower(keys).compile()
    states = jax.block_until_ready(init(keys))
    train = jax.jit(jax.vmap(lambda state: algorithm.train(train_state=state)[0])).lower(states).compile()
    compiled, worked = time.perf_counter(), time.process_time()
    states = jax.block_until_ready(train(states))
    end, worked = time.perf_counter(), time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "compile_seconds": compiled - start,
                "seconds": end - compiled,
                "cpu_seconds": worked,
                "steps": algorithm.total_timesteps * len(settings["seeds"]),
                "memory": memory,
                "returns": returns(algorithm, task, params, states.actor_ts.params, settings["episodes"]).tolist(),
                "versions": {"jax": jax.__version__},
            }
        )
    )


def prepared(settings, task, params):
    """The algorithm, which evaluates nothing on the way."""
    steps = settings["iterations"] * settings["num_environments"] * settings["rollout_length"]
    algorithm = rejax.PPO.create(
        env=task,
        env_params=params,
        agent_kwargs={"activation": "tanh", "hidden_layer_sizes": [settings["width"]] * settings["depth"]},
        num_envs=settings["num_environments"],
        num_steps=settings["rollout_length"],
        num_epochs=settings["epochs"],
        num_minibatches=settings["minibatches"],
        total_timesteps=steps,
        eval_freq=steps,
        skip_initial_evaluation=True,
        learning_rate=settings["learning_rate"],
        gamma=settings["gamma"],
        gae_lambda=settings["lam"],
        clip_eps=settings["clip"],
        ent_coef=0.0,
    )
    return algorithm.replace(eval_callback=lambda *_: ())


def initialized(algorithm, key, settings):
    """The state before training, with the first standard deviation that is asked for."""
    state = algorithm.init_state(key)
    high = algorithm.env.action_space(algorithm.env_params).high
    inner = state.actor_ts.params["params"]
    inner = {
        **inner,
        "action_log_std": jnp.full_like(inner["action_log_std"], jnp.log(settings["action_scale"] * high)),
    }
    return state.replace(actor_ts=state.actor_ts.replace(params={**state.actor_ts.params, "params": inner}))


def returns(algorithm, task, params, parameters, episodes):
    """Mean return of each seed over whole episodes of the mean action."""

    def episode(parameters, key):
        space = task.action_space(params)

        def step(carry, _):
            observation, state, going_on = carry
            action = algorithm.actor.apply(parameters, observation[None], method="_action_dist").mean()[0]
            action = jnp.clip(action, space.low, space.high)
            observation, state, reward, done, _ = task.step_env(key, state, action, params)
            return (observation, state, going_on & ~done), jnp.where(going_on, reward, 0.0)

        start = (*task.reset_env(key, params), jnp.array(True))
        return jax.lax.scan(step, start, None, params.max_steps_in_episode)[1].sum()

    keys = jax.random.split(jax.random.PRNGKey(2**31), episodes)
    return jax.jit(jax.vmap(lambda own: jax.vmap(episode, in_axes=(None, 0))(own, keys).mean()))(parameters)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
