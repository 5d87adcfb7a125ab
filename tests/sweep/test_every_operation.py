"""Stopped at any operation on files, or with any file damaged, a sweep ends with the same results."""

# ruff: noqa: F811 (fixtures are imported)

import random
import re
import shutil

import pytest

from ablations import kl
from reppo.ablation import setting
from reppo.errors import ConfigurationError
from reppo.sweep import execute
from reppo.tracking import NoTracker
from tests.sweep.resuming import (  # noqa: F401
    SMALL,
    checkpoints,
    contents,
    declare,
    operations,
    programs,
    results,
    run_again,
    stop_at,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a small sweep."""
    path = tmp_path_factory.mktemp("folder") / "small"
    execute(declare(**SMALL), path, NoTracker())
    return path


def check_stop(path, at, full, expected, settings=SMALL):
    done = stop_at(path, at, full, **settings)
    assert len(done) > at
    run_again(path, **settings)
    assert contents(path) == expected, f"stopped at operation {at}, {done[at]}"
    assert run_again(path, **settings).chunks == 0
    return done[at]


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True], ids=["killed", "disk full"])
def test_stopped_at_chosen_operations_the_results_are_the_same(operations, tmp_path, full):
    done, expected = operations
    # Of the last of each kind: right before it, or where no room is left for what precedes it.
    for word in ("4", "best.npz", "record.json"):
        at = max(number for number, other in enumerate(done) if other == f"os.rename {word}")
        check_stop(tmp_path / word / "small", at - 2 * full, full, expected)
    for word in ("write evaluations.csv", "write metrics.csv", "write about.json", "write .saving.tmp"):
        at = max(number for number, other in enumerate(done) if other == word)
        check_stop(tmp_path / word / "small", at, full, expected)


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file):
    file.write_bytes(b"")


def remove(file):
    file.unlink()


def check_damage(whole, path, name, damage, expected):
    """Damages a file, and runs again: the same results, or a refusal that names the file and a cure, which is tried."""
    shutil.copytree(whole, path)
    damage(path / name)
    try:
        run_again(path, **SMALL)
    except ConfigurationError as error:
        assert name in str(error) and ("remove the folder" in str(error) or "what it describes" in str(error)), error
        shutil.rmtree(path)
        run_again(path, **SMALL)
    assert contents(path) == expected, name
    shutil.rmtree(path)


def files_of(path):
    """All files of a folder of results, by the kind that they are of."""
    names = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file() and file.stat().st_size)
    kinds = {}
    for name in names:
        kinds.setdefault(re.sub(r"\d+|[0-9a-f]{16,}", "0", name), []).append(name)
    return kinds


def test_without_any_kind_of_file_the_results_are_the_same(operations, whole, tmp_path):
    kinds = files_of(whole)
    assert len(kinds) > 10
    for names in kinds.values():
        check_damage(whole, tmp_path / "small", names[-1], remove, operations[1])


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncate, empty, remove])
def test_after_damage_to_any_file_the_results_are_the_same(operations, whole, tmp_path, damage):
    for names in files_of(whole).values():
        for name in names:
            check_damage(whole, tmp_path / "small", name, damage, operations[1])


SWEEP = {"arms": [setting("kl_bound", 0.2), kl.no_kl], "seeds": range(4), "steps": 128 * 4}
"""Three arms and four seeds, in six batches of two programs, each with checkpoints at 0, 2 and 4 iterations."""


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True], ids=["killed", "disk full"])
def test_stopped_at_any_operation_the_results_are_the_same(tmp_path, full):
    """The last operation of each kind, on each kind of file, and 20 random ones."""
    done = stop_at(tmp_path / "whole" / "small", None, **SWEEP)
    expected = contents(tmp_path / "whole" / "small")
    assert len(expected) == 12
    kinds = {re.sub(r"\d+", "0", word): number for number, word in enumerate(done)}
    chosen = sorted({*kinds.values(), *random.Random(0).sample(range(len(done)), 20)})
    for at in chosen:
        word = check_stop(tmp_path / str(at) / "small", at, full, expected, SWEEP)
        print(f"{'disk full' if full else 'killed'} at operation {at} of {len(done)}, {word}: the same", flush=True)
        shutil.rmtree(tmp_path / str(at))
