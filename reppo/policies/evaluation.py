"""Evaluation of a trained policy, by the protocol of training."""

import equinox as eqx
import jax
from jaxtyping import Array, Key

from reppo.environments import AbstractEnvironment, Episodes
from reppo.errors import require
from reppo.policies.trained import TrainedPolicy
from reppo.rollout import AbstractPolicy, Evaluated, evaluate, evaluation_starts, fresh_root


def evaluate_policy(policy: TrainedPolicy, episodes: int | None = None, seed: int | None = None) -> Evaluated:
    """Runs whole episodes with the deterministic policy, each counted once.

    By default the episodes are fresh: none that training was evaluated on, on which the best policy was chosen.

    Args:
        policy: the policy.
        episodes: how many; as many as the run's evaluations by default. More begin with the same ones.
        seed: gives the episodes that a run of this seed is evaluated on. That of the policy's own run gives its own
            evaluation episodes, so that the last policy repeats the run's last evaluation. Fresh ones by default.

    Returns:
        The outcome of each episode; one in which the simulation broke has the return NaN.

    Raises:
        ConfigurationError: if the number of episodes is below 1, or the seed is not from 0 to 2^32 - 1.
    """
    number = policy.spec.evaluation.episodes if episodes is None else episodes
    require(number >= 1, f"The number of episodes is {number}; give at least 1.")
    require(seed is None or 0 <= seed < 2**32, f"The seed is {seed}; give a whole number from 0 to 4294967295.")
    own = jax.random.key(policy.record.seed)
    root = fresh_root(own) if seed is None else jax.random.key(seed)
    with jax.default_matmul_precision(policy.spec.matmul_precision):
        return _run(policy.policy, policy.environment.with_worlds(number), root, number)


@eqx.filter_jit  # here, not within: compiled once for all policies that are alike, and kept once
def _run(acting: AbstractPolicy, environment: AbstractEnvironment, root: Key[Array, ""], number: int) -> Evaluated:
    starts = evaluation_starts(environment, root, number)
    return evaluate(Episodes(environment, num_starts=1), acting, starts, root)
