"""Checkpoints: written whole or not at all, and damage to them is noticed."""

import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo.errors import ConfigurationError, DamagedFile
from reppo.training import Checkpoints

STATES = {"a": np.arange(3.0, dtype=np.float32), "empty": np.zeros((2, 0), np.int32), "half": jnp.ones(2, jnp.bfloat16)}


@pytest.mark.parametrize("number", [28, 30])
def test_a_checkpoint_that_cannot_be_written_says_why_and_the_one_before_stays(tmp_path, monkeypatch, number):
    checkpoints = Checkpoints(tmp_path / "states")
    checkpoints.save(1, STATES, {})

    def replace(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(ConfigurationError, match=f"Cannot write .*/2': {os.strerror(number)}.*Make"):
        checkpoints.save(2, STATES, {})
    assert checkpoints.iterations() == [1]
    assert [file.name for file in checkpoints.path.iterdir()] == ["1"]


def test_a_disk_without_room_is_seen_before_anything_is_written(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "states")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 5, 4_500_000))
    big = {"a": np.zeros(10**6, np.float32)}
    with pytest.raises(ConfigurationError, match=r"it takes 5\.0 MB, and 4\.5 MB are left on the device\. Make room"):
        checkpoints.save(1, big, {}, also=10**6)
    assert checkpoints.iterations() == []
    checkpoints.save(1, big, {})


def test_two_are_kept_and_later_ones_that_were_of_no_use_are_not(tmp_path):
    checkpoints = Checkpoints(tmp_path / "states")
    for iteration in (0, 9, 10):
        checkpoints.save(iteration, STATES, {"number": iteration})
    assert checkpoints.iterations() == [9, 10]
    assert checkpoints.about(9) == {"number": 9}
    checkpoints.save(5, STATES, {})
    assert checkpoints.iterations() == [5]


def test_those_before_the_last_one_go_only_if_all_of_it_can_be_read(tmp_path):
    checkpoints = Checkpoints(tmp_path / "states")
    for iteration in (4, 5):
        checkpoints.save(iteration, STATES, {})
    file = next(file for file in (tmp_path / "states/5/states").rglob("*") if file.is_file())
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    checkpoints.keep_only(5)
    assert checkpoints.iterations() == [4, 5]
    file.write_bytes(content)
    checkpoints.keep_only(5)
    assert checkpoints.iterations() == [5]


def test_arrays_come_back_as_they_were(tmp_path):
    checkpoints = Checkpoints(tmp_path / "states")
    checkpoints.save(3, STATES, {})
    restored = checkpoints.restore(3, jax.eval_shape(lambda: STATES))
    for name, array in STATES.items():
        assert restored[name].dtype == array.dtype
        np.testing.assert_array_equal(restored[name], array)
    with pytest.raises(ConfigurationError, match="written by another version or spec: more is missing"):
        Checkpoints(tmp_path / "states").restore(3, jax.eval_shape(lambda: {**STATES, "more": STATES["a"]}))


@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied", "removed"])
def test_damage_to_any_file_is_noticed(tmp_path, damage):
    checkpoints, like = Checkpoints(tmp_path / "states"), jax.eval_shape(lambda: STATES)
    checkpoints.save(3, STATES, {"runs": ["a", "b"]})
    assert checkpoints.about(3) == {"runs": ["a", "b"]}
    files = [file for file in (tmp_path / "states/3").rglob("*") if file.is_file()]
    assert len(files) > 5
    for file in files:
        whole = file.read_bytes()
        places = range(len(whole)) if len(whole) < 2000 and file.name == "about.json" else range(0, len(whole), 97)
        for at in places:
            changed = {"flipped": whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :], "truncated": whole[:at]}
            file.unlink() if damage == "removed" else file.write_bytes(changed.get(damage, b""))
            with pytest.raises(DamagedFile, match=file.name):
                checkpoints.restore(3, like)
            file.write_bytes(whole)
            if damage in ("emptied", "removed"):
                break
    np.testing.assert_array_equal(checkpoints.restore(3, like)["a"], STATES["a"])


@pytest.mark.parametrize("at", [0, 3, 9, 10, 50])
def test_what_is_said_of_a_checkpoint_is_not_believed_where_it_was_changed(tmp_path, at):
    checkpoints = Checkpoints(tmp_path / "states")
    checkpoints.save(3, STATES, {"runs": ["a", "b"]})
    file = tmp_path / "states/3/about.json"
    content = bytearray(file.read_bytes())
    content[at] ^= 4
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match="about.json' is not as it was written"):
        checkpoints.about(3)
