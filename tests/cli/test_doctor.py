"""The doctor: what it calls wrong, and that it is sound here."""

import re
import warnings
from pathlib import Path

import pytest

from reppo import cli
from reppo.cli import findings
from reppo.cli.findings import TESTED, bad_combinations, examine, format_finding
from reppo.gpu_check import parts

ROOT = Path(__file__).parents[2]


def test_the_tested_set_is_that_of_the_constraints():
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if match := re.fullmatch(r'([\w.-]+)==([\w.]+)(?:; python_version (<|>=) "3.12")?', line):
            name, version, side = match.groups()
            pinned.setdefault(name.lower(), {})[side] = version
    for python, side in (("3.11", "<"), ("3.12", ">="), ("3.13", ">=")):
        for name, version in findings.tested_versions(python).items():
            versions = pinned[name]
            assert versions.get(side, versions.get(None)) == version, f"{name} on Python {python}"
    assert set(TESTED["3.11"]) == {name for name, versions in pinned.items() if "<" in versions}


GOOD = findings.tested_versions("3.11")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"mujoco": "3.8.0"}, ["MJX calls into its own version"]),
        ({"mujoco": "3.10.0", "mujoco-mjx": "3.10.0"}, ["Reacher"]),
        ({"warp-lang": "1.13.0"}, ["Warp backend fails"]),
        ({"mujoco": "3.6.0", "mujoco-mjx": "3.6.0"}, ["Fish and Swimmer"]),
        ({"jaxlib": "0.11.2"}, ["is newer than jax"]),
        ({"mujoco": "", "mujoco-mjx": ""}, []),
    ],
)
def test_broken_combinations_are_known(changes, said):
    found = list(bad_combinations(GOOD | changes))
    assert len(found) == len(said) and all(text in one for text, (one, _) in zip(said, found, strict=True))
    assert all(cure.startswith("pip install") for _, cure in found)


def test_a_requirement_that_is_not_met_is_wrong_and_another_version_deserves_a_look(monkeypatch):
    real = parts.installed
    monkeypatch.setattr(parts, "installed", lambda name: {"optax": "0.1.0", "scipy": "1.16.0"}.get(name, real(name)))
    found = {finding.verdict: finding for finding in findings._versions()}
    assert found["wrong"].found.startswith("needs optax") and "0.1.0" in found["wrong"].found
    assert found["wrong"].cure.startswith("pip install 'optax")
    assert "scipy 1.16.0 (tested: 1.17.1)" in found["warning"].found and "scipy==1.17.1" in found["warning"].cure


def test_what_is_closed_or_off_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    (graphics,) = findings._suites()
    assert graphics.verdict == "warning" and "set it to egl, osmesa or glfw" in graphics.cure
    monkeypatch.setenv("REPPO_CACHE", "off")
    (cache,) = findings._cache()
    assert cache.verdict == "warning" and "as REPPO_CACHE says" in cache.found
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REPPO_CACHE", str(tmp_path / "file" / "cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (cache,) = findings._cache()
    assert cache.verdict == "warning" and "compiled anew" in cache.found and "REPPO_CACHE" in cache.cure


@pytest.mark.slow  # compiles twice
def test_training_that_does_not_repeat_itself_is_wrong_on_a_cpu(monkeypatch):
    real, made = parts.trained, []

    def unsteady(*arguments):
        states, before, after = real(*arguments)
        made.append(states)
        states.arrays.best_return[0] += len(made)
        return states, before, after

    monkeypatch.setattr(parts, "trained", unsteady)
    (repetition,) = findings._repetition()
    assert repetition.verdict == "wrong" and "differ in 1 of" in repetition.found and repetition.cure


def test_a_look_that_fails_hides_no_other(monkeypatch):
    def broken():
        raise RuntimeError("no\x1b[2J such thing")
        yield

    broken.__name__ = "_devices"
    monkeypatch.setattr(findings, "_LOOKS", (findings._python, broken, findings._precision))
    found = list(examine())
    assert [finding.what for finding in found] == ["python", "devices", "precision"]
    assert found[1].verdict == "wrong" and "\x1b" not in format_finding(found[1])
    assert cli.main(["doctor"]) == 1


def test_this_installation_is_sound(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(findings, "_LOOKS", tuple(look for look in findings._LOOKS if look is not findings._wandb))
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    for what in ("python", "versions", "combinations", "devices", "precision", "graphics", "cache", "repetition"):
        assert re.search(rf"^(ok|warning) +{what} ", said, re.MULTILINE), said
    assert "the same 5 iterations twice: the same bits" in said
