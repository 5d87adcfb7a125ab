"""Evaluation of a trained policy, by the protocol of training."""

import equinox as eqx
import jax
from jaxtyping import Array, Key

from reppo.environments import AbstractEnvironment, Episodes, EpisodeState
from reppo.errors import require
from reppo.keys import subkey
from reppo.policies.loading import TrainedPolicy
from reppo.rollout import Evaluated, evaluate


def evaluate_policy(policy: TrainedPolicy, episodes: int | None = None, seed: int | None = None) -> Evaluated:
    """Runs whole episodes with the deterministic policy, each counted once.

    By default these are the evaluation episodes of the run, so that the last policy repeats the run's last
    evaluation. More episodes begin with those; another seed gives others.

    Args:
        policy: the policy.
        episodes: how many; as many as the run's evaluations by default.
        seed: of the starts and of the environment's randomness; the run's own by default.

    Raises:
        ConfigurationError: if the number of episodes is below 1, or the seed is not from 0 to 2^32 - 1.
    """
    number = policy.spec.evaluation.episodes if episodes is None else episodes
    seed = policy.record.seed if seed is None else seed
    require(number >= 1, f"The number of episodes is {number}; give at least 1.")
    require(0 <= seed < 2**32, f"The seed is {seed}; give a whole number from 0 to 4294967295.")

    @eqx.filter_jit
    def run(acting: object, environment: AbstractEnvironment, root: Key[Array, ""]) -> Evaluated:
        key = subkey(root, "evaluation")
        starts = evaluation_starts(environment, root, number)
        memory = jax.vmap(policy.spec.algorithm.memory)(jax.random.split(subkey(key, "memory"), number))
        return evaluate(Episodes(environment), acting, starts, memory, key)  # pyright: ignore[reportArgumentType]

    with jax.default_matmul_precision(policy.spec.matmul_precision):
        return run(policy.policy, policy.environment, jax.random.key(seed))


def evaluation_starts(environment: AbstractEnvironment, root: Key[Array, ""], number: int) -> EpisodeState:
    """The starts of the evaluation episodes of a run, `[episode, ...]`, as training draws them from the run's key."""
    keys = jax.random.split(subkey(root, "evaluation", "reset"), number)
    return jax.vmap(lambda key: Episodes(environment).reset(key, stagger=False))(keys)
