"""What the memory of REPPO and PPO grows with: environments, length of the rollout, width of the networks.

Each arm makes one of them two or four times as large and trains for two iterations of the largest: what is measured is
the memory of the compiled program, in the section "Time and memory" of the report. Returns mean nothing here.
"""

from reppo import Experiment, Rival, designs, environments, presets, setting

SIZES = [
    *designs.grid("num_environments", [128, 256]),
    *designs.grid("rollout_length", [64, 128]),
    *(setting("actor.width", width) + setting("critic.width", width) for width in (256, 512)),
]

experiment = Experiment(
    name="four_axes_memory",
    base=presets.reppo_small,
    arms=SIZES,
    rivals=[Rival(presets.ppo_small, arms=SIZES)],
    environments=[environments.playground("CartpoleBalance"), environments.gymnax("CartPole-v1")],
    seeds=1,
    steps=16_384,
    overrides=["evaluation.episodes=1"],
)

if __name__ == "__main__":
    experiment.main()
