"""The paper's claim on its four axes: sample efficiency, wall-clock, memory, robustness to hyperparameters.

REPPO, PPO and what lies between them on three tasks of continuous actions and one of discrete ones, for two CPU cores.
The page "Four axes" of the documentation says what is measured and how to read it.

Parts of it are chosen on the command line, and each goes on where it stopped:
`reppo run experiments/four_axes.py --environments Pendulum-v1 --arms ppo_small,search,ppo_small+search`.
"""

from reppo import Experiment, Rival, designs, environments, presets
from reppo.ablations import actor, ppo

HYBRIDS = [
    actor.score_function,
    actor.lambda_advantage,
    actor.weighted_likelihood,
    actor.clipped_surrogate,
]
"""REPPO whose policy follows another gradient; a further one is a further line."""

PPO_HYBRIDS = [
    ppo.kl_gate,
    ppo.categorical_value + ppo.normalization_layers + ppo.auxiliary_task,
]
"""PPO with the constraint of REPPO, and with what makes its critic learnable."""

SETTINGS = 32
"""Drawn for each algorithm; with a greater number the first ones stay."""

# Each algorithm is searched over six scalars of its own that do the same work: two learning rates, the horizon of the
# discount, that of the trace, how far the policy may move, what holds its entropy. Ranges span the same factor around
# each default: 10 for rates and weights, 4 for the rest. Scalars alone, so that all settings share a program with the
# seeds of the default.
HORIZONS = {
    "gamma": [0.96, 0.98, 0.99, 0.995, 0.9975],  # 1 / (1 - gamma) from 25 to 400 steps, in factors of 2
    "targets.lam": [0.8, 0.9, 0.95, 0.975, 0.9875],  # 1 / (1 - lambda) from 5 to 80, likewise
}
REPPO = {
    **HORIZONS,
    "actor_optimizer.learning_rate": designs.LogUniform(1e-4, 1e-2),  # 1e-3; 3e-4 where actions are discrete
    "critic_optimizer.learning_rate": designs.LogUniform(2e-4, 2e-2),  # 2e-3
    "kl_bound": designs.LogUniform(0.025, 0.4),  # 0.1
    "temperature.initial": designs.LogUniform(1e-3, 1e-1),  # 0.01, and learned from there
}
PPO = {
    **HORIZONS,
    "actor_optimizer.learning_rate": designs.LogUniform(1e-4, 1e-2),  # 1e-3
    "critic_optimizer.learning_rate": designs.LogUniform(1e-4, 1e-2),  # 1e-3
    "ratio_clip": designs.LogUniform(0.05, 0.8),  # 0.2
    "temperature.weight": [0.0, 0.001, 0.003, 0.01, 0.03],  # 0, which no factor widens: what is usual above it
}

experiment = Experiment(
    name="four_axes",
    base=presets.reppo_small,
    arms=HYBRIDS,
    search=designs.random_search(REPPO, SETTINGS),
    rivals=[Rival(presets.ppo_small, arms=PPO_HYBRIDS, search=designs.random_search(PPO, SETTINGS))],
    environments=[
        environments.playground("CartpoleBalance"),
        environments.playground("CartpoleSwingup"),
        environments.gymnax("Pendulum-v1"),
        environments.gymnax("CartPole-v1"),
    ],
    thresholds={"CartpoleBalance": 900, "CartpoleSwingup": 500, "Pendulum-v1": -200, "CartPole-v1": 475},
    seeds=8,
    search_seeds=1,
    steps=200_000,
)

if __name__ == "__main__":
    experiment.main()
