"""Every entry of the catalog on every preset learns: its critic, its policy, each array of its networks.

The presets are cut to a size that trains in seconds; what remains of them is their components and constants. Run this
file to see the table of what was measured: python -m tests.ablation.test_sanity [preset or entry]...
"""

import dataclasses
import functools
import hashlib
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments, presets
from reppo.ablation import all_ablations
from reppo.algorithms import Ppo, Reppo, Sac, Td3
from reppo.environments import Episodes, Observation
from reppo.errors import ConfigurationError
from reppo.losses import FixedSupport
from reppo.rollout import collect
from reppo.spec import list_paths, replace_path, resolve
from reppo.training.lanes import compile_key

TASK = environments.gymnax("Pendulum-v1")
PRESETS = {name: getattr(presets, name) for name in presets.__all__}
CATALOG = all_ablations()
ENVIRONMENTS, LENGTH, ITERATIONS = 16, 32, 24
LEAST_EXPLAINED = 0.1
ROUNDS = 5
"""An arm whose critic explains nothing yet goes on for as many rounds of `ITERATIONS`: some start slowly by design."""

# What an entry is not held to, on any preset or on one, and why.
EXCUSED = {
    # A multiplier of 0: a minibatch that lies beyond the bound as a whole has no gradient, which is what it asks about.
    "kl/gate_only": {"gradient"},
    # The loss of a value that went beyond its clip is constant: so it can be for every row of a minibatch.
    "ppo/clipped_value": {"gradient"},
}


def cut(spec):
    """A preset in small: 16 environments x 32 steps, 32 minibatches, 32 units, Adam at 3e-3."""
    changes = {
        "algorithm.num_environments": ENVIRONMENTS,
        "algorithm.rollout_length": LENGTH,
        "algorithm.batches.epochs": 4,
        "algorithm.batches.num_minibatches": 8,
        "algorithm.updates": 32,
        "algorithm.batch_size": 64,
        "algorithm.learning_starts": 0,
        "algorithm.replay.capacity": 8 * ENVIRONMENTS * LENGTH,
        "algorithm.actor.width": 32,
        "algorithm.critic.width": 32,
    }
    changes = {path: value for path, value in changes.items() if path in list_paths(spec)}
    changes |= {path: 3e-3 for path in list_paths(spec) if path.endswith("optimizer.learning_rate")}
    if isinstance(support := getattr(spec.algorithm.value, "support", None), FixedSupport):
        least, _ = TASK.return_range(float(spec.algorithm.gamma))
        changes["algorithm.reward_scale"] = float(support.low) / least  # so that it holds the returns of this task
    for path, value in changes.items():
        spec = replace_path(spec, path, value)
    return spec


@dataclasses.dataclass(frozen=True)
class Learned:
    """What became of a short run.

    Attributes:
        iterations: how long it was.
        explained: the share of the targets' variance that the critic explains, in the mean over the last 3 iterations.
        moved: how far the policy's mode moved, in the root mean square over a grid of observations.
        gradient: the least norm of the whole gradient of the actor or the critic in any update.
        array_gradient: the least root-mean-square gradient of any array of actor and critic.
        still: the arrays that never had a gradient.
    """

    iterations: int
    explained: float
    moved: float
    gradient: float
    array_gradient: float
    still: tuple[str, ...]


class Program:
    """A function of pytrees, compiled without optimization, once for all that lower to one text."""

    compiled: dict = {}

    def __init__(self, function, *trees):
        arrays, static = eqx.partition(trees, eqx.is_array)
        leaves, structure = jax.tree.flatten(arrays)
        self.made = made = {}

        def flat(leaves):  # JAX keeps it, so it may not know the program
            result = function(*eqx.combine(jax.tree.unflatten(structure, leaves), static))
            arrays, made["static"] = eqx.partition(result, eqx.is_array)
            leaves, made["structure"] = jax.tree.flatten(arrays)
            return leaves

        self.lowered = jax.jit(flat, keep_unused=True).lower(leaves)  # or one text would stand for other arguments
        self.mine = threading.Lock()
        self.name = hashlib.sha256(self.lowered.as_text().encode()).digest()
        self.shared = self.compiled.setdefault(self.name, self)

    def __call__(self, *trees):
        shared = self.shared
        with shared.mine:
            if shared.lowered is not None:
                shared.executable = shared.lowered.compile(compiler_options={"xla_backend_optimization_level": 0})
                shared.lowered = None
        leaves = shared.executable(jax.tree.leaves(eqx.filter(trees, eqx.is_array)))
        return eqx.combine(jax.tree.unflatten(self.made["structure"], leaves), self.made["static"])

    def forget(self):
        """Lets its memory go as soon as nobody else has it."""
        self.compiled.pop(self.name, None)


ENVIRONMENT = TASK.make()
EPISODES = Episodes(ENVIRONMENT)
ANGLES, SPEEDS = np.meshgrid(np.linspace(-np.pi, np.pi, 8, endpoint=False), [-4.0, 0.0, 4.0])
GRID = np.stack([np.cos(ANGLES), np.sin(ANGLES), SPEEDS], -1).reshape(-1, 3).astype(np.float32)


def start(spec):
    return spec.algorithm.init(jax.random.key(1), ENVIRONMENT.interface())


def roll(length, policy, episodes, key):
    keys = _keys(len(episodes.clock))
    memory = jax.vmap(policy.start)(keys)  # anew in each rollout
    episodes, _, trajectory, _ = collect(EPISODES, policy, episodes, memory, keys, length, key)
    return episodes, trajectory


def learn(spec, state, trajectory, key):
    return spec.algorithm.update(state, trajectory, key)


def modes(policy):
    act = lambda observation: policy((), Observation(observation), jax.random.key(0), deterministic=True)[0]
    return jax.vmap(act)(jnp.asarray(GRID))


class Group:
    """The programs of all specs that share their shapes and code."""

    def __init__(self, spec):
        self.start = Program(start, spec)
        state = eqx.filter_eval_shape(start, spec)
        state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype) if isinstance(x, jax.ShapeDtypeStruct) else x, state)
        policy = _arrays(spec.algorithm.policy(state))
        key, episodes = jax.random.key(0), _first(spec.algorithm.num_environments)
        collecting = functools.partial(roll, spec.algorithm.rollout_length)
        self.roll = Program(collecting, policy, episodes, key)
        shapes = eqx.filter_eval_shape(collecting, policy, episodes, key)[1]
        trajectory = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        self.learn = Program(learn, spec, _arrays(state), trajectory, key)
        self.modes = Program(modes, policy)

    def run(self, spec):
        """Trains one of its specs."""
        first = state = self.start(spec)
        episodes, history = _first(spec.algorithm.num_environments), []
        explained = lambda: float(np.mean([metrics["critic/explained_variance"].mean for metrics in history[-3:]]))
        for iteration in range(ROUNDS * ITERATIONS):
            if iteration and iteration % ITERATIONS == 0 and explained() > LEAST_EXPLAINED:
                break
            key = jax.random.key(2 + iteration)
            episodes, trajectory = self.roll(_arrays(spec.algorithm.policy(state)), episodes, key)
            state, metrics = self.learn(spec, _arrays(state), trajectory, key)
            history.append(metrics)
        before = dataclasses.replace(first, statistics=state.statistics)
        modes = [np.asarray(self.modes(_arrays(spec.algorithm.policy(one)))) for one in (before, state)]
        names = ("actor/gradient_norm", "critic/gradient_norm")
        squares = _second_moments(getattr(state.learner, "trained", state.learner))
        auxiliary = getattr(spec.algorithm, "auxiliary", None)
        if float(getattr(auxiliary, "weight", 1)) == 0:  # its head is there and learns nothing
            squares = {name: square for name, square in squares.items() if "prediction_head" not in name}
        return Learned(
            iterations=len(history),
            explained=explained(),
            moved=float(np.sqrt(np.mean((modes[1] - modes[0]) ** 2))),
            gradient=min(float(metrics[name].minimum) for metrics in history for name in names),
            array_gradient=min(float(np.sqrt(np.mean(square))) for square in squares.values()),
            still=tuple(name for name, square in squares.items() if not np.any(square)),
        )


def _arrays(tree):
    """Scalars of the spec become JAX arrays, as everything else that a program gets."""
    return jax.tree.map(lambda x: jnp.asarray(x) if eqx.is_array(x) else x, tree)


def _keys(number):
    return jax.random.split(jax.random.key(0), number)


@functools.cache
def _first(number):
    return jax.jit(jax.vmap(lambda key: EPISODES.reset(key, stagger=True)))(_keys(number))


def _second_moments(learner):
    """Adam's second moment of each array of actor and critic, which is 0 only if its gradient always was."""
    states = {"actor": learner.actor_optimizer, "critic": learner.critic_optimizer}
    leaves, _ = jax.tree_util.tree_flatten_with_path(states)
    named = [(jax.tree_util.keystr(path), np.asarray(leaf)) for path, leaf in leaves]
    return {name: leaf for name, leaf in named if ".nu" in name}


def arms(only=()):
    """From preset and entry to its resolved spec; entries that do not apply to a preset are left out."""
    found = {}
    for preset, build in PRESETS.items():
        base = cut(build(TASK))
        for entry in ("base", *CATALOG):
            if only and not {preset, entry, f"{preset}:{entry}"} & set(only):
                continue
            try:
                found[preset, entry] = resolve(base if entry == "base" else CATALOG[entry](base))
            except ConfigurationError as error:
                reasons = (
                    "changes nothing in",
                    "is not a path of",
                    "does not fit this base",
                    "asks a critic for the",
                    "asks how good the actions were",
                    "learns distributions over the bins",
                    "needs the same hidden layers",
                )
                assert any(reason in str(error) for reason in reasons), error
    return found


def train_all(specs, done=lambda names, learned: None):
    """What became of each arm: equal specs are trained once, those that share shapes and code by one program."""
    keys = {spec: compile_key(spec) for spec in specs.values()}
    groups, jobs, left = {}, {}, Counter(keys.values())

    def run(spec):
        learned = groups[keys[spec]].run(spec)
        done([arm for arm, other in specs.items() if other == spec], learned)
        left[keys[spec]] -= 1
        if not left[keys[spec]]:  # all these programs together are more than a process may map
            groups.pop(keys[spec]).learn.forget()
        return learned

    with ThreadPoolExecutor(2) as threads:  # XLA compiles in two while the next is traced
        for spec, key in keys.items():
            if key not in groups:
                groups[key] = Group(spec)
            jobs[spec] = threads.submit(run, spec)
        results = {arm: jobs[spec].result() for arm, spec in specs.items()}
    Program.compiled.clear()
    jax.clear_caches()
    return results


def faults(arm, learned):
    """What of a run shows that it did not learn, apart from what the arm is excused from."""
    found = {
        "explained": not learned.explained > LEAST_EXPLAINED,
        "moved": not learned.moved > 0.05,
        "gradient": not learned.gradient > 0,
        **{name: True for name in learned.still},
    }
    excused = EXCUSED.get(arm[1], set()) | EXCUSED.get(":".join(arm), set())
    return [name for name, wrong in found.items() if wrong and name not in excused]


def test_the_base_of_the_small_preset_learns():
    """The slow test of all entries in small, so that a change to what it builds on is seen at once."""
    ((arm, learned),) = train_all(arms(["reppo_small:base"])).items()
    assert not faults(arm, learned), learned


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_every_entry_learns_on_every_preset(preset):
    results = train_all(arms([preset]))
    assert len(results) > {Reppo: 60, Ppo: 30, Sac: 20, Td3: 12}[type(PRESETS[preset](TASK).algorithm)]
    wrong = {arm[1]: (faults(arm, learned), learned) for arm, learned in results.items() if faults(arm, learned)}
    assert not wrong


def row(arm, learned):
    """A line of the table."""
    gradients = f"{learned.gradient:.2e} | {learned.array_gradient:.2e}"
    numbers = f"{learned.iterations} | {learned.explained:.3f} | {learned.moved:.3f} | {gradients}"
    return f"| {arm[0]} | {arm[1]} | {numbers} | {', '.join(faults(arm, learned))} |"


if __name__ == "__main__":
    print("| preset | entry | iterations | explained variance | moved | least gradient | least of an array | faults |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    chosen = arms(sys.argv[1:])
    for preset in PRESETS:
        part = {arm: spec for arm, spec in chosen.items() if arm[0] == preset}
        train_all(part, lambda names, learned: [print(row(name, learned), flush=True) for name in names])
