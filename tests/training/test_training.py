"""The training loop: probes with known values, lanes, seeds, pairing, resumption, divergence, foreign learners."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments, presets
from reppo.distributions import CategoricalHead
from reppo.environments import Observation
from reppo.losses import FixedMultiplier
from reppo.networks import ActionAsOutput, Critic
from reppo.rollout import Evaluated
from reppo.spec import Evaluation, Spec, list_paths, replace_path, resolve
from reppo.training import BatchProgram, Checkpoints, init, train_chunk
from reppo.training.faults import suspects
from reppo.training.lanes import lane_devices
from reppo.training.plan import evaluation_points
from reppo.training.steps import better_of
from tests.algorithms.toys import ToyRecurrent, ToyReplay
from tests.tiny import tiny_preset, tiny_reppo, tiny_spec, train_alone

WIDTH = 4


def arrays(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def assert_same(a, b):
    for x, y in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def spec():
    return resolve(tiny_spec("BestAction"))


@pytest.fixture(scope="module")
def program(spec):
    return BatchProgram(spec, WIDTH, "map").compile()


@pytest.fixture(scope="module")
def trained(spec, program):
    """Four seeds after 6 iterations, on the host."""
    states = program.start([spec] * WIDTH, range(WIDTH))
    states, report = program.advance(states, [spec] * WIDTH, 6)
    return jax.tree.map(np.asarray, (states, report))


@pytest.mark.slow
def test_a_physics_engine_is_compiled_for_the_devices_that_lanes_are_split_over():
    """For several devices, jaxlib 0.11.2 ends the process by a segmentation fault."""
    spec = resolve(tiny_preset(environments.playground("CartpoleBalance", "jax")))
    program = BatchProgram(spec, 2, "map")
    assert lane_devices() == (2 if jax.__version_info__ < (0, 11) else 1)
    program.steps["fresh_starts"].compile()
    program.steps["act"].compile()


def test_members_differ(trained):
    states, _ = trained
    weight = states.arrays.algorithm.learner.actor.mlp.linears[0].weight
    assert len({weight[lane].tobytes() for lane in range(WIDTH)}) == WIDTH


def test_a_lane_is_the_run_alone(spec, program, trained):
    states, report = trained
    alone = eqx.filter_jit(train_chunk)(spec, eqx.filter_jit(init)(spec, 2), jnp.array(6))
    for x, y in zip(arrays(eqx.filter(alone, eqx.is_array)), arrays((states.arrays, report)), strict=True):
        np.testing.assert_allclose(x, y[2], rtol=2e-4, atol=2e-5)


def test_a_lane_depends_neither_on_its_place_nor_on_its_neighbors_even_if_they_diverge(spec, program, trained):
    broken = replace_path(spec, "algorithm.actor_optimizer.learning_rate", 1e38)
    states = program.start([broken, spec, broken], [0, 2, 3])
    states, report = program.advance(states, [broken, spec, broken], 6)
    assert_same(jax.tree.map(lambda x: x[1], (states, report)), jax.tree.map(lambda x: x[2], trained))
    diverged = np.asarray(report.diverged_at)
    assert diverged[0] >= 0 and diverged[2] >= 0 and diverged[1] == -1
    by = np.array(states.arrays.diverged_by)
    names = suspects(spec.algorithm, program.lane(states, 0).algorithm, program.metric_names)
    assert by[1] == -1 and {names[place].partition("/")[0] for place in by[[0, 2]]} == {"actor"}
    assert all(np.isfinite(leaf[0]).all() for leaf in arrays(states.arrays.algorithm) if leaf.dtype.kind == "f")
    stood_still = [leaf[0].copy() for leaf in arrays(states.arrays.algorithm)]
    assert np.asarray(states.arrays.iteration)[0] == 6
    states, report = program.advance(states, [broken, spec, broken], 2)
    np.testing.assert_array_equal(np.asarray(report.diverged_at), diverged)  # the first time, for good
    np.testing.assert_array_equal(np.asarray(states.arrays.diverged_by), by)
    assert_same([leaf[0] for leaf in arrays(states.arrays.algorithm)], stood_still)


def test_chunks_of_any_length_give_the_same_run(spec, program, trained):
    states = program.start([spec] * WIDTH, range(WIDTH))
    for iterations in (0, 1, 2, 3):
        states, report = program.advance(states, [spec] * WIDTH, iterations)
    assert_same(states.arrays.algorithm, trained[0].arrays.algorithm)
    assert_same(report.evaluated, trained[1].evaluated)


def test_wherever_iterations_are_cut_every_bit_is_the_same(spec, program, trained):
    states = program.start([spec] * WIDTH, range(WIDTH))
    for iterations in (1, 3, 2):
        states = program.iterate(states, [spec] * WIDTH, iterations)
    assert_same(program.assess(states, [spec] * WIDTH), trained)


def test_a_restored_run_goes_on_bit_by_bit(spec, program, trained, tmp_path):
    states = program.start([spec] * WIDTH, range(WIDTH))
    states, _ = program.advance(states, [spec] * WIDTH, 3)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(3, states, {"runs": ["a"]})
    reopened = Checkpoints(tmp_path)
    assert reopened.iterations() == [3] and reopened.about(3) == {"runs": ["a"]}
    restored = reopened.restore(3, program.abstract_states)
    states, report = program.advance(restored, [spec] * WIDTH, 3)
    assert_same((states, report.evaluated), (trained[0], trained[1].evaluated))
    other = BatchProgram(resolve(tiny_spec("BestAction", num_environments=8)), WIDTH, "map")
    with pytest.raises(ValueError, match="written by another version or spec"):
        reopened.restore(3, other.abstract_states)


def test_no_scalar_costs_a_new_trace(spec):
    scalars = [path for path, value in list_paths(spec).items() if isinstance(value, np.generic)]
    assert len(scalars) > 10
    traces = 0

    @eqx.filter_jit
    def chunk(spec, state, iterations):
        nonlocal traces
        traces += 1
        return eqx.filter_eval_shape(train_chunk, spec, state, iterations)[1].metrics["actor/kl"].count.shape

    state = init(spec, 0)
    for path in scalars:
        changed = replace_path(spec, path, spec_value(spec, path))
        chunk(changed, state, jnp.array(1))
    assert traces == 1


def spec_value(spec, path):
    return float(list_paths(spec)[path]) * 0.5 + 0.001


def test_evaluation_points_are_multiples_of_the_interval_and_the_end(spec):
    assert evaluation_points(spec, 128 * 5) == [0, 2, 4, 5]
    assert evaluation_points(spec, 128 * 6, done=5) == [6]
    assert evaluation_points(spec, 1) == [0, 1]


def test_environment_randomness_and_evaluation_starts_are_those_of_the_seed_alone(spec):
    other = resolve(tiny_spec("BestAction", kl_multiplier=FixedMultiplier(0.5), actor=spec.algorithm.actor))
    a, b = init(spec, 5), init(other, 5)
    assert_same(a.evaluation_starts, b.evaluation_starts)
    assert_same(a.episodes, b.episodes)
    assert not np.array_equal(a.episodes.observation.actor, init(spec, 6).episodes.observation.actor)


def test_the_best_action_is_learned(program, spec):
    states = program.start([spec] * WIDTH, range(WIDTH))
    states, before = program.advance(states, [spec] * WIDTH, 0)
    states, after = program.advance(states, [spec] * WIDTH, 60)
    before, after = (np.asarray(r.evaluated.episode_return).mean(1) for r in (before, after))
    assert after.mean() > -0.05, (before, after)
    assert after.mean() > before.mean()


@pytest.mark.parametrize(
    "probe",
    ["TerminalStep", *(pytest.param(name, marks=pytest.mark.slow) for name in ("TruncatedStep", "Discounting"))],
)
def test_probe_values_are_learned(probe):
    gamma = 0.5
    spec = Spec(
        environment=environments.probe(probe),
        algorithm=tiny_reppo(gamma=gamma, temperature=FixedMultiplier(0.0)),
        evaluation=Evaluation(interval=256, episodes=4),
    )
    state, _ = train_alone(spec, seed=0, steps=128 * 80)
    environment = spec.environment.make()
    learner, normalizer = state.algorithm.learner, spec.algorithm.normalizer
    shown = np.unique(np.asarray(state.episodes.observation.actor), axis=0)
    for row in shown:
        value = jnp.mean(
            jax.vmap(
                lambda action, row=row: spec.algorithm.value.decode(
                    learner.critic(normalizer(state.algorithm.statistics.actor, jnp.asarray(row)), action).logits
                )
            )(jnp.linspace(-0.5, 0.5, 9)[:, None])
        )
        theory = environment.value(Observation(actor=jnp.asarray(row)), gamma)
        np.testing.assert_allclose(value, theory, atol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("probe", ["BestChoice", "DelayedChoice"])
def test_choices_and_their_values_are_learned(probe):
    """The critic learns the value of the policy, which is that of the best one once it has become it."""
    gamma, environment = 0.5, environments.probe(probe)
    parts = {name: getattr(presets.reppo_small(environment).algorithm, name) for name in ("actor_loss", "next_value")}
    algorithm = tiny_reppo(
        gamma=gamma,
        temperature=FixedMultiplier(0.0),
        head=CategoricalHead(0.5),
        critic=Critic(width=16, action=ActionAsOutput()),
        **parts,
    )
    spec = Spec(environment=environment, algorithm=algorithm, evaluation=Evaluation(interval=1280, episodes=8))
    state, reports = train_alone(spec, seed=0, steps=128 * 80)
    task = environment.make()
    assert np.asarray(reports[-1].evaluated.episode_return).mean() == task.reward_range[1]
    learner, statistics = state.algorithm.learner, state.algorithm.statistics.actor
    start = jax.vmap(task.reset)(jax.random.split(jax.random.key(1), 16))[1].actor
    for row in np.unique(np.asarray(start), axis=0):
        seen = spec.algorithm.normalizer(statistics, jnp.asarray(row))
        policy = spec.algorithm.head(learner.actor(seen))
        q = lambda action, _, seen=seen: algorithm.value.decode(learner.critic(seen, action).logits)
        value = policy.expect(q, jax.random.key(0))
        np.testing.assert_allclose(value, task.value(Observation(actor=jnp.asarray(row)), gamma), atol=0.15)


def test_a_replay_learner_runs_through_the_unchanged_loop():
    spec = tiny_spec("BestAction", algorithm=ToyReplay())
    state, reports = train_alone(spec, seed=0, steps=32 * 8)
    assert state.iteration == 8
    assert np.isfinite(reports[-1].evaluated.episode_return).all()
    assert reports[-1].metrics["replay/reward"].count > 0


def test_a_recurrent_policy_keeps_its_memory_within_an_episode_only():
    spec = tiny_spec("TerminalStep", algorithm=ToyRecurrent())
    _, reports = train_alone(spec, seed=0, steps=32 * 8)
    length = int(reports[-1].evaluated.episode_length[0])
    summary = reports[-1].metrics["recurrent/memory"]
    assert summary.minimum == 0.0
    assert summary.maximum == length - 1


@pytest.mark.slow
def test_one_nonfinite_state_ends_one_episode_and_is_counted():
    spec = tiny_spec("NonFinite")
    state, reports = train_alone(spec, seed=0, steps=128 * 4)
    nonfinite, truncated = (reports[-1].metrics[f"episodes/{cause}"].total for cause in ("nonfinite", "truncated"))
    assert nonfinite > 0 and truncated == 0  # each end is counted under one cause
    assert state.diverged_at == -1


def test_lanes_by_vmap_agree_with_lanes_by_map_and_a_report_outlives_the_next_update(spec, trained):
    program = BatchProgram(spec, WIDTH, "vmap")
    states = program.start([spec] * WIDTH, range(WIDTH))
    states, early = program.advance(states, [spec] * WIDTH, 0)
    states, report = program.advance(states, [spec] * WIDTH, 6)
    np.testing.assert_allclose(
        states.arrays.algorithm.learner.actor.mlp.linears[0].weight,
        trained[0].arrays.algorithm.learner.actor.mlp.linears[0].weight,
        atol=2e-3,
    )
    assert arrays(early) and (np.asarray(early.diverged_at) == -1).all()


def test_best_policy_is_that_of_the_best_evaluation(trained):
    states, report = trained
    np.testing.assert_array_equal(states.arrays.best_return, report.evaluated.episode_return.mean(1))
    np.testing.assert_array_equal(
        states.arrays.best_policy.actor.mlp.linears[0].weight,
        states.arrays.algorithm.learner.actor.mlp.linears[0].weight,
    )


def test_a_policy_that_breaks_the_simulation_is_not_preferred_to_one_that_does_not(spec):
    """Under negative rewards an episode that breaks off early would else be the best there is."""
    state = eqx.filter_jit(init)(spec, 0)
    now, nan = {name: getattr(state, name) for name in ("best_policy", "best_return", "best_broken")}, jnp.nan
    for returns, best, broken in (
        ([nan, -3.0, nan, nan], -3.0, 3),
        ([nan, -9.0, -9.0, -9.0], -9.0, 1),
        ([-50.0] * 4, -50.0, 0),
        ([nan, -1.0, -1.0, -1.0], -50.0, 0),
        ([-40.0] * 4, -40.0, 0),
        ([nan] * 4, -40.0, 0),
    ):
        returns = jnp.array(returns)
        evaluated = Evaluated(returns, jnp.ones(4, jnp.int32), jnp.isnan(returns), {})
        now = better_of(state.best_policy, evaluated, **now)
        assert now["best_return"] == best and now["best_broken"] == broken


def test_an_unresolved_support_is_refused():
    from reppo.losses import HLGauss, SupportFromRewards

    spec = tiny_spec("BestAction", value=HLGauss(support=SupportFromRewards()))
    with pytest.raises(ValueError, match="resolve"):
        eqx.filter_eval_shape(lambda: train_chunk(spec, init(spec, 0), 1))
    assert dataclasses.is_dataclass(resolve(spec))
