"""The study of arXiv 2507.11019 on the DeepMind control suite: 23 tasks, the published settings and budget.

For GPUs. 9 arms x 23 tasks x 4 seeds are 828 runs of 52.3M environment steps, 43 billion steps in all. The authors'
scripts ask for one GPU a run and for up to eight hours. Here the four seeds of an arm are lanes of one program; in the
large setting each lane holds a rollout of 131 072 transitions, whose next embeddings alone take 0.27 GB.

Parts of it are chosen on the command line:
`reppo run experiments/paper_control_suite.py --environments CartpoleSwingup,WalkerRun --arms kl/no_kl`.
"""

from reppo import Experiment, environments, presets
from reppo.ablations import auxiliary, kl, normalization, updates, value

TASKS = (
    "AcrobotSwingup AcrobotSwingupSparse BallInCup CartpoleBalance CartpoleBalanceSparse CartpoleSwingup "
    "CartpoleSwingupSparse CheetahRun FingerSpin FingerTurnEasy FingerTurnHard FishSwim HopperHop HopperStand "
    "HumanoidRun HumanoidStand HumanoidWalk PendulumSwingup ReacherEasy ReacherHard WalkerRun WalkerStand WalkerWalk"
).split()

experiment = Experiment(
    name="paper_control_suite",
    base=presets.reppo,
    environments=[environments.playground(task) for task in TASKS],
    arms=[
        kl.no_kl,
        kl.penalized,
        value.mse,
        normalization.no_norm,
        auxiliary.none,
        updates.half_data,
        updates.quarter_data,
        value.mse + updates.quarter_data,
    ],
    seeds=range(4),
    steps=52_297_728,
)

if __name__ == "__main__":
    experiment.main()
