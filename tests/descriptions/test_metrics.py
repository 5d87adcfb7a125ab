"""The metrics that are described are those that a run reports."""

import equinox as eqx
import pytest

from reppo.algorithms import WiderDraws
from reppo.descriptions.metrics import OWN, all_metrics, find_metric
from reppo.errors import ConfigurationError
from reppo.tracking.rows import row_of
from reppo.training import init
from reppo.training.loop import iterate
from tests.tiny import tiny_ppo, tiny_reppo, tiny_sac, tiny_spec, tiny_td3


def test_every_metric_of_an_iteration_is_described_and_no_other():
    reported, watched = set(), set()
    for algorithm in (tiny_reppo(exploration=WiderDraws()), tiny_ppo(), tiny_sac(), tiny_td3()):
        spec = tiny_spec("BestAction", algorithm=algorithm)
        state = eqx.filter_eval_shape(init, spec, 0)
        reported |= set(eqx.filter_eval_shape(iterate, spec, state)[1])
        watched |= {one.metric for one in spec.algorithm.watched()}
    described = {name for name in all_metrics() if OWN not in name and not name.endswith("/overflow")}
    evaluation = row_of([0.0], {})
    assert described == {*reported, *evaluation}
    assert {name for name, metric in all_metrics().items() if metric.watched} == watched
    assert all(metric.says and metric.healthy for metric in all_metrics().values())


def test_an_unknown_metric_names_close_ones():
    assert find_metric("actor/kl").group == "actor"
    with pytest.raises(ConfigurationError, match=r"'actor/kll'.*'actor/kl'"):
        find_metric("actor/kll")
