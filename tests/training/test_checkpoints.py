"""Checkpoints that cannot be written."""

import shutil

import numpy as np
import pytest

from reppo.errors import ConfigurationError
from reppo.training import Checkpoints

FULL = "RESOURCE_EXHAUSTED: Error writing \"a\": Failed to write 9 bytes: No space left on device [os_error_code='28']"


@pytest.mark.parametrize(
    ("error", "message"),
    [(ValueError(FULL), "no space is left on the device"), (OSError(30, "Read-only file system"), "Read-only file")],
)
def test_a_checkpoint_that_cannot_be_written_says_why_and_the_one_before_stays(tmp_path, monkeypatch, error, message):
    checkpoints = Checkpoints(tmp_path / "states")
    states = {"a": np.arange(3.0, dtype=np.float32)}
    checkpoints.save(1, states)

    def save(*arguments, **keywords):
        raise error

    monkeypatch.setattr(checkpoints._manager, "save", save)
    with pytest.raises(ConfigurationError, match=f"Cannot write a checkpoint to .*states': .*{message}.*Make room"):
        checkpoints.save(2, states)
    assert checkpoints.latest() == 1
    checkpoints.close()


def test_a_disk_without_room_is_seen_before_anything_is_written(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "states")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 5, 5))
    monkeypatch.setattr(checkpoints._manager, "save", None)
    with pytest.raises(ConfigurationError, match=r"it takes 4\.0 MB, and 0\.0 MB are left on the device\. Make room"):
        checkpoints.save(1, {"a": np.zeros(10**6, np.float32)})
    checkpoints.close()
