"""What tests replace in the making of reports."""

import sys
from types import ModuleType
from typing import Any

import pytest

import reppo.analysis.report
from reppo.analysis import Picture, figures


def used(name: str) -> list[ModuleType]:
    """The modules of the report that use a name."""
    prefix = reppo.analysis.report.__name__
    modules = [module for key, module in sys.modules.items() if key == prefix or key.startswith(f"{prefix}.")]
    found = [module for module in modules if name in vars(module)]
    assert found, f"no module of the report uses {name}"
    return found


def original(name: str) -> Any:
    """What the report has under a name."""
    return getattr(used(name)[0], name)


def plant(patch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    """Replaces a name wherever the report uses it."""
    for module in used(name):
        patch.setattr(module, name, value)


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Reports are made without figures."""
    for name in [name for name in vars(figures) if name.startswith("plot_")]:
        patch.setattr(figures, name, lambda *_, **__: Picture(None, "", ""))
