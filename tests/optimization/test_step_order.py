import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo.errors import ConfigurationError
from reppo.optimization import Alternating, CriticThenActor, Epochs, Sampled
from reppo.summary import Summary

ROWS, EPOCHS, MINIBATCHES = 24, 3, 4


def record(epochs, minibatches, key, kind=Alternating):
    """Runs an order with steps that write down what they were given."""
    updates = epochs * minibatches
    learner = {
        "rows": jnp.zeros((2, updates, ROWS // minibatches), int),
        "keys": jnp.zeros((2, updates, 2), jnp.uint32),
        "order": jnp.zeros((2, updates), int),
        "count": jnp.zeros(2, int),
        "clock": jnp.array(0),
    }

    def step(which):
        def apply(learner, minibatch, key):
            at = (which, learner["count"][which])
            return {
                "rows": learner["rows"].at[at].set(minibatch["row"]),
                "keys": learner["keys"].at[at].set(jax.random.key_data(key)),
                "order": learner["order"].at[at].set(learner["clock"]),
                "count": learner["count"].at[which].add(1),
                "clock": learner["clock"] + 1,
            }, {("critic/mean", "actor/mean")[which]: Summary.of(minibatch["value"])}

        return apply

    data = {"row": jnp.arange(ROWS), "value": jnp.arange(ROWS, dtype=jnp.float32)}
    steps = {"critic": step(0), "actor": step(1)}
    indices = Epochs(epochs, minibatches).indices(ROWS, key)
    run = jax.jit(lambda learner, data, key: kind().run(learner, data, indices, steps, key))
    learner, metrics = run(learner, data, key)
    return jax.tree.map(np.asarray, learner), metrics


@pytest.fixture(scope="module")
def run():
    return record(EPOCHS, MINIBATCHES, jax.random.key(0))


def test_each_epoch_visits_each_row_exactly_once(run):
    critic_rows = run[0]["rows"][0]
    for epoch in critic_rows.reshape(EPOCHS, ROWS):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(ROWS))


def test_epochs_are_shuffled_apart(run):
    epochs = run[0]["rows"][0].reshape(EPOCHS, ROWS)
    assert len({tuple(epoch) for epoch in [*epochs, np.arange(ROWS)]}) == EPOCHS + 1


def test_the_critic_goes_before_the_actor_on_the_same_minibatch(run):
    learner, _ = run
    np.testing.assert_array_equal(learner["rows"][0], learner["rows"][1])
    np.testing.assert_array_equal(learner["order"][0], 2 * np.arange(EPOCHS * MINIBATCHES))
    np.testing.assert_array_equal(learner["order"][1], 2 * np.arange(EPOCHS * MINIBATCHES) + 1)


def test_every_step_has_a_key_of_its_own(run):
    assert len({tuple(key) for key in run[0]["keys"].reshape(-1, 2)}) == 2 * EPOCHS * MINIBATCHES


def test_metrics_cover_all_updates(run):
    for name in ("critic/mean", "actor/mean"):
        summary = run[1][name]
        assert summary.count == EPOCHS * ROWS
        assert (summary.mean, summary.minimum, summary.maximum) == ((ROWS - 1) / 2, 0, ROWS - 1)


def test_another_key_gives_another_order_and_other_keys(run):
    other, _ = record(EPOCHS, MINIBATCHES, jax.random.key(1))
    assert not np.array_equal(run[0]["rows"], other["rows"])
    assert not {tuple(k) for k in run[0]["keys"].reshape(-1, 2)} & {tuple(k) for k in other["keys"].reshape(-1, 2)}


def test_one_epoch_of_one_minibatch_is_all_rows_at_once():
    learner, _ = record(1, 1, jax.random.key(0))
    np.testing.assert_array_equal(np.sort(learner["rows"][0, 0]), np.arange(ROWS))


def test_the_critic_may_finish_before_the_actor_begins(run):
    alternating, _ = run
    learner, metrics = record(EPOCHS, MINIBATCHES, jax.random.key(0), CriticThenActor)
    updates = EPOCHS * MINIBATCHES
    np.testing.assert_array_equal(learner["order"][0], np.arange(updates))
    np.testing.assert_array_equal(learner["order"][1], updates + np.arange(updates))
    # Order aside, the same steps: the same minibatches with the same keys.
    np.testing.assert_array_equal(learner["rows"], alternating["rows"])
    np.testing.assert_array_equal(learner["keys"], alternating["keys"])
    assert {name: float(summary.count) for name, summary in metrics.items()} == {
        "critic/mean": EPOCHS * ROWS,
        "actor/mean": EPOCHS * ROWS,
    }


def test_sampled_rows_are_any_of_those_that_there_are():
    indices = np.asarray(Sampled(updates=3, size=200).indices(7, jax.random.key(0)))
    assert indices.shape == (3, 200) and set(indices.ravel().tolist()) == set(range(7))
    assert not np.array_equal(indices[0], indices[1])
    assert np.bincount(indices.ravel()).min() > 50  # 86 are expected
    assert not np.array_equal(indices, Sampled(updates=3, size=200).indices(7, jax.random.key(1)))
    with pytest.raises(ConfigurationError, match="0 rows to draw from"):
        Sampled().check(0)


def test_metrics_are_those_of_every_step_in_turn():
    """Their extremes, their number, and when the first was not finite."""
    data = {"value": jnp.array([1.0, 5.0, jnp.nan, 2.0])}
    indices = jnp.array([[1], [0], [2], [3]])

    def step(learner, minibatch, key):
        own = Summary.of(minibatch["value"][0])
        return learner + 1, {"a/value": own, "a/squares": Summary.of(minibatch["value"][0] ** 2, where=learner < 2)}

    learner, metrics = jax.jit(lambda: Alternating().run(jnp.array(0), data, indices, {"a": step}, jax.random.key(0)))()
    assert learner == 4 and set(metrics) == {"a/value", "a/squares"}
    squares = metrics["a/squares"]
    assert (squares.total, squares.minimum, squares.maximum, squares.count) == (26.0, 1.0, 25.0, 2.0)
    assert squares.broken == jnp.inf
    assert jnp.isnan(metrics["a/value"].total) and metrics["a/value"].count == 4 and metrics["a/value"].broken == 2


def test_a_step_may_have_no_metrics():
    step = lambda learner, minibatch, key: (learner + minibatch.sum(), {})
    learner, metrics = Alternating().run(
        jnp.zeros(()), jnp.arange(4.0), jnp.arange(4).reshape(2, 2), {"a": step}, jax.random.key(0)
    )
    assert learner == 6 and metrics == {}
