"""What the memory of SAC and FastTD3 grows with: environments, length of the rollout, width of the networks, buffer.

As `four_axes_memory.py` for REPPO and PPO: each arm makes one of them two or four times as large and trains for two
iterations of the largest. Returns mean nothing here.
"""

from reppo import Experiment, Rival, designs, environments, presets, setting

SIZES = [
    *designs.grid("num_environments", [128, 256]),
    *designs.grid("rollout_length", [8, 16]),
    *(setting("actor.width", width) + setting("critic.width", width) for width in (256, 512)),
    *designs.grid("replay.capacity", [400_000, 800_000]),
]

experiment = Experiment(
    name="off_policy_memory",
    base=presets.sac_small,
    arms=SIZES,
    rivals=[Rival(presets.fast_td3_small, arms=SIZES)],
    environments=[environments.playground("CartpoleBalance")],
    seeds=1,
    steps=2048,
    overrides=["evaluation.episodes=1"],
)

if __name__ == "__main__":
    experiment.main()
