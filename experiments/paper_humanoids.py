"""The study of arXiv 2507.11019 on humanoid locomotion: G1 and T1 joysticks, the published settings and budget.

For GPUs, and with the robots' models at hand (the error says how to get them if they are missing). 7 arms x 4 tasks x 4
seeds are 112 runs of 52.3M environment steps, 5.9 billion steps in all. The authors' scripts ask for one GPU a run and
for up to eight hours. Random pushes are off, as in the published runs. The score there is the mean over finished
episodes, in which an early fall counts many times; here every evaluation episode counts once.
"""

from reppo import Experiment, environments, presets
from reppo.ablations import auxiliary, kl, normalization, updates, value

TASKS = ["G1JoystickFlatTerrain", "G1JoystickRoughTerrain", "T1JoystickFlatTerrain", "T1JoystickRoughTerrain"]

experiment = Experiment(
    name="paper_humanoids",
    base=presets.reppo_humanoid,
    environments=[environments.playground(task, config={"push_config": {"enable": False}}) for task in TASKS],
    arms=[
        kl.no_kl,
        normalization.no_norm,
        auxiliary.none,
        value.mse,
        updates.quarter_data,
        value.mse + updates.quarter_data,
    ],
    seeds=range(4),
    steps=52_297_728,
)

if __name__ == "__main__":
    experiment.main()
