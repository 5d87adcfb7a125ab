"""Playground as a package: imported, mended where two of its parts disagree, and told what a spec asks for."""

import contextlib
import importlib.util
import os
import pathlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import jax

from reppo.environments.contract import Settings
from reppo.errors import ConfigurationError, require, unknown_name

BACKENDS = ("auto", "jax", "warp")
"""What may be asked for."""

MENAGERIE_VARIABLE = "REPPO_MENAGERIE"
"""The environment variable that names a local copy of the robots' models."""


def import_playground() -> tuple[Any, Any]:
    """Playground's registry, and its module of environments.

    Raises:
        ConfigurationError: if it cannot be imported.
    """
    with warnings.catch_warnings(), _import_without_graphics():
        # Playground imports Brax, and Brax JAXopt, which announces its own end.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            from mujoco_playground import registry
            from mujoco_playground._src import mjx_env
        except ImportError as error:
            raise ConfigurationError(
                f"MuJoCo Playground cannot be imported here: {error}. Install what is missing; what this library was "
                "tested with is in its constraints.txt."
            ) from error

    return registry, mjx_env


@contextlib.contextmanager
def _import_without_graphics() -> Iterator[None]:
    """MuJoCo fails to import where the graphics library is missing that `MUJOCO_GL` names, and training needs none.

    That library is therefore loaded afterwards, where it is there; where not, rendering says so.
    """
    if "mujoco" in sys.modules:
        yield
        return
    chosen = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disabled"
    try:
        yield
    finally:
        os.environ.pop("MUJOCO_GL") if chosen is None else os.environ.update(MUJOCO_GL=chosen)
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of GLFW, where there is no display
        import mujoco
        from mujoco.rendering.classic import gl_context

        mujoco.GLContext = importlib.reload(gl_context).GLContext


def compare_tiles_by_value() -> None:
    """Lets two models of Warp of one structure be compared, as every cache of compiled programs does.

    MJX 3.8 compares the arrays of their tiles by `==`, which has no truth value: the second model of a task in one
    process then fails.
    """
    from mujoco.mjx.warp import types

    content = lambda tiles: (tiles.size, tiles.adr.shape, tiles.adr.tobytes())
    types.TileSet.__eq__ = lambda self, other: type(self) is type(other) and content(self) == content(other)
    types.TileSet.__hash__ = lambda self: hash(content(self))


def quiet_warp() -> None:
    """Keeps Warp from telling on the standard output what it loads, where commands print JSON."""
    import warp

    warp.config.quiet = True


def keep_kernels_of_contacts() -> None:
    """Lets Warp make its kernels of contacts once.

    Those of MJX 3.8 are made anew wherever they are launched: on a CPU in every step of the simulation, which then
    takes five times as long, and none of them is ever given back.
    """
    from mujoco.mjx.third_party.mujoco_warp._src import constraint, warp_util

    for name in ("init", "jac_sparse", "jac_dense", "update"):
        make = getattr(constraint, f"_efc_contact_{name}", None)
        if make is not None and not hasattr(make, "__wrapped__"):
            setattr(constraint, f"_efc_contact_{name}", warp_util.cache_kernel(make))


def resolve_backend(backend: str) -> str:
    """The physics that a spec's backend stands for here: `"jax"` or `"warp"`.

    Raises:
        ConfigurationError: if Warp is asked for and not installed.
    """
    warp_is_installed = importlib.util.find_spec("warp") is not None
    if backend == "warp":
        require(warp_is_installed, "The Warp backend needs the package warp-lang: install it, or choose backend='jax'.")
    if backend != "auto":
        return backend
    on_nvidia = jax.default_backend() == "gpu" and "cuda" in jax.devices()[0].client.platform_version.lower()
    return "warp" if on_nvidia and warp_is_installed else "jax"


def find_robots(task: str, mjx_env: Any) -> None:
    """Points Playground to the robots' models, which it would otherwise fetch from the network while loading."""
    wanted = os.environ.get(MENAGERIE_VARIABLE)
    folder = pathlib.Path(wanted) if wanted else pathlib.Path(str(mjx_env.MENAGERIE_PATH))
    if not folder.is_dir() or not any(folder.iterdir()):
        where = f"{MENAGERIE_VARIABLE} names {wanted!r}, where there are none" if wanted else "they are not installed"
        raise ConfigurationError(
            f"The Playground task {task!r} needs the robots' models of mujoco_menagerie, and {where}. Get them "
            "with `git clone https://github.com/google-deepmind/mujoco_menagerie`, check out the commit "
            f"{mjx_env.MENAGERIE_COMMIT_SHA}, and set the environment variable {MENAGERIE_VARIABLE} to that folder."
        )
    if wanted:
        mjx_env.MENAGERIE_PATH = type(mjx_env.MENAGERIE_PATH)(folder)


def read_settings(task: str, changed: Settings, config: Any) -> dict[str, Any]:
    """The changed settings, in the types that the task's configuration wants."""
    defaults = dict(_flatten(config.to_dict()))
    overrides: dict[str, Any] = {}
    for key, value in changed:
        if key not in defaults:
            raise unknown_name(f"setting of {task}", key, defaults)
        value = list(value) if isinstance(defaults[key], list) else value
        try:
            config.copy_and_resolve_references().update_from_flattened_dict({key: value})
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"The setting {key!r} of {task} is {value!r} of type {type(value).__name__}; "
                f"give one of type {type(defaults[key]).__name__}, such as its default {defaults[key]!r}."
            ) from error
        overrides[key] = value
    return overrides


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
