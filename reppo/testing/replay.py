"""Laws of replay buffers, of what several critics say together, of what they learn, and of target networks."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from hypothesis import strategies as st

from reppo.environments import Box, Interface, Observation
from reppo.losses import AbstractBackup, AbstractPessimism, EnsembleQ, FixedSupport, LeastValue, TwoHot
from reppo.networks import CriticOutput
from reppo.optimization import AbstractTargetNetwork
from reppo.replay import AbstractReplay
from reppo.rollout import Trajectory
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats, vectors


def check_replay(replay: AbstractReplay, *, skip: Collection[str] = ()) -> None:
    """Holds a replay buffer against the laws of its slot: `LAWS[AbstractReplay]`.

    Arguments and errors as for `check_objective`.
    """
    hold(AbstractReplay, replay, skip)


_LENGTH, _DRAWN, _GAMMA = 3, 64, np.float32(0.5)
_INTERFACE = Interface(Observation(jax.ShapeDtypeStruct((1,), jnp.float32)), Box((-1.0,), (1.0,)))
_ENDS = st.lists(st.sampled_from([0, 0, 1, 2]), min_size=2 * _LENGTH, max_size=2 * _LENGTH)


def _rollouts(ends: list[int]) -> tuple[Trajectory, Trajectory]:
    """Two rollouts of one environment, the second of which goes on where the first stopped.

    Observations are numbers, no two steps' the same: one more than a step's observation is what follows it, two more
    what another episode begins with. Rewards are those numbers too.

    Args:
        ends: of each step: 0 where it goes on, 1 where it terminated, 2 where it was truncated.
    """
    end = np.array(ends)
    seen = 100 + np.cumsum([0, *np.where(end[:-1] > 0, 2, 1)])
    rows = lambda x: jnp.asarray(x[:, None, None], jnp.float32)

    def part(which: slice) -> Trajectory:
        return Trajectory(
            observation=Observation(rows(seen[which])),
            action=rows(seen[which] / 1e6),
            extras=(),
            reward=jnp.asarray(seen[which, None], jnp.float32),
            terminated=jnp.asarray(end[which, None] == 1),
            truncated=jnp.asarray(end[which, None] == 2),
            final_observation=Observation(rows(seen[which] + 1)),
        )

    return part(slice(_LENGTH)), part(slice(_LENGTH, None))


@eqx.filter_jit
def _kept(replay: AbstractReplay, first: Trajectory, second: Trajectory, key: Any) -> Any:
    stored = replay.add(replay.init(_INTERFACE, 1), first)
    one = replay.draw(stored, _DRAWN, 1, _GAMMA, key)
    stored = replay.add(stored, second)
    return replay.size(stored), one, [replay.draw(stored, _DRAWN, steps, _GAMMA, key) for steps in (1, 2)]


def _with_rollouts(replay: AbstractReplay, look: Any) -> None:
    def body(ends: list[int]) -> None:
        rollouts = _rollouts(ends)
        found = _kept(replay, *rollouts, jax.random.key(0))
        look(rollouts, *jax.tree.map(np.asarray, found))

    for_all(body, ends=_ENDS)


@law(AbstractReplay, "whole", "what is drawn went in: observation, action, reward and the true next observation")
def _replay_whole(replay: AbstractReplay) -> None:
    def look(rollouts: Any, size: Any, early: Any, late: Any) -> None:
        for drawn, known in ((early, rollouts[:1]), (late[0], rollouts)):
            seen = drawn.observation.actor[:, 0]
            all_seen = np.concatenate([np.asarray(one.observation.actor).ravel() for one in known])
            ensure(np.isin(seen, all_seen).all(), f"observations {seen}, which are not of {all_seen}")
            ensure(np.array_equal(drawn.action[:, 0], np.float32(seen / 1e6)), f"actions {drawn.action[:, 0]}")
            ensure(np.array_equal(drawn.reward, seen), f"rewards {drawn.reward} at {seen}")
            following = drawn.next_observation.actor[:, 0]
            ensure(np.array_equal(following, seen + 1), f"next observations {following} after {seen}")

    _with_rollouts(replay, look)


@law(AbstractReplay, "ends", "rewards are added up to either kind of end, and only a termination has no value after it")
def _replay_ends(replay: AbstractReplay) -> None:
    def look(rollouts: Any, size: Any, early: Any, late: Any) -> None:
        joined = lambda of: np.concatenate([np.asarray(of(one)).ravel() for one in rollouts])
        numbers = joined(lambda one: one.observation.actor)
        terminated = dict(zip(numbers, joined(lambda one: one.terminated)))
        ended = dict(zip(numbers, joined(lambda one: one.terminated | one.truncated)))
        for steps, drawn in zip((1, 2), late):
            for seen, reward, discount, following in zip(
                drawn.observation.actor[:, 0], drawn.reward, drawn.discount, drawn.next_observation.actor[:, 0]
            ):
                last = seen + 1 if steps == 2 and not ended[seen] and seen != numbers[-1] else seen
                added = seen if last == seen else seen + _GAMMA * last
                left = 0.0 if terminated[last] else _GAMMA ** (1 + (last != seen))
                ensure(
                    (reward, discount, following) == (added, left, last + 1),
                    f"reward {reward}, discount {discount} and {following} next, {steps} steps from {seen}; they are "
                    f"{added}, {left} and {last + 1}",
                )

    _with_rollouts(replay, look)


@law(AbstractReplay, "size", "as many steps as were collected, or fewer where there is no room, and never none")
def _replay_size(replay: AbstractReplay) -> None:
    def look(rollouts: Any, size: Any, early: Any, late: Any) -> None:
        ensure(0 < size <= 2 * _LENGTH, f"{size} steps of {2 * _LENGTH}")

    _with_rollouts(replay, look)


def check_pessimism(pessimism: AbstractPessimism, *, skip: Collection[str] = ()) -> None:
    """Holds what several critics say together against the laws of its slot: `LAWS[AbstractPessimism]`.

    Arguments and errors as for `check_objective`.
    """
    hold(AbstractPessimism, pessimism, skip)


_together = eqx.filter_jit(lambda pessimism, values: pessimism(values))
_VALUES = vectors(3, -10.0, 10.0)


@law(AbstractPessimism, "within", "one number, between the least and the mean of the critics' values")
def _pessimism_within(pessimism: AbstractPessimism) -> None:
    def body(values: Any) -> None:
        said = np.asarray(_together(pessimism, values))
        ensure(said.shape == (), f"shape {said.shape}")
        ensure(values.min() - 1e-5 <= said <= values.mean() + 1e-5, f"{said} of {values}")

    for_all(body, values=_VALUES)


@law(AbstractPessimism, "order", "it does not matter which critic says what")
def _pessimism_order(pessimism: AbstractPessimism) -> None:
    def body(values: Any, order: list[int]) -> None:
        said = [float(_together(pessimism, one)) for one in (values, values[np.array(order)])]
        ensure(abs(said[0] - said[1]) < 1e-5, f"{said[0]} of {values}, and {said[1]} in another order")

    for_all(body, values=_VALUES, order=st.permutations(range(3)))


_shares = eqx.filter_jit(lambda pessimism, values: jax.grad(pessimism)(values))


@law(AbstractPessimism, "share", "it moves with the critics' values, and with all of them together by as much")
def _pessimism_share(pessimism: AbstractPessimism) -> None:
    def body(values: Any) -> None:
        share = np.asarray(_shares(pessimism, values))
        ensure((share > -1e-5).all() and abs(share.sum() - 1) < 1e-4, f"slopes {share} at {values}")

    for_all(body, values=_VALUES)


def check_backup(backup: AbstractBackup, *, skip: Collection[str] = ()) -> None:
    """Holds what critics learn of a step against the laws of its slot: `LAWS[AbstractBackup]`.

    Arguments and errors as for `check_objective`.
    """
    hold(AbstractBackup, backup, skip)


_TWO_HOT = TwoHot(FixedSupport(-10.0, 10.0), num_bins=21)
_LOGITS = vectors(2 * _TWO_HOT.size, -2.0, 2.0)


class _Critics(eqx.Module):
    """Two that say the same of every state and action."""

    logits: Any

    def __call__(self, observation: Any, action: Any) -> CriticOutput:
        return jax.vmap(lambda logits: CriticOutput(logits, jnp.zeros(1), None))(self.logits)


@eqx.filter_jit
def _backed_up(backup: AbstractBackup, logits: Any, bonus: Any, reward: Any, discount: Any) -> Any:
    """The target, the value that follows by the critics, and what outputs stand for that have learned the target."""
    q = EnsembleQ(_Critics(logits.reshape(2, -1)), _TWO_HOT, LeastValue())
    target = backup.target(q, jnp.zeros(1), jnp.zeros(1), bonus, reward, discount)
    loss = lambda logits: backup.loss(_TWO_HOT, logits, target)
    optimizer = optax.adam(optax.cosine_decay_schedule(0.3, 1000))

    def step(_: Any, carry: Any) -> Any:
        updates, state = optimizer.update(jax.grad(loss)(carry[0]), carry[1])
        return carry[0] + updates, state

    start = jnp.zeros(_TWO_HOT.size)
    learned, _ = jax.lax.fori_loop(0, 1000, step, (start, optimizer.init(start)))
    return target.value, q(jnp.zeros(1), jnp.zeros(1)), _TWO_HOT.decode(learned)


def _with_steps(body: Any) -> None:
    unit = floats(-1.0, 1.0)
    for_all(body, logits=_LOGITS, bonus=unit, reward=unit, discount=floats(0.0, 0.875))


@law(AbstractBackup, "value", "the value is the reward, and the discounted one of what follows with its bonus")
def _backup_value(backup: AbstractBackup) -> None:
    def body(logits: Any, bonus: Any, reward: Any, discount: Any) -> None:
        value, following, _ = _backed_up(backup, logits, bonus, reward, discount)
        expected = reward + discount * (following + bonus)
        ensure(abs(value - expected) < 1e-3, f"{value}, and not {expected}")

    _with_steps(body)


@law(AbstractBackup, "learned", "outputs that have learned the target stand for its value")
def _backup_learned(backup: AbstractBackup) -> None:
    def body(logits: Any, bonus: Any, reward: Any, discount: Any) -> None:
        value, _, learned = _backed_up(backup, logits, bonus, reward, discount)
        ensure(abs(value - learned) < 0.2, f"{learned} is learned of {value}")

    _with_steps(body)


def check_target_network(network: AbstractTargetNetwork, *, skip: Collection[str] = ()) -> None:
    """Holds a target network against the laws of its slot: `LAWS[AbstractTargetNetwork]`.

    Arguments and errors as for `check_objective`.
    """
    hold(AbstractTargetNetwork, network, skip)


_follow = eqx.filter_jit(lambda network, target, trained: network.follow(target, trained))


@law(AbstractTargetNetwork, "between", "each weight moves towards that of the trained network, and not beyond")
def _target_between(network: AbstractTargetNetwork) -> None:
    def body(target: Any, trained: Any) -> None:
        after = np.asarray(_follow(network, {"weight": target}, {"weight": trained})["weight"])
        low, high = np.minimum(target, trained), np.maximum(target, trained)
        ensure(after.shape == target.shape, f"shape {after.shape}")
        ensure((low - 1e-5 <= after).all() and (after <= high + 1e-5).all(), f"{after} of {target} and {trained}")

    for_all(body, target=_VALUES, trained=_VALUES)


@law(AbstractTargetNetwork, "follows", "it comes as near as it may to a network that stands still")
def _target_follows(network: AbstractTargetNetwork) -> None:
    target, trained = jnp.zeros(2), jnp.ones(2)
    after = jax.lax.fori_loop(0, 20_000, lambda _, target: network.follow(target, trained), target)
    ensure(np.abs(np.asarray(after) - 1).max() < 1e-2, f"{after} after 20 000 steps from 0 towards 1")
