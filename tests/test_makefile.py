"""Which Python the Makefile builds its environment from."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def planned(tmp_path):
    """Says what `make` would do, given the versions of Python in `.venv` (None: there is none) and on the path."""

    def python(path, version):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {version}\n")
        path.chmod(0o755)

    def plan(existing, *arguments):
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, tmp_path)
        for version in ("3.11", "3.12"):
            python(tmp_path / "bin" / f"python{version}", version)
        python(tmp_path / "bin" / "python3", "3.11")
        if existing is not None:
            python(tmp_path / ".venv" / "bin" / "python", existing)
            for name in ("pyvenv.cfg", ".installed", ".dev"):
                (tmp_path / ".venv" / name).touch()
        done = subprocess.run(
            ["make", "-n", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={"PATH": f"{tmp_path / 'bin'}:/usr/local/bin:/usr/bin:/bin"},
            check=True,
        )
        return done.stdout.splitlines()

    return plan


@pytest.mark.parametrize(
    ("existing", "arguments", "built_by"),
    [
        (None, (), "python3"),
        (None, ("PYTHON=python3.12",), "python3.12"),
        ("3.12", ("PYTHON=python3.12",), None),
        ("3.11", ("PYTHON=python3.12",), "python3.12"),
        ("3.12", (), None),  # what is there is kept, also where python3 is another version
    ],
)
@pytest.mark.parametrize("target", ["test", "quickstart", "gpu-check", "benchmark"])
def test_the_environment_is_of_the_python_that_was_asked_for(planned, existing, arguments, built_by, target):
    lines = planned(existing, target, *arguments)
    builds = [line for line in lines if "-m venv" in line]
    assert builds == ([f"{built_by} -m venv --clear .venv"] if built_by else [])
    assert any("pip install" in line for line in lines) == bool(built_by)


def test_wheels_go_beside_the_packages_of_python(planned, tmp_path):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "some-1-py3-none-any.whl").touch()
    lines = " ".join(planned("3.11", "gpu-check", "WHEELS=wheels"))
    assert "venv" not in lines
    assert "python3 -m pip install" in lines and "--no-index" in lines and "--no-deps" in lines
    assert f"PYTHONPATH={tmp_path}:{tmp_path}/.gpu-packages python3 -m reppo.gpu_check" in lines


def test_the_algorithm_of_the_benchmark_comes_before_its_options(planned):
    usual, sac = (planned("3.11", "benchmark", "SEEDS=1 4", *more) for more in ((), ("ALGORITHM=sac",)))
    assert "-m reppo.benchmark --seeds 1 4" in " ".join(" ".join(usual).split())
    assert "-m reppo.benchmark sac --seeds 1 4" in " ".join(" ".join(sac).split())
