"""The catalog on a task with discrete actions: each entry trains, or is refused with the reason."""

import equinox as eqx
import pytest

from reppo.errors import ConfigurationError
from reppo.spec import resolve
from reppo.training import init, train_chunk
from tests.ablation.base import CATALOG, CHOICES, changes

REFUSED = {
    "critic/smooth_action_gradient": "gradient of Q in the action, which means nothing .* Choose NoSmoothness",
    "entropy/low_target": "dimensions of continuous actions",
    "kl/mismatched": r"clips actions to \+-0.9999, which means nothing for those of CategoricalHead. Choose ExactKL",
    "kl/mismatched_4": r"clips actions to \+-0.9999",
    "policy/floor": "touches algorithm.head.floor, which is not a path of Reppo with these slots",
    "policy/small_floor": "touches algorithm.head.floor",
    "policy/unclipped_action": "touches algorithm.head.max_action",
    "policy/wider_draws": "widens a standard deviation, which means nothing .* Choose OwnDraws",
    "targets/taken_action_clipped": "after the limit on actions, which means nothing .* Choose TakenAction",
    "targets/taken_bonus_clipped": "after the limit on actions, which means nothing .* Choose FreshValueTakenBonus",
}
"""What asks about something that only continuous actions have."""
FITTING = [name for name, one in CATALOG.items() if changes(one, CHOICES)]
QUICK = ("actor/clipped_surrogate", "choices/action_input")


def test_what_does_not_fit_is_refused_with_the_reason():
    for name, reason in REFUSED.items():
        with pytest.raises(ConfigurationError, match=reason):
            CATALOG[name](CHOICES)
    others = {name for name, one in CATALOG.items() if one.applies_to(CHOICES)} - {*FITTING, *REFUSED}
    for name in others:
        with pytest.raises(
            ConfigurationError, match="changes nothing in this base|is not a path of|does not fit this base"
        ):
            CATALOG[name](CHOICES)
    assert len(FITTING) > 60 and {"actor/score_function", "actor/clipped_surrogate", "kl/no_kl"} < set(FITTING)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FITTING]
)
def test_what_fits_traces_through_training(name):
    spec = resolve(CATALOG[name](CHOICES))
    _, report = eqx.filter_eval_shape(train_chunk, spec, eqx.filter_eval_shape(init, spec, 0), 1)
    assert report.evaluated.episode_return.shape == (4,)
