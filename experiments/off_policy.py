"""REPPO and PPO beside the two that learn off-policy from a replay buffer: SAC and FastTD3, on the four axes.

For two CPU cores. The page "Four axes" of the documentation says what is measured and how to read it.
"""

from reppo import Experiment, Rival, environments, presets

experiment = Experiment(
    name="off_policy",
    base=presets.reppo_small,
    rivals=[Rival(presets.ppo_small), Rival(presets.sac_small), Rival(presets.fast_td3_small)],
    environments=[
        environments.gymnax("Pendulum-v1"),
        environments.playground("CartpoleBalance"),
        environments.playground("CartpoleSwingup"),
    ],
    thresholds={"Pendulum-v1": -200, "CartpoleBalance": 900, "CartpoleSwingup": 500},
    seeds=8,
    steps=200_000,
)

if __name__ == "__main__":
    experiment.main()
