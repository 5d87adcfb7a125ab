"""Policies on disk: one `.npz` file each, by path name, with the id of the spec that they belong to."""

import zipfile
from pathlib import Path
from typing import Any, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from reppo.arrays import load_arrays, read_headers, save_arrays, tree_from_paths
from reppo.environments import AbstractEnvironment, Observation
from reppo.errors import ConfigurationError, require, unknown_name
from reppo.results import RunRecord, open_run
from reppo.rollout import AbstractPolicy
from reppo.spec import Spec, from_json, spec_id

TaskAction = Float[Array, " action"] | Int[Array, ""]
"""An action in the task's own bounds; of a discrete set its number, from 0."""

WHICH = ("best", "last")
"""The policies that a run keeps: that of its best evaluation, and that of its last checkpoint."""


@final
class TrainedPolicy:
    """A policy as a function: raw observation in, action in the task's own bounds out.

    Attributes:
        policy: the policy as evaluation uses it: acts in [-1, 1], normalizes observations itself, and does not explore.
        spec: the spec that it was trained by.
        environment: the environment that it was trained in.
        record: the record of the run.
        which: `"best"` or `"last"`.
    """

    def __init__(
        self, policy: AbstractPolicy, spec: Spec, environment: AbstractEnvironment, record: RunRecord, which: str
    ) -> None:
        self.policy = policy.exploiting()
        self.spec = spec
        self.environment = environment
        self.record = record
        self.which = which
        self._expected = environment.observation_shapes().actor
        self._act = eqx.filter_jit(_act)

    def __call__(self, observation: Any, key: Key[Array, ""] | None = None) -> TaskAction:
        """Acts on one observation; use `jax.vmap` for many.

        Args:
            observation: the raw observation of the task, the actor's part where actor and critic see different ones;
                or an `Observation`; a list of numbers counts as an array.
            key: draws the action from the policy; without it the action is the policy's preferred one.

        Returns:
            The action in the task's own bounds, shape `(action,)`; of a discrete set its number, from 0, shape `()`.

        Raises:
            ConfigurationError: if the observation has other shapes than the task's, or the policy has a memory.
        """
        memory = self.start()
        require(
            not jax.tree.leaves(memory),
            "This policy remembers its episode, so it cannot act on an observation alone. Keep its memory yourself: "
            "memory = policy.start(); then action, memory = policy.act(memory, observation) at every step.",
        )
        return self.act(memory, observation, key)[0]

    def start(self, key: Key[Array, ""] | None = None) -> PyTree[Array]:
        """The policy's memory at the start of an episode; `()` for a policy without one."""
        return self.policy.start(jax.random.key(0) if key is None else key)

    def act(
        self, memory: PyTree[Array], observation: Any, key: Key[Array, ""] | None = None
    ) -> tuple[TaskAction, PyTree[Array]]:
        """Acts on one observation of an episode, and remembers it; arguments as for a call.

        Returns:
            The action in the task's own bounds, and the new memory.
        """
        seen = observation.actor if isinstance(observation, Observation) else observation
        if isinstance(seen, list):
            seen = np.asarray(seen, np.float32)
        self._check(seen)
        key, deterministic = (jax.random.key(0), True) if key is None else (key, False)
        space = self.environment.action_space
        return self._act(self.policy, space, memory, seen, key, deterministic)

    def _check(self, observation: Any) -> None:
        given = jax.tree.map(lambda leaf: np.shape(leaf), observation)
        wanted = jax.tree.map(lambda leaf: leaf.shape, self._expected)
        if given != wanted:
            raise ConfigurationError(
                f"An observation of {self.spec.environment.name} has the shape {wanted}, and this one has {given}. "
                "Give the raw observation of one environment; for many at once, use jax.vmap(policy)."
            )


def _act(
    policy: AbstractPolicy, space: Any, memory: Any, observation: Any, key: Key[Array, ""], deterministic: bool
) -> tuple[TaskAction, Any]:
    action, memory, _ = policy(memory, Observation(observation), key, deterministic)
    return space.from_unit(action), memory


def save_policy(path: Path, policy: AbstractPolicy, spec: Spec) -> None:
    """Writes a policy's parameters and observation statistics to one `.npz` file, atomically."""
    save_arrays(path, {"policy": eqx.filter(policy, eqx.is_array), "spec_id": np.array(spec_id(spec))})


def load_policy(run_folder: str | Path, which: str = "best") -> TrainedPolicy:
    """Loads a policy of a run.

    Args:
        run_folder: the folder of a run, such as `results/quickstart/runs/base/Pendulum-v1/seed0`.
        which: `"best"`, the policy of the run's best evaluation, or `"last"`, that of its last checkpoint. The best one
            is chosen by looking at returns, which are therefore biased upward for it.

    Raises:
        ConfigurationError: if it is no folder of a run, the run has saved no policy yet, its environment is none of
            this library's kind, or the policy's file was written by another spec, or is damaged. Nothing is read before
            names, shapes and spec agree.
    """
    if which not in WHICH:
        raise unknown_name("policy", which, WHICH)
    folder = open_run(run_folder)
    record = folder.read_record()
    spec = from_json(record.spec)
    path = folder.policy_path / f"{which}.npz"
    require(
        path.is_file(),
        f"The run in {str(folder.path)!r} has no {which} policy: {str(path)!r} is missing. A run writes its policies "
        "with its first checkpoint; run the experiment, or continue it.",
    )
    environment = spec.environment.make()
    require(
        isinstance(environment, AbstractEnvironment),
        f"The run in {str(folder.path)!r} was trained by a program of its own on {record.environment}, whose "
        "environment is no AbstractEnvironment: load and evaluate its policy by what trained it.",
    )
    like = eqx.filter_eval_shape(
        lambda key: spec.algorithm.policy(spec.algorithm.init(key, environment.interface())), jax.random.key(0)
    )
    arrays, static = eqx.partition(like, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    expected = {"policy": arrays, "spec_id": np.array(spec_id(spec))}
    try:
        headers, found = read_headers(path), _read_spec_id(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigurationError(
            f"The policy in {str(path)!r} cannot be read: {error}. Restore it from a copy, or repeat the run."
        ) from None
    require(
        found == spec_id(spec),
        f"The policy in {str(path)!r} was written by the spec {found}, but the record beside it describes the spec "
        f"{spec_id(spec)}. Restore the record.json that belongs to the policy, or repeat the run.",
    )
    tree_from_paths(headers, expected, str(path))
    loaded = load_arrays(path, expected)["policy"]
    return TrainedPolicy(eqx.combine(loaded, static), spec, environment, record, which)


def _read_spec_id(path: Path) -> str:
    with np.load(path, allow_pickle=False) as file:
        return str(file["spec_id"])
