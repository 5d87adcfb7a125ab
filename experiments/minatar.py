"""REPPO beside PPO where observations are images and actions a set: two games of MinAtar, at equal steps."""

from reppo import Experiment, Rival, environments, presets

experiment = Experiment(
    name="minatar",
    base=presets.reppo_small,
    rivals=[Rival(presets.ppo_small)],
    environments=[environments.gymnax("Breakout-MinAtar"), environments.gymnax("Asterix-MinAtar")],
    seeds=4,
    steps=500_000,
)

if __name__ == "__main__":
    experiment.main()
