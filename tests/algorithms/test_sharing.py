"""Policy and value with layers in common."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.ablation import find_ablation
from reppo.algorithms import NoSharing, SharedEncoder
from reppo.algorithms.learning import critic_loss
from reppo.algorithms.ppo import Progress
from reppo.algorithms.sharing import Pair
from reppo.distributions import FreeScale, NormalHead
from reppo.environments import Observation
from reppo.errors import ConfigurationError
from reppo.losses import FixedSupport, HLGauss, StandardizedMinibatches
from reppo.networks import Actor, Critic, LayerNorm, NoNorm, ResidualBlocks, Tanh, ZeroOffset
from reppo.optimization import Adam, ClipByGlobalNorm, TargetKL
from reppo.spec import validate
from tests.algorithms.trajectories import make_trajectory
from tests.tiny import tiny_ppo, tiny_spec

INTERFACE = environments.probe("BestAction").make().interface()


def shared(**changes):
    """Two hidden layers, a scale of its own beside the actor's network, an offset around the critic's."""
    settings = {
        "actor": Actor(width=16, depth=2, norm=NoNorm()),
        "critic": Critic(width=16, encoder_depth=1, head_depth=0, norm=NoNorm()),
        "head": NormalHead(FreeScale(0.5)),
        "value": HLGauss(FixedSupport(-5, 5), 21),
        "critic_offset": ZeroOffset(),
        "sharing": SharedEncoder(0.25),
    }
    return tiny_ppo(**(settings | changes))


@pytest.fixture(scope="module")
def learned():
    algorithm = shared()
    state = algorithm.init(jax.random.key(0), INTERFACE)
    trajectory = make_trajectory(algorithm, state)
    new, metrics = eqx.filter_jit(lambda s, t: algorithm.update(s, t, jax.random.key(1)))(state, trajectory)
    return algorithm, state, trajectory, new, metrics


def test_the_hidden_layers_are_the_same_before_and_after_an_update_and_all_layers_learn(learned):
    algorithm, state, _, new, metrics = learned
    for learner in (state.learner, new.learner):
        actor, critic = learner.actor.network, learner.critic.critic
        assert len(actor.mlp.linears) == 3 and len(critic.encoder.linears) == 2
        assert eqx.tree_equal(actor.mlp.linears[:-1], critic.encoder.linears)
    pairs = zip(
        *(jax.tree.leaves(eqx.filter((s.learner.actor, s.learner.critic), eqx.is_array)) for s in (state, new)),
        strict=True,
    )
    assert all(not np.array_equal(a, b) for a, b in pairs)
    assert {watched.metric for watched in algorithm.watched()} <= set(metrics) >= set(algorithm.causes())
    assert metrics["actor/loss"].count == metrics["critic/loss"].count == 4
    moments = [leaf for leaf in jax.tree.leaves(new.learner.actor_optimizer) if jnp.ndim(leaf) == 2]
    assert len(moments) == 2 * 4  # of two shared layers and two last ones, each once
    assert not jax.tree.leaves(new.learner.critic_optimizer)


@eqx.filter_jit
def gradients(algorithm, learner, data, key):
    """Of the policy's loss in the layers of the actor, and of the value's loss in the critic."""
    parts = algorithm._actor_parts(jnp.ones(()))
    batch = dataclasses.replace(data, advantage=algorithm.advantages.of_minibatch(data.advantage, data.counts))
    objective = lambda actor: parts.objective(actor, None, batch, parts.weights(learner), key)[0]
    of_value = eqx.filter_grad(lambda critic: critic_loss(critic, batch, algorithm._row_losses, key)[0])(learner.critic)
    return eqx.filter_grad(objective)(learner.actor).network.mlp.linears, of_value.critic


def test_the_gradient_is_that_of_the_policys_loss_and_a_part_of_the_values(learned):
    """Seen in Adam's first moment, which after one step is a tenth of the gradient."""
    algorithm, state, trajectory, _, _ = learned
    algorithm = dataclasses.replace(algorithm, advantages=StandardizedMinibatches())
    algorithm = dataclasses.replace(algorithm, actor_optimizer=Adam(1e-2, ClipByGlobalNorm(1e6)))
    learner, key = state.learner, jax.random.key(3)
    data, _ = eqx.filter_jit(algorithm.prepare)(state, trajectory)
    of_actor, of_value = gradients(algorithm, learner, data, key)
    progress = Progress(learner, rate=jnp.ones(()), stopped=None)
    after, _ = eqx.filter_jit(algorithm.joint_step)(progress, data, key)
    states = jax.tree.leaves(after.learner.actor_optimizer, is_leaf=lambda node: hasattr(node, "mu"))
    moment = next(node.mu for node in states if isinstance(getattr(node, "mu", None), Pair))
    for made, a, v in zip(moment.actor.network.mlp.linears, of_actor, [*of_value.encoder.linears, None], strict=True):
        expected = a.weight + (0 if v is None else 0.25 * v.weight)
        np.testing.assert_allclose(made.weight / 0.1, expected, rtol=1e-3, atol=1e-6)
    own = moment.own.critic
    assert own.encoder.linears == () and own.trunk is None
    np.testing.assert_allclose(
        own.value_head.linears[0].weight / 0.1, 0.25 * of_value.value_head.linears[0].weight, rtol=1e-3, atol=1e-6
    )


@pytest.mark.slow  # compiles a program
def test_where_the_policy_stops_the_value_stops_too(learned):
    _, state, trajectory, full, _ = learned
    algorithm = shared(stop=TargetKL(1e-7))
    new, metrics = eqx.filter_jit(lambda s, t: algorithm.update(s, t, jax.random.key(1)))(state, trajectory)
    assert metrics["actor/stopped"].mean == 0.75
    assert not eqx.tree_equal(new.learner.critic, full.learner.critic)
    assert eqx.tree_equal(new.learner.actor.network.mlp.linears[:-1], new.learner.critic.critic.encoder.linears)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actor": Actor(width=8, depth=2, norm=NoNorm())}, "differ in width 8 and 16, embedding 8 and 16"),
        ({"actor": Actor(width=16, depth=1, norm=NoNorm())}, "differ in hidden layers 1 and 2"),
        ({"actor": Actor(width=16, depth=2, norm=LayerNorm())}, r"differ in norm LayerNorm\(\) and NoNorm\(\)"),
        ({"actor": Actor(width=16, depth=2, norm=NoNorm(), activation=Tanh())}, r"activation Tanh\(\) and Swish\(\)"),
        ({"actor": Actor(width=16, depth=2, norm=NoNorm(), layers=ResidualBlocks())}, "only plain ones. Set layers"),
        ({"critic_optimizer": Adam(3e-4)}, "critic_optimizer is another. Give the same to both"),
        ({"sharing": SharedEncoder(0.0)}, "weight of the value's loss is 0.* give a positive one"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_the_cure(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        validate(tiny_spec(algorithm=shared(**changes)))


def test_actor_and_critic_that_observe_different_things_share_nothing():
    interface = environments.probe("PrivilegedValue").make().interface()
    with pytest.raises(ConfigurationError, match=r"observe different things.*sharing=NoSharing\(\)"):
        shared().init(jax.random.key(0), interface)


def test_the_ablation_shares_the_layers_of_the_small_preset():
    made = find_ablation("ppo/shared_trunk")(tiny_spec(algorithm=shared(sharing=NoSharing())))
    assert made.algorithm.sharing == SharedEncoder(0.5)
    policy = made.algorithm.policy(made.algorithm.init(jax.random.key(0), INTERFACE))
    assert policy((), Observation(jnp.zeros(1)), jax.random.key(0), deterministic=True)[0].shape == (1,)
