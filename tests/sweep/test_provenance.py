"""The commit of an experiment file, and whether the commit tells what ran."""

import subprocess

import pytest

from reppo.sweep import provenance
from reppo.sweep.provenance import git_state

UNKNOWN = {"commit": None, "dirty": None}


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def study(tmp_path):
    git(tmp_path, "init")
    file = tmp_path / "study.py"
    file.write_text("steps = 1\n")
    git(tmp_path, "add", "study.py")
    git(tmp_path, "commit", "-m", "one")
    return file


def test_a_commit_tells_what_ran_until_a_file_changes(study, monkeypatch):
    commit = git(study.parent, "rev-parse", "HEAD")
    (study.parent / "results").mkdir()
    (study.parent / "results" / "notes.txt").write_text("results are no part of it")
    assert git_state(study) == {"commit": commit, "dirty": False}
    monkeypatch.chdir(study.parent)
    assert git_state(type(study)("study.py"))["commit"] == commit
    study.write_text("steps = 2\n")
    assert git_state(study) == {"commit": commit, "dirty": True}


def test_an_experiment_file_that_git_does_not_know_is_in_no_commit(study):
    other = study.with_name("other.py")
    other.write_text("")
    assert git_state(other)["dirty"] is True


def test_without_a_repository_or_git_nothing_is_claimed(study, tmp_path, monkeypatch):
    assert git_state(None) == UNKNOWN
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path.parent / "nowhere.py") == UNKNOWN
    monkeypatch.setattr(provenance.subprocess, "run", lambda *a, **k: (_ for _ in ()).throw(FileNotFoundError()))
    assert git_state(study) == UNKNOWN
