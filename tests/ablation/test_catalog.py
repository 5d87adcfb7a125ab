"""The catalog: every entry runs through training, and where theory says that two entries agree, they do."""

import dataclasses
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.ablation import Arm, find_ablation, setting
from reppo.presets import reppo
from reppo.spec import difference, resolve
from reppo.training import init, train_chunk
from reppo.training.lanes import compile_key
from tests.ablation.base import BASE, CATALOG, CHOICES, PPO, SAC, TD3, base_of, changes
from tests.algorithms.trajectories import make_trajectory


@pytest.mark.parametrize("name", CATALOG)
def test_every_entry_traces_through_training_and_keeps_the_state_as_it_is(name):
    spec = resolve(CATALOG[name](base_of(name)))
    state = eqx.filter_eval_shape(init, spec, 0)
    new, report = eqx.filter_eval_shape(train_chunk, spec, state, 1)
    shapes = lambda tree: jax.tree.map(lambda x: (x.shape, x.dtype), eqx.filter(tree, _abstract))
    assert shapes(new) == shapes(state)
    assert report.evaluated.episode_return.shape == (4,)
    for summary in report.metrics.values():
        assert summary.total.shape == () and summary.total.dtype == jnp.float32


def _abstract(leaf):
    return isinstance(leaf, jax.ShapeDtypeStruct)


def test_the_catalog_is_large_and_most_of_it_is_structure():
    base = reppo(environments.playground("CartpoleBalance"))
    structural = [
        name
        for name, one in CATALOG.items()
        if changes(one, base) and compile_key(resolve(one(base))) != compile_key(resolve(base))
    ]
    assert len(CATALOG) >= 45 and len(structural) >= 25


def test_no_two_entries_ask_for_the_same_thing():
    for base in (BASE, PPO, SAC, TD3, CHOICES):
        made = [(name, one.transform(base)) for name, one in CATALOG.items() if changes(one, base)]
        for i, (name, spec) in enumerate(made):
            for other, other_spec in made[:i]:
                assert spec != other_spec, f"{name} and {other} are one"
    questions = [one.question for one in CATALOG.values()]
    assert len(set(questions)) == len(questions)


def test_every_arxiv_number_is_one():
    for one in CATALOG.values():
        for number in re.findall(r"arXiv (\S+)", one.reference):
            assert re.fullmatch(r"\d{4}\.\d{4,5}", number.rstrip(".,;)")), one.name


# Of arXiv 2507.11019, and of the table of what its published implementations do otherwise.
PAPER = "kl/no_kl kl/penalized value/mse normalization/no_norm auxiliary/none".split()
IMPLEMENTATIONS = """
    normalization/layer_norm policy/floor policy/small_floor entropy/low_start auxiliary/zero_weight
    auxiliary/embedding_only kl/sampled kl/mismatched kl/mismatched_4 targets/many_samples
    targets/taken_action_clipped targets/taken_bonus_clipped entropy/bonus_at_termination optimizer/adamw
    optimizer/adamw_light optimizer/shared_multipliers
    updates/critic_then_actor kl/gate_per_batch kl/reverse critic/zero_offset network/uniform_initialization
    targets/shifted_truncation observations/per_step observations/small_epsilon observations/deviation
    observations/merged_twice network/deeper_actor auxiliary/with_terminations policy/unclipped_action
    updates/half_data updates/quarter_data updates/half_the_epochs critic/activated_embedding
""".split()


@pytest.mark.parametrize("name", PAPER + IMPLEMENTATIONS)
def test_what_was_published_is_in_the_catalog_with_its_source(name):
    assert find_ablation(name).reference != "ours" or name == "kl/gate_per_batch"


@pytest.fixture(scope="module")
def learned():
    """From the names of ablations to the learner after one update; each compiled once."""
    environment = environments.probe("BestAction").make()
    made = {}

    def learn(*names):
        if names not in made:
            algorithm = resolve(Arm(tuple(find_ablation(name) for name in names))(BASE)).algorithm
            state = algorithm.init(jax.random.key(0), environment.interface())
            trajectory = make_trajectory(algorithm, state)
            new, metrics = eqx.filter_jit(lambda s, t: algorithm.update(s, t, jax.random.key(1)))(state, trajectory)
            made[names] = new, metrics
        return made[names]

    return learn


def networks(state, head=True):
    """Arrays of actor and critic, with or without the head of the auxiliary task."""
    learner = state.learner
    critic = learner.critic if head else dataclasses.replace(learner.critic, prediction_head=None)
    return jax.tree.leaves(eqx.filter((learner.actor, critic), eqx.is_array))


def assert_agree(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def differ(a, b):
    return any(np.abs(x - y).max() > 1e-3 for x, y in zip(a, b, strict=True))


@pytest.mark.slow  # compiles two programs
def test_a_weight_of_0_and_no_auxiliary_task_learn_the_same(learned):
    base, zero, none = (
        networks(learned(*names)[0], head=False) for names in ((), ("auxiliary/zero_weight",), ("auxiliary/none",))
    )
    assert_agree(zero, none)
    assert differ(base, none)


@pytest.mark.slow
def test_no_gate_and_no_constraint_learn_the_same(learned):
    base, open_, none = (networks(learned(*names)[0]) for names in ((), ("kl/no_gate",), ("kl/no_kl",)))
    assert_agree(open_, none)
    assert differ(base, none)


@pytest.mark.slow
def test_without_temperature_the_bonus_does_not_matter(learned):
    without, hard = learned("entropy/no_entropy")[0], learned("entropy/hard_targets", "entropy/no_entropy")[0]
    assert_agree(networks(without), networks(hard))
    assert differ(networks(without), networks(learned()[0]))


def test_statistics_merged_twice_are_the_same(learned):
    once, twice = learned()[0].statistics.actor, learned("observations/merged_twice")[0].statistics.actor
    assert twice.count == 2 * once.count
    np.testing.assert_allclose(twice.mean, once.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(twice.variance, once.variance, rtol=1e-4)


def test_a_limit_of_1_on_actions_limits_nothing():
    environment = environments.probe("BestAction").make()
    algorithm = resolve(find_ablation("policy/unclipped_action")(BASE)).algorithm
    state = algorithm.init(jax.random.key(0), environment.interface())
    trajectory = make_trajectory(algorithm, state)
    loc, scale = trajectory.extras.distribution.loc, trajectory.extras.distribution.scale
    keys = jax.random.split(jax.random.key(0), trajectory.action.shape[:2])
    noise = jax.vmap(jax.vmap(lambda key: jax.random.normal(key, (1,))))(keys)
    np.testing.assert_allclose(trajectory.action, jnp.tanh(loc + scale * noise), rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def prepared():
    """From a change of the base to an algorithm, its learner and a rollout as rows."""
    environment = environments.probe("BestAction").make()

    def prepare(change=lambda spec: spec):
        algorithm = resolve(change(BASE)).algorithm
        state = algorithm.init(jax.random.key(0), environment.interface())
        trajectory = make_trajectory(algorithm, state)
        data, metrics = eqx.filter_jit(algorithm.prepare)(state, trajectory, jax.random.key(2))
        return algorithm, state.learner, data, metrics, trajectory

    return prepare


def test_multipliers_inside_the_actors_clip_are_scaled_with_the_policys_gradient(prepared):
    """Seen in the first moment of Adam, which after one step is a tenth of the gradient that came through the clip."""
    clip = setting("algorithm.actor_optimizer.clip.max_norm", 0.01)
    moments = {}
    for shared in (False, True):
        arm = find_ablation("optimizer/shared_multipliers") + clip if shared else clip
        algorithm, learner, data, _, _ = prepared(arm)
        after, metrics = eqx.filter_jit(algorithm.actor_step)(learner, data, jax.random.key(3))
        state = after.actor_optimizer
        adam = state[1][0].mu[1] if shared else state[1][1][0].mu
        moments[shared] = np.array([float(moment) for moment in adam])
        norm = float(metrics["actor/gradient_norm"].mean)
    joint = np.sqrt(norm**2 + np.sum((moments[False] / 0.1) ** 2))
    assert joint > 0.02 and np.all(moments[False] != 0)
    np.testing.assert_allclose(moments[True], moments[False] * 0.01 / joint, rtol=1e-3)


def test_truncated_rows_do_not_move_the_critic_where_flags_are_shifted(prepared):
    algorithm, learner, data, metrics, trajectory = prepared(find_ablation("targets/shifted_truncation"))
    np.testing.assert_array_equal(data.counts, ~np.asarray(trajectory.truncated).ravel())
    assert metrics["targets/value"].count == np.sum(~np.asarray(trajectory.truncated))
    moved = jnp.where(data.counts, data.target, data.target + 3.0)
    spoiled = eqx.tree_at(lambda d: d.target, data, moved)
    everything = eqx.tree_at(lambda d: d.counts, spoiled, jnp.ones_like(spoiled.counts))
    step = eqx.filter_jit(lambda data: algorithm.critic_step(learner, data, jax.random.key(3))[0].critic)
    assert eqx.tree_equal(step(data), step(spoiled))
    assert not eqx.tree_equal(step(data), step(everything))


def test_the_action_taken_next_is_that_of_the_next_row_where_the_episode_goes_on(prepared):
    """The embedding tells which action was asked about; the last row of the rollout has none after it."""
    _, learner, data, _, trajectory = prepared(find_ablation("targets/taken_action"))
    following = trajectory.final_observation.actor / np.sqrt(1 + 1e-2)  # statistics of nothing seen yet
    taken = jnp.roll(trajectory.action, -1, axis=0)
    embed = eqx.filter_jit(jax.vmap(jax.vmap(lambda o, a: learner.critic(o, a).embedding)))
    asked = np.all(
        np.isclose(embed(following, taken), data.next_embedding.reshape(*taken.shape[:2], -1), atol=1e-4), -1
    )
    continues = ~np.asarray(trajectory.terminated | trajectory.truncated)
    continues[-1] = False
    np.testing.assert_array_equal(asked, continues)


def test_entries_that_are_combined_differ_from_the_base_where_each_does():
    arm = find_ablation("kl/reverse") + find_ablation("value/two_hot")
    assert {path for path, _, _ in difference(BASE, arm(BASE))} == {"algorithm.actor_loss.kl", "algorithm.value"}
