"""REPPO and its ablations, as typed Equinox modules.

Public names are resolved when they are first used, so that `import reppo` costs nothing; the block below is the table
of contents. Beside it stands `reppo.testing`, imported by its name, as it needs hypothesis.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reppo import (
        ablation,
        algorithms,
        analysis,
        distributions,
        environments,
        losses,
        networks,
        normalization,
        optimization,
        policies,
        presets,
        results,
        rollout,
        spec,
        sweep,
        targets,
        tracking,
        training,
    )
    from reppo.ablation import Ablation, Arm, all_ablations, designs, find_ablation, setting
    from reppo.algorithms import Reppo
    from reppo.cli.experiment import Experiment
    from reppo.component import Component, hyper, static
    from reppo.errors import ConfigurationError
    from reppo.policies import load_policy
    from reppo.spec import Evaluation, Spec, resolve
    from reppo.sweep import Rival, execute, train

__version__ = "0.1.0"

_MODULES = (
    "ablation",
    "algorithms",
    "analysis",
    "distributions",
    "environments",
    "losses",
    "networks",
    "normalization",
    "optimization",
    "policies",
    "presets",
    "results",
    "rollout",
    "spec",
    "sweep",
    "targets",
    "tracking",
    "training",
)
_NAMES = {
    "Ablation": "reppo.ablation",
    "Arm": "reppo.ablation",
    "Component": "reppo.component",
    "ConfigurationError": "reppo.errors",
    "Evaluation": "reppo.spec",
    "Experiment": "reppo.cli.experiment",
    "Reppo": "reppo.algorithms",
    "Rival": "reppo.sweep",
    "Spec": "reppo.spec",
    "all_ablations": "reppo.ablation",
    "designs": "reppo.ablation",
    "execute": "reppo.sweep",
    "find_ablation": "reppo.ablation",
    "hyper": "reppo.component",
    "load_policy": "reppo.policies",
    "resolve": "reppo.spec",
    "setting": "reppo.ablation",
    "static": "reppo.component",
    "train": "reppo.sweep",
}

__all__ = [*_MODULES, *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"reppo.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'reppo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
