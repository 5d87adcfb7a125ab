"""The compilation cache: whose it is; where its folder cannot be used, a warning says why programs are not kept."""

import errno
import fcntl
import os
import subprocess
import sys
import zlib
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from reppo.runtime import cache
from reppo.runtime.cache import ENVIRONMENT_VARIABLE, remove_damaged, use_compilation_cache
from tests.cli.calls import PLACE


@pytest.fixture(autouse=True)
def own_settings(monkeypatch):
    """JAX keeps the settings of the other tests, and seems to have no cache."""
    folder = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    with monkeypatch.context() as patched:
        patched.setattr(jax.config, "update", lambda name, value: None)
        yield
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()


def in_a_process(code, **environment):
    """What a process prints that has compiled something before it runs the code."""
    before = "import jax\njax.jit(lambda x: x + 1)(1.0)\nfrom reppo.runtime.cache import use_compilation_cache\n"
    place = {name: value for name, value in PLACE.items() if name != ENVIRONMENT_VARIABLE}
    command = [sys.executable, "-c", before + code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=place | environment).stdout


def test_programs_are_kept_also_where_jax_has_compiled_something_before(tmp_path):
    in_a_process(
        "use_compilation_cache()\n"
        "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)\n"
        "jax.jit(lambda x: x * 2)(1.0)",
        REPPO_CACHE=str(tmp_path),
    )
    assert list(tmp_path.glob("*-cache"))


@pytest.mark.parametrize("chosen", ["", "off", "another"])
def test_a_cache_that_the_user_has_set_is_left_alone_unless_another_is_named(tmp_path, chosen):
    mine, other = tmp_path / "mine", tmp_path / "another"
    wanted = {"": mine, "off": None, "another": other}[chosen]
    shown = in_a_process(
        "print(use_compilation_cache(), jax.config.jax_compilation_cache_dir)",
        JAX_COMPILATION_CACHE_DIR=str(mine),
        REPPO_CACHE=str(other) if chosen == "another" else chosen,
    )
    assert shown.split() == [str(wanted), str(wanted or mine)]


def test_the_folder_is_made_where_it_can_be(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert use_compilation_cache() == tmp_path / "reppo/compiled"
    assert (tmp_path / "reppo/compiled").is_dir()


def test_nobody_needs_a_home(monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.Path, "home", home)
    with pytest.warns(UserWarning, match=f"Could not determine home directory.*{ENVIRONMENT_VARIABLE}"):
        assert use_compilation_cache() is None


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_not_be_written_switches_it_off(tmp_path, monkeypatch, code):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    (tmp_path / "damaged-cache").write_bytes(b"x")
    opened = os.open

    def closed(path, flags, *rest, **named):
        if Path(path).parent == tmp_path and flags & os.O_CREAT:
            raise OSError(code, os.strerror(code), str(path))
        return opened(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", closed)
    with pytest.warns(UserWarning, match="Programs are compiled anew each time"):
        assert use_compilation_cache() is None
    assert (tmp_path / "damaged-cache").exists()


def test_a_folder_without_locks_switches_it_off(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.warns(UserWarning, match="No locks available"):
        assert use_compilation_cache() is None


def test_damaged_entries_that_are_anothers_are_left(tmp_path, monkeypatch):
    (tmp_path / "whole-cache").write_bytes(zlib.compress(b"program"))
    (tmp_path / "damaged-cache").write_bytes(zlib.compress(b"program")[:-3])

    def unlink(path, missing_ok=False):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(cache.Path, "unlink", unlink)
        assert remove_damaged(tmp_path) == 0
    assert remove_damaged(tmp_path) == 1 and (tmp_path / "whole-cache").exists()
