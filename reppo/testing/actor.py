"""Laws of the actor's loss and its parts: objectives, gates, multipliers, divergences."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.distributions import TanhNormal
from reppo.environments import Observation
from reppo.losses import (
    AbstractActorLoss,
    AbstractDivergence,
    AbstractGate,
    AbstractMultiplier,
    AbstractObjective,
    Minibatch,
)
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats, seeds, vectors


def check_objective(objective: AbstractObjective, *, skip: Collection[str] = ()) -> None:
    """Holds a per-state objective against the laws of its slot: `LAWS[AbstractObjective]`.

    Args:
        objective: the component.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractObjective, objective, skip)


@eqx.filter_jit
def _objective(objective: AbstractObjective, numbers: dict[str, Any], inside: Any) -> tuple[Any, dict[str, Any]]:
    weights = {name: numbers[name] for name in ("temperature", "kl_multiplier")}
    varied = {name: numbers[name] for name in ("q", "log_prob", "kl")}
    return jax.value_and_grad(lambda x: jnp.asarray(objective(**x, **weights, inside=inside)))(varied)


_NUMBERS = st.fixed_dictionaries(
    {
        "q": floats(-10, 10),
        "log_prob": floats(-5, 5),
        "kl_over_bound": floats(0, 2),  # the kl itself, where there is no bound
        "temperature": floats(0.0625, 1),
        "kl_multiplier": floats(0.0625, 1),
    }
)


def _slopes(objective: AbstractObjective, numbers: dict[str, float], inside: bool) -> tuple[Any, dict[str, Any]]:
    return _objective(objective, _scaled(objective, numbers), np.array(inside))


def _scaled(objective: AbstractObjective, numbers: dict[str, float]) -> dict[str, np.float32]:
    bound = float(objective.kl_bound) if np.isfinite(objective.kl_bound) else 1.0
    scaled = {name: np.float32(number) for name, number in numbers.items() if name != "kl_over_bound"}
    return scaled | {"kl": np.float32(numbers["kl_over_bound"] * bound)}


@law(AbstractObjective, "shape", "a finite number of shape (), with finite gradients")
def _objective_shape(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float], inside: bool) -> None:
        value, gradients = _slopes(objective, numbers, inside)
        ensure(value.shape == () and np.isfinite(value), f"{value}")
        ensure(all(np.isfinite(gradient) for gradient in gradients.values()), f"the gradients {gradients}")

    for_all(body, numbers=_NUMBERS, inside=st.booleans())


@law(
    AbstractObjective, "value", "a better action never costs more, and costs less where the policy is within the bound"
)
def _objective_value(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float], inside: bool) -> None:
        gradient = _slopes(objective, numbers, inside)[1]["q"]
        within = inside and numbers["kl_over_bound"] < 1
        ensure(gradient < 0 or (gradient == 0 and not within), f"a gradient in q of {gradient}")

    for_all(body, numbers=_NUMBERS, inside=st.booleans())


@law(AbstractObjective, "entropy", "a likelier action never costs less")
def _objective_entropy(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float], inside: bool) -> None:
        gradient = _slopes(objective, numbers, inside)[1]["log_prob"]
        ensure(gradient >= 0, f"a gradient in log_prob of {gradient}")

    for_all(body, numbers=_NUMBERS, inside=st.booleans())


@law(AbstractObjective, "divergence", "to move away from the old policy is never rewarded")
def _objective_divergence(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float], inside: bool) -> None:
        gradient = _slopes(objective, numbers, inside)[1]["kl"]
        ensure(gradient >= 0, f"a gradient in kl of {gradient}")

    for_all(body, numbers=_NUMBERS, inside=st.booleans())


@law(AbstractObjective, "bound", "the bound is positive; where it is finite, states beyond it are pulled back")
def _objective_bound(objective: AbstractObjective) -> None:
    ensure(np.shape(objective.kl_bound) == () and objective.kl_bound > 0, f"the bound {objective.kl_bound}")

    def body(numbers: dict[str, float], beyond: float) -> None:
        gradient = _slopes(objective, numbers | {"kl_over_bound": beyond}, False)[1]["kl"]
        ensure(gradient > 0, f"a gradient in kl of {gradient} beyond the bound")

    if np.isfinite(objective.kl_bound):
        for_all(body, numbers=_NUMBERS, beyond=floats(1.0625, 4))


@law(AbstractObjective, "verdict", "without the gate's verdict, a state is within the bound if its kl is below it")
def _objective_verdict(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float]) -> None:
        arrays = _scaled(objective, numbers)
        without, told = (
            _objective(objective, arrays, told)[0] for told in (None, np.array(arrays["kl"] < objective.kl_bound))
        )
        ensure(np.allclose(without, told), f"{without} without the verdict, {told} with it")

    for_all(body, numbers=_NUMBERS)


def check_gate(gate: AbstractGate, *, skip: Collection[str] = ()) -> None:
    """Holds a gate against the laws of its slot: `LAWS[AbstractGate]`.

    Arguments and errors as for `check_objective`.
    """
    hold(AbstractGate, gate, skip)


_gate = eqx.filter_jit(lambda gate, kl, bound: gate(kl, bound))
_ROWS = 5
_BOUND = floats(0.0625, 1)
_KLS = vectors(_ROWS, 0.0, 2.0)


def _mask(gate: AbstractGate, kl: Any, bound: Any) -> np.ndarray:
    return np.asarray(_gate(gate, jnp.asarray(kl, jnp.float32), jnp.float32(bound)))


@law(AbstractGate, "shape", "one boolean for every state of the minibatch")
def _gate_shape(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any) -> None:
        mask = _mask(gate, kl, bound)
        ensure(mask.shape == kl.shape and mask.dtype == bool, f"{mask.dtype} of shape {mask.shape}")

    for_all(body, kl=_KLS, bound=_BOUND)


@law(AbstractGate, "open", "where no state has moved at all, every state is within the bound; so it is without a bound")
def _gate_open(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any) -> None:
        mask = _mask(gate, jnp.zeros(_ROWS), bound)
        ensure(mask.all(), f"{mask} for kl = 0")
        mask = _mask(gate, kl, np.inf)
        ensure(mask.all(), f"{mask} for an infinite bound")

    for_all(body, kl=_KLS, bound=_BOUND)


@law(AbstractGate, "closed", "where every state is beyond the bound, none is within it")
def _gate_closed(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any) -> None:
        mask = _mask(gate, bound + 0.01 + kl, bound)
        ensure(not mask.any(), f"{mask} for kl = {bound + 0.01 + kl}")

    for_all(body, kl=_KLS, bound=_BOUND)


@law(AbstractGate, "order", "the verdicts move with their states when the minibatch is permuted")
def _gate_order(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any, order: list[int]) -> None:
        mask, permuted = _mask(gate, kl, bound), _mask(gate, kl[np.array(order)], bound)
        ensure(np.array_equal(mask[np.array(order)], permuted), f"{mask}, and permuted {permuted}")

    # Few bits in each number, so that a mean does not depend on the order of its terms.
    kls = st.lists(st.integers(0, 16).map(lambda n: n / 8), min_size=_ROWS, max_size=_ROWS)
    for_all(body, kl=kls.map(lambda kl: np.array(kl, np.float32)), bound=_BOUND, order=st.permutations(range(_ROWS)))


@law(AbstractGate, "monotone", "a higher bound closes no state")
def _gate_monotone(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any, more: Any) -> None:
        tight, wide = _mask(gate, kl, bound), _mask(gate, kl, bound + more)
        ensure((tight <= wide).all(), f"{tight} at the bound {bound}, {wide} at {bound + more}")

    for_all(body, kl=_KLS, bound=_BOUND, more=_BOUND)


def check_multiplier(multiplier: AbstractMultiplier, *, skip: Collection[str] = ()) -> None:
    """Holds a Lagrange multiplier against the laws of its slot: `LAWS[AbstractMultiplier]`.

    Arguments and errors as for `check_objective`.
    """
    hold(AbstractMultiplier, multiplier, skip)


@eqx.filter_jit
def _multiplier(multiplier: AbstractMultiplier, parameter: Any, slack: Any) -> dict[str, Any]:
    value = lambda p: jnp.asarray(multiplier.value(p), jnp.float32)
    if parameter is None:
        slope = jax.grad(lambda s: multiplier.loss(None, s))(slack)
        return {"value": value(None), "slope": slope, "gradient": None, "leak": jnp.zeros(())}
    gradient, slope = jax.grad(multiplier.loss, argnums=(0, 1))(parameter, slack)
    return {"value": value(parameter), "slope": slope, "gradient": gradient, "leak": jax.grad(value)(parameter)}


_SLACK = floats(-10, 10)


@law(
    AbstractMultiplier, "positive", "a finite weight of at least 0, of shape (), also after a thousand steps either way"
)
def _multiplier_positive(multiplier: AbstractMultiplier) -> None:
    def body(slack: Any) -> None:
        parameter = multiplier.init()
        for rate in (0.0, 1.0, 1000.0):
            result = _multiplier(multiplier, parameter, jnp.float32(slack))
            value = result["value"]
            ensure(value.shape == () and np.isfinite(value) and value >= 0, f"the weight {value}")
            if parameter is not None:  # the size of Adam's steps does not depend on that of the gradient
                parameter = parameter - 0.01 * rate * np.sign(result["gradient"])

    for_all(body, slack=_SLACK)


@law(AbstractMultiplier, "direction", "it rises while its constraint is violated (negative slack), and falls while not")
def _multiplier_direction(multiplier: AbstractMultiplier) -> None:
    def body(slack: Any) -> None:
        parameter = multiplier.init()
        if parameter is None or slack == 0:
            return
        before = _multiplier(multiplier, parameter, jnp.float32(slack))
        step = 0.125 * np.sign(before["gradient"])
        after = _multiplier(multiplier, parameter - step, jnp.float32(slack))
        rises = after["value"] - before["value"]
        ensure(rises * slack < 0, f"a change of {rises}")

    for_all(body, slack=st.one_of(floats(-10, -0.125), floats(0.125, 10)))


@law(AbstractMultiplier, "way back", "however long it was pushed one way, it is finite, and a gradient leads back")
def _multiplier_way_back(multiplier: AbstractMultiplier) -> None:
    def body(slack: Any) -> None:
        parameter = multiplier.init()
        if parameter is None:
            return
        push = _multiplier(multiplier, parameter, jnp.float32(slack))["gradient"]
        result = _multiplier(multiplier, parameter - 1000 * np.sign(push), jnp.float32(-slack))
        ensure(np.isfinite(result["value"]), f"the weight {result['value']} after a push by the slack {slack}")
        back = result["gradient"]
        ensure(np.isfinite(back) and back * push < 0, f"a gradient of {back} after a push by {push}")

    for_all(body, slack=st.one_of(floats(-10, -0.125), floats(0.125, 10)))


@law(AbstractMultiplier, "constant", "to every loss but its own the weight is a constant")
def _multiplier_constant(multiplier: AbstractMultiplier) -> None:
    leak = _multiplier(multiplier, multiplier.init(), jnp.float32(1.0))["leak"]
    ensure(leak == 0, f"a gradient of the weight of {leak}")


@law(AbstractMultiplier, "slack", "to its own loss the slack is a constant: it does not move the policy")
def _multiplier_slack(multiplier: AbstractMultiplier) -> None:
    def body(slack: Any) -> None:
        slope = _multiplier(multiplier, multiplier.init(), jnp.float32(slack))["slope"]
        ensure(slope == 0, f"a gradient in the slack of {slope}")

    for_all(body, slack=_SLACK)


def check_divergence(divergence: AbstractDivergence, *, skip: Collection[str] = ()) -> None:
    """Holds a divergence between policies against the laws of its slot: `LAWS[AbstractDivergence]`.

    Estimates from samples are held to them in the mean over many keys. Arguments and errors as for `check_objective`.
    """
    hold(AbstractDivergence, divergence, skip)


_KEYS = 256


@eqx.filter_jit
def _divergence(divergence: AbstractDivergence, old: Any, new: Any, seed: Any) -> tuple[Any, Any]:
    """Mean and standard deviation over keys, and the mean gradient in the new policy's mean and scale."""

    def one(parameters: Any, key: Any) -> Any:
        return divergence(TanhNormal(*old), TanhNormal(*parameters), key)

    keys = jax.random.split(jax.random.key(seed), _KEYS)
    values, gradients = jax.vmap(jax.value_and_grad(one), in_axes=(None, 0))(new, keys)
    return values, gradients


_POLICY = st.tuples(vectors(2, -1.0, 1.0), vectors(2, 0.25, 1.0))


def _mean(divergence: AbstractDivergence, old: Any, new: Any, seed: Any) -> tuple[float, float]:
    """The mean over keys, and five times its standard error."""
    values = np.asarray(_divergence(divergence, old, new, seed)[0], float)
    return float(values.mean()), float(5 * values.std() / _KEYS**0.5)


@law(AbstractDivergence, "shape", "a finite number of shape (), with a finite gradient in the new policy")
def _divergence_shape(divergence: AbstractDivergence) -> None:
    def body(old: Any, new: Any, seed: Any) -> None:
        values, gradients = _divergence(divergence, old, new, seed)
        ensure(values.shape == (_KEYS,) and np.isfinite(values).all(), f"{values[0]} of shape {values.shape[1:]}")
        ensure(all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients)), "a gradient that is not finite")

    for_all(body, old=_POLICY, new=_POLICY, seed=seeds())


@law(AbstractDivergence, "itself", "the divergence of a policy from itself is 0, at every key")
def _divergence_itself(divergence: AbstractDivergence) -> None:
    def body(policy: Any, seed: Any) -> None:
        values = np.asarray(_divergence(divergence, policy, policy, seed)[0])
        ensure(np.abs(values).max() < 1e-5, f"{values[np.abs(values).argmax()]}")

    for_all(body, policy=_POLICY, seed=seeds())


@law(AbstractDivergence, "positive", "a divergence is at least 0")
def _divergence_positive(divergence: AbstractDivergence) -> None:
    def body(old: Any, new: Any, seed: Any) -> None:
        mean, error = _mean(divergence, old, new, seed)
        ensure(mean >= -error - 1e-5, f"{mean}, within {error}")

    for_all(body, old=_POLICY, new=_POLICY, seed=seeds())


@law(AbstractDivergence, "sum", "it is summed over action dimensions: a second one, as far away, doubles it")
def _divergence_sum(divergence: AbstractDivergence) -> None:
    def body(loc: Any, shift: Any, scale: Any, seed: Any) -> None:
        def estimate(actions: int) -> tuple[float, float]:
            scales = np.full(actions, scale, np.float32)
            old, new = (np.full(actions, x, np.float32) for x in (loc, loc + shift))
            return _mean(divergence, (old, scales), (new, scales), seed)

        (mean, error), (twice, error_twice) = estimate(1), estimate(2)
        ensure(
            abs(twice - 2 * mean) < 2 * error + error_twice + 1e-3 * (1 + twice),
            f"{mean} for one dimension, {twice} for both, within {error} and {error_twice}",
        )

    for_all(body, 8, loc=floats(-0.5, 0.5), shift=floats(0.5, 1), scale=floats(0.5, 1), seed=seeds())


@law(AbstractDivergence, "nearer", "a policy half as far away in its mean has a lower divergence")
def _divergence_nearer(divergence: AbstractDivergence) -> None:
    def body(loc: Any, shift: Any, scale: Any, seed: Any) -> None:
        scales = np.full(2, scale, np.float32)
        far, near = (_mean(divergence, (loc, scales), (loc + np.float32(s), scales), seed) for s in (shift, shift / 2))
        ensure(near[0] < far[0] + near[1] + far[1], f"{near[0]} for half the shift, {far[0]} for the whole")
        ensure(far[0] > -far[1] + 1e-6, f"{far[0]} for the whole shift")

    for_all(body, 8, loc=vectors(2, -0.5, 0.5), shift=floats(0.5, 1), scale=floats(0.25, 0.5), seed=seeds())


@law(AbstractDivergence, "saturated", "where on the tanh the two policies lie does not matter: it cancels")
def _divergence_saturated(divergence: AbstractDivergence) -> None:
    def body(old: Any, new: Any, out: float, seed: Any) -> None:
        moved = tuple((loc + np.float32(out), scale) for loc, scale in (old, new))
        here, there = (float(np.mean(_divergence(divergence, a, b, seed)[0])) for a, b in ((old, new), moved))
        ensure(abs(there - here) < 1e-2 * (1 + abs(here)), f"{here}, and {there} with both means {out} further out")

    for_all(body, 8, old=_POLICY, new=_POLICY, out=floats(-6, 6), seed=seeds())


@law(
    AbstractDivergence,
    "way back",
    "however far the new policy has moved, in mean or scale, the divergence is finite and its gradient leads back",
)
def _divergence_way_back(divergence: AbstractDivergence) -> None:
    def body(loc: Any, scale: Any, distance: float, side: float, log_scale: float, seed: Any) -> None:
        moved = np.float32(side * distance)
        away = _divergence(divergence, (loc, scale), (loc + moved, scale), seed)
        other = _divergence(divergence, (loc, scale), (loc, np.full(2, np.exp(log_scale), np.float32)), seed)
        for (values, gradients), part, out in ((away, 0, moved), (other, 1, log_scale)):
            slope = np.mean(np.asarray(gradients[part], float), axis=0) * out
            where = f"with the mean moved by {out}" if part == 0 else f"with a log scale of {out}"
            ensure(np.isfinite(values).all(), f"{values} {where}")
            ensure((slope > 0).all(), f"a slope outward of {slope} {where}")

    drawn = {"loc": vectors(2, -1, 1), "scale": vectors(2, 0.25, 1), "distance": floats(4, 1000), "seed": seeds()}
    scales = st.one_of(floats(-10, -5), floats(2, 4))
    for_all(body, 8, side=st.sampled_from([-1.0, 1.0]), log_scale=scales, **drawn)


def check_actor_loss(actor_loss: AbstractActorLoss, *, skip: Collection[str] = ()) -> None:
    """Holds an actor loss against the laws of its slot: `LAWS[AbstractActorLoss]`.

    It is given a policy, a critic that prefers one action, and a minibatch that was collected by the policy itself, or
    by one from which it has moved far. Arguments and errors as for `check_objective`.
    """
    hold(AbstractActorLoss, actor_loss, skip)


_BATCH = 256


@eqx.filter_jit
def _collected(loc: Any, scale: Any, seed: Any) -> Any:
    """What a policy drew, before the tanh."""
    return jax.vmap(TanhNormal(loc, scale).draw)(jax.random.split(jax.random.key(seed), _BATCH))


def _actor_loss(actor_loss: AbstractActorLoss, loc: Any, scale: Any, best: Any, seed: Any) -> Any:
    """Loss, metrics and gradients in (loc, log scale), at the old policy itself, for Q(a) = -|a - best|^2."""
    return _moved_loss(actor_loss, (loc, scale), (loc, np.log(scale)), best, np.float32(1e-3), seed)


@eqx.filter_jit
def _moved_loss(actor_loss: AbstractActorLoss, old: Any, new: Any, best: Any, temperature: Any, seed: Any) -> Any:
    """The same where the policy has moved from `old`, (loc, scale), to `new`, (loc, log scale)."""
    drawn = _collected(old[0], old[1], seed)
    actions = jnp.clip(jnp.tanh(drawn), -0.999, 0.999)
    repeated = lambda x: jnp.broadcast_to(x, (_BATCH, *x.shape))
    batch = Minibatch(
        observation=Observation(jnp.zeros((_BATCH, 1))),
        action=actions,
        drawn=drawn,
        old=jax.vmap(TanhNormal)(repeated(old[0]), repeated(old[1])),
        target=-jnp.sum((actions - best[None]) ** 2, axis=1),
    )

    def loss(parameters: Any) -> Any:
        policy = jax.vmap(TanhNormal)(repeated(parameters[0]), repeated(jnp.exp(parameters[1])))
        critic = lambda _, action: -jnp.sum((action - best) ** 2)
        key = jax.random.fold_in(jax.random.key(seed), 1)
        return actor_loss(policy, critic, batch, temperature, jnp.float32(1.0), key)

    return jax.value_and_grad(loss, has_aux=True)(new)


def _drawn_policy() -> dict[str, st.SearchStrategy[Any]]:
    return {"loc": vectors(2, -0.5, 0.5), "scale": vectors(2, 0.25, 0.75), "seed": seeds()}


@law(AbstractActorLoss, "shape", "a finite number of shape (), with finite gradients in the policy")
def _actor_loss_shape(actor_loss: AbstractActorLoss) -> None:
    def body(loc: Any, scale: Any, seed: Any) -> None:
        (loss, _), gradients = _actor_loss(actor_loss, loc, scale, jnp.array([0.5, -0.5]), seed)
        ensure(loss.shape == () and np.isfinite(loss), f"the loss {loss}")
        ensure(all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients)), f"the gradients {gradients}")

    for_all(body, 8, **_drawn_policy())


@law(AbstractActorLoss, "metrics", "entropy, kl and behind_gate of every state; the kl from the old policy itself is 0")
def _actor_loss_metrics(actor_loss: AbstractActorLoss) -> None:
    def body(loc: Any, scale: Any, seed: Any) -> None:
        metrics = _actor_loss(actor_loss, loc, scale, jnp.array([0.5, -0.5]), seed)[0][1]
        missing = {"entropy", "kl", "behind_gate"} - set(metrics)
        ensure(not missing, f"no {', '.join(sorted(missing))} among {', '.join(sorted(metrics))}")
        shapes = {name: metric.shape for name, metric in metrics.items()}
        ensure(all(shape == (_BATCH,) for shape in shapes.values()), f"shapes {shapes} for {_BATCH} states")
        ensure(np.abs(metrics["kl"]).max() < 1e-4, f"a kl of {np.abs(metrics['kl']).max()}")

    for_all(body, 8, **_drawn_policy())


@law(AbstractActorLoss, "improves", "its gradient moves the policy towards the action that the critic prefers")
def _actor_loss_improves(actor_loss: AbstractActorLoss) -> None:
    def body(loc: Any, scale: Any, seed: Any) -> None:
        best = np.array([0.95, -0.95], np.float32)
        gradient = np.asarray(_actor_loss(actor_loss, loc, scale, best, seed)[1][0])
        ensure(gradient @ (best - np.tanh(loc)) < 0, f"a gradient in the mean of {gradient} for the best action {best}")

    for_all(body, 8, **_drawn_policy())


def _far(seed: Any) -> tuple[Any, Any, list[Any]]:
    """An old policy of 16 actions, the best action, and new policies, nearly deterministic, far from the old.

    The first has moved away from the best action; the second has closed in on the worst that was taken.
    """
    random = np.random.default_rng(int(seed))
    loc, scale = (np.float32(random.uniform(*ends, 16)) for ends in ((-0.5, 0.5), (0.25, 0.75)))
    side = np.float32(random.choice([-1, 1], 16))
    drawn = np.asarray(_collected(loc, scale, seed))
    worst = drawn[np.argmax(np.sum((np.tanh(drawn) - 0.9 * side) ** 2, axis=1))]
    narrow = np.full(16, -9, np.float32)
    # Half a standard deviation off the worst action: at its center the density has no slope.
    policies = [(loc - side, narrow), (worst + side * np.exp(narrow) / 2, narrow)]
    return (loc, scale), 0.9 * side, policies


@law(AbstractActorLoss, "finite", "loss and gradients are finite however far the policy has moved")
def _actor_loss_finite(actor_loss: AbstractActorLoss) -> None:
    def body(out: float, log_scale: float, seed: Any) -> None:
        old, best, policies = _far(seed)
        for new in (*policies, (old[0] + np.float32(out), np.full(16, log_scale, np.float32))):
            (loss, _), gradients = _moved_loss(actor_loss, old, new, best, np.float32(1e-3), seed)
            ensure(np.isfinite(loss), f"the loss {loss}")
            ensure(all(np.isfinite(leaf).all() for leaf in gradients), f"the gradients {gradients}")

    for_all(body, 8, out=floats(-1000, 1000), log_scale=floats(-10, 4), seed=seeds())


@law(AbstractActorLoss, "way back", "however unlikely the actions taken have become, its gradient leads to better ones")
def _actor_loss_way_back(actor_loss: AbstractActorLoss) -> None:
    def body(seed: Any) -> None:
        old, best, policies = _far(seed)
        for new in policies:
            gradient = np.asarray(_moved_loss(actor_loss, old, new, best, np.float32(0), seed)[1][0], float)
            slope = gradient @ (best - np.tanh(new[0]))
            ensure(slope < 0, f"a slope of {slope} towards the best action, from a mean of {new[0]}")

    for_all(body, 8, seed=seeds())
