"""REPPO and three ablations of it on two tasks that a CPU can do."""

from reppo import Experiment, environments, presets
from reppo.ablations import kl, normalization, value

experiment = Experiment(
    name="quickstart",
    base=presets.reppo_small,
    environments=[environments.gymnax("Pendulum-v1"), environments.playground("CartpoleBalance")],
    arms=[kl.no_kl, value.mse, normalization.no_norm],
    seeds=range(4),
    steps=150_000,
)

if __name__ == "__main__":
    experiment.main()
