"""What training costs: operations that are counted, powers by which costs grow, points, and the command at toy size."""

import json
import math

import jax
import jax.numpy as jnp
import pytest

from reppo import cli, environments, presets
from reppo.analysis.figures import plot_growth
from reppo.costs import points as costs_points
from reppo.costs.points import measure_points, points_of
from reppo.costs.products import Product, operations, products
from reppo.costs.table import axes_of, exponent, format_costs, growth, growths
from reppo.errors import ConfigurationError
from reppo.spec import get_path, replace_path, resolve
from reppo.training import BatchProgram, init
from tests.algorithms.toys import ToyReplay
from tests.tiny import tiny_ppo, tiny_spec


def counted(function, *arguments):
    return products(jax.make_jaxpr(function)(*arguments).jaxpr)


def test_products_in_loops_count_as_often_as_they_are_made():
    weights, rows = jnp.ones((3, 5)), jnp.ones((7, 3))

    def repeated(rows):
        return jax.lax.scan(lambda carry, _: (jax.jit(jnp.dot)(rows, weights).sum(), None), 0.0, length=11)[0]

    found = counted(repeated, rows)
    assert list(found.values()) == [11] and operations(found) == 11 * 2 * 7 * 3 * 5
    with_gradient = counted(jax.value_and_grad(lambda weights: jnp.sum((rows @ weights) ** 2)), weights)
    assert operations(with_gradient) == 2 * (2 * 7 * 3 * 5)
    batched = counted(jax.vmap(jnp.dot), jnp.ones((4, 7, 3)), jnp.ones((4, 3, 5)))
    assert operations(batched) == 4 * 2 * 7 * 3 * 5
    assert operations(counted(jnp.add, rows, rows)) == 0
    assert not counted(jnp.dot, jnp.ones((7, 0)), jnp.ones((0, 5)))  # as physics engines make them


def test_products_are_timed_in_the_precision_in_which_they_are_made():
    weights, rows = jnp.ones((3, 5)), jnp.ones((7, 3))
    with jax.default_matmul_precision("highest"):
        (exact,) = counted(jnp.dot, rows, weights)
    (plain,) = counted(lambda rows, weights: jnp.dot(rows, weights, preferred_element_type=jnp.float32), rows, weights)
    assert exact != plain and "HIGHEST" in str(exact.precision) and plain.result == jnp.float32
    assert exact.seconds() > 0 and plain.seconds() > 0


def test_a_product_takes_time():
    assert 0 < Product((8, 4), (4, 8), (((1,), (0,)), ((), ())), "float32").seconds() < 1


def weights(network):
    """Elements of all matrices of a network."""
    return sum(leaf.size for leaf in jax.tree.leaves(network) if leaf.ndim == 2)


@pytest.mark.parametrize("preset", [presets.reppo, presets.reppo_small], ids=lambda preset: preset.__name__)
def test_an_update_makes_no_product_twice(preset):
    """A product forward, and at most two backward, of each matrix in each step; the targets once a rollout."""
    spec = resolve(preset(environments.gymnax("Pendulum-v1")))
    program = BatchProgram(spec, 1, "map", devices=1)
    learner = jax.eval_shape(lambda: init(spec, 0)).algorithm.learner
    actor, critic, epochs = weights(learner.actor), weights(learner.critic), get_path(spec, "batches.epochs")
    steps = spec.algorithm.steps_per_iteration
    made = {name: operations(products(piece.traced.jaxpr.jaxpr)) / steps for name, piece in program.steps.items()}
    assert made["act"] == 2 * actor
    assert made["judge"] * steps == spec.evaluation.episodes * 2 * actor  # in a step, since they end when they end
    # Of the critic's step three products of each matrix, of the actor's three of the actor's and two of the critic's.
    most = 2 * (critic + 2 * actor + epochs * (3 * critic + 3 * actor + 2 * critic))
    assert 0.6 * most < made["learn"] <= most


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_is_the_power(power):
    assert exponent([1, 2, 8], [3.0 * size**power for size in (1, 2, 8)]) == pytest.approx(power)


def test_points_lie_along_the_axes():
    spec = resolve(tiny_spec())
    points = points_of(spec, ["seeds", "environments", "width", "devices"], most_devices=2)
    assert [(point.axes, point.size, point.seeds, point.devices) for point in points] == [
        (("seeds", "environments", "width"), 1, 1, 1),
        *((("seeds",), seeds, seeds, 2) for seeds in (2, 4, 8)),
        *(((axis,), factor, 1, 1) for axis in ("environments", "width") for factor in (2, 4)),
        (("devices",), 1, 2, 1),
        (("devices",), 2, 2, 2),
    ]
    of = lambda axis, path: [get_path(point.spec, path) for point in points if axis in point.axes]
    assert of("environments", "num_environments") == [16, 32, 64] and of("width", "num_environments") == [16] * 3
    assert of("width", "actor.width") == of("width", "critic.width") == [16, 32, 64]
    assert len(points_of(spec, [], most_devices=1)) == 1
    with pytest.raises(ConfigurationError, match="axis 'seed'. Did you mean 'seeds'"):
        points_of(spec, ["seed"], most_devices=1)
    with pytest.raises(ConfigurationError, match="has no algorithm.actor.width or algorithm.critic.width to multiply"):
        points_of(resolve(tiny_spec(algorithm=ToyReplay())), ["width"], most_devices=1)


def point(axes, size, seconds, **changes):
    return {
        "axes": list(axes),
        "size": size,
        "compile_seconds": 12.0,
        "again_seconds": 1.5,
        "iteration_seconds": seconds,
        "step_seconds": {"act": 0.25 * seconds, "learn": 0.5 * seconds, "judge": 2.0 * seconds},
        "steps_per_iteration": 1000,
        "evaluation_steps": 4000,
        "evaluation_rounds": 200.0,
        "bytes": 2_000_000,
        "peak_bytes": 1_000_000_000,
        "operations": {"act": 10**7, "learn": 10**9, "judge": 4 * 10**7},
        "product_seconds": {"act": 0.001, "learn": 0.0375, "judge": 0.004},
        **changes,
    }


DATA = {
    "name": "reppo_small",
    "environment": "Pendulum-v1",
    "machine": "cpu, 2 cores",
    "points": [
        point(["seeds", "width"], 1, 0.1),
        point(["seeds"], 4, 0.2),
        {"axes": ["width"], "size": 4, "fault": "MemoryError"},
        point(["width"], 2, 0.4),
    ],
}


def test_the_table_says_rates_shares_powers_and_faults():
    table = format_costs(DATA)
    assert "| update | 50 ms | 20k | 1 | 20 | 75% |" in table
    assert "| iteration | 100 ms | 200 ms | 0.50 |" in table and "| iteration | 100 ms | 400 ms | 2.00 |" in table
    assert "from the cache 1.5 s" in table and "width 4: MemoryError" in table
    assert list(axes_of(DATA)) == ["seeds", "width"]
    assert "arrays" not in growth([point(["seeds"], 1, 0.1, bytes=0)])  # a backend that does not tell
    computed = point([], 1, 0.1, step_seconds={"policy_of": 0.001, "learn": 0.1})
    assert "| policy, where it is computed |" in format_costs({**DATA, "points": [computed]})
    failed = {**DATA, "points": [{"axes": [], "size": 1, "fault": "MemoryError"}]}
    assert "could not be measured: MemoryError" in format_costs(failed)


def test_the_figure_has_a_panel_for_each_axis():
    picture = plot_growth("reppo_small", growths(DATA))
    seeds, width = picture.figure.axes
    line = next(line for line in seeds.lines if line.get_label() == "iteration")
    assert list(line.get_ydata()) == [1.0, 2.0] and list(width.lines[1].get_ydata()) == [1.0, 4.0]
    with pytest.raises(ConfigurationError, match="no axis with two sizes"):
        plot_growth("reppo_small", growths({**DATA, "points": DATA["points"][:1]}))


TINY = "ppo_small+num_environments=4+rollout_length=8+actor.width=8+critic.width=8+num_minibatches=2"


@pytest.mark.slow
def test_the_command_measures_and_refuses_to_write_over_what_was_measured(tmp_path, capsys):
    command = ["bench", TINY, "--environment", "Pendulum-v1", "--axes", "none", "--repetitions", "2"]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 0
    assert "| update |" in capsys.readouterr().out
    (found,) = json.loads((tmp_path / "out" / "costs.json").read_text())["points"]
    assert found["steps_per_iteration"] == 32 and found["evaluation_steps"] == 16 * 200
    # Two layers of 8 units: 3 observations, 1 output of the actor, whose scale is free.
    assert found["operations"]["judge"] == found["evaluation_steps"] * 2 * (3 * 8 + 8 * 8 + 8 * 1)
    assert set(found["step_seconds"]) == {"act", "learn", "judge"} == set(found["product_seconds"])
    assert all(seconds > 0 for seconds in [*found["step_seconds"].values(), *found["product_seconds"].values()])
    assert found["iteration_seconds"] < 10 * sum(found["step_seconds"].values())
    assert found["again_seconds"] < found["compile_seconds"] and found["bytes"] < found["peak_bytes"]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 2
    assert "costs.json' is there already" in capsys.readouterr().err


def test_where_jax_does_not_start_and_where_one_is_interrupted_it_is_said(tmp_path, capsys, monkeypatch):
    def faulty(*_, **__):
        raise RuntimeError("no cuda-capable device")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    command = ["bench", TINY, "--environment", "Pendulum-v1", "--axes", "none", "--out", str(tmp_path / "out")]
    with monkeypatch.context() as patch:
        patch.setattr(costs_points, "tell", faulty)
        assert cli.main(command) == 2
    assert "JAX does not start here: no cuda-capable device" in capsys.readouterr().err
    monkeypatch.setattr(costs_points, "tell", lambda *_: {"machine": "here", "devices": 1})
    monkeypatch.setattr(costs_points, "measure_points", interrupted)
    assert cli.main(command) == 130
    said = capsys.readouterr().err
    assert "interrupted. What was measured until now is in" in said and "checkpoint" not in said


def test_a_point_that_fails_says_why_and_loses_no_other(tmp_path):
    spec = resolve(replace_path(tiny_spec(algorithm=tiny_ppo()), "evaluation.episodes", 1))
    (own,) = points_of(spec, [], most_devices=1)
    data = measure_points({"name": "x", "environment": "y", "machine": "z"}, [own], tmp_path, file=tmp_path / "no.py")
    assert "no.py" in data["points"][0]["fault"] and math.isfinite(len(format_costs(data)))
    assert json.loads((tmp_path / "costs.json").read_text()) == data
