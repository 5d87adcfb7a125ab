"""What presets of every algorithm choose by the task."""

from reppo.environments import AbstractEnvironmentSpec
from reppo.losses import AbstractSupport, FixedSupport, SupportFromRewards
from reppo.networks import AbstractActionPlace, AbstractTrunk, ActionAsInput, ActionAsOutput, Convolution, Flat
from reppo.normalization import AbstractNormalizer, NoNormalization, RunningMeanVariance


def unit_reward_scale(environment: AbstractEnvironmentSpec, gamma: float = 0.99) -> float:
    """The factor that brings a task's returns to a range of length 1 / (1 - gamma), as those of the control suite have.

    Where any reward can come at every step, rewards then have a range of length 1. Temperature, KL multiplier and their
    learning rates are tuned for that. 1 where the range is not known, or all returns are the same.
    """
    returns = environment.return_range(gamma)
    return (
        1.0
        if returns is None or returns[0] == returns[1]
        else float(f"{1 / ((1 - gamma) * (returns[1] - returns[0])):.6g}")
    )


def fitting_trunk(environment: AbstractEnvironmentSpec) -> AbstractTrunk:
    """What stands before the hidden layers of both networks: a convolution where an image is observed."""
    return Convolution() if environment.observes_image else Flat()


def fitting_place(environment: AbstractEnvironmentSpec) -> AbstractActionPlace:
    """Where the action enters a critic of actions: where they are a discrete set, all are valued at once."""
    return ActionAsOutput() if environment.discrete else ActionAsInput()


def fitting_normalizer(environment: AbstractEnvironmentSpec, epsilon: float = 1e-2) -> AbstractNormalizer:
    """Running mean and variance; none of pixels.

    Args:
        environment: the task.
        epsilon: added to the variance.
    """
    return NoNormalization() if environment.observes_image else RunningMeanVariance(epsilon)


def fitting_support(environment: AbstractEnvironmentSpec) -> AbstractSupport:
    """The values that a categorical critic tells apart: returns that the task allows, -2 to 30 where it shows an image.

    Such games give a reward of 1 now and then, so that their discounted returns are a small part of what rewards of 1
    at every step would give: all of them would lie in the first bins, where the histogram of a value is cut off.
    """
    return FixedSupport(-2.0, 30.0) if environment.observes_image else SupportFromRewards()
