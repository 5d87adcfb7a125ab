import errno
import fcntl
import json
import os
import subprocess
import sys
import threading

import pytest

from reppo.errors import ConfigurationError
from reppo.results.lock import HOLDER, Held, holding, is_held, only_process, read_holder

HOLD = """
import sys
from pathlib import Path
from reppo.results.lock import only_process
with only_process(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_and_told_who_holds_the_folder(holder, tmp_path):
    with pytest.raises(
        ConfigurationError, match=rf"Another process is writing to .*: process {holder.pid} on .*, since"
    ):
        with only_process(tmp_path):
            pass
    (tmp_path / HOLDER).write_text("torn")
    with pytest.raises(ConfigurationError, match="it has not said which one it is"):
        with only_process(tmp_path):
            pass


def test_a_kill_releases_the_folder(holder, tmp_path):
    holder.kill()
    holder.wait()
    with only_process(tmp_path):
        assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()
    assert not (tmp_path / HOLDER).exists()


def test_who_holds_what_can_be_asked(holder, tmp_path):
    assert is_held(tmp_path) and not is_held(tmp_path, ".other") and not is_held(tmp_path / "none")
    assert read_holder(tmp_path)["pid"] == holder.pid
    holder.kill()
    holder.wait()
    assert not is_held(tmp_path)


def test_what_is_held_can_be_waited_for(holder, tmp_path):
    threading.Timer(0.5, holder.kill).start()
    with pytest.raises(Held):
        with holding(tmp_path, seconds=0.1):
            pass
    with holding(tmp_path, seconds=30.0) as locks:
        assert locks


def test_one_process_may_come_again_and_an_error_inside_is_passed_on(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            with only_process(tmp_path / "new" / "folder"):
                1 / 0  # noqa: B018


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_works_with_a_warning(code, tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.warns(UserWarning, match=r"has no locks.*Run one at a time"):
        with only_process(tmp_path):
            assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()
    with pytest.warns(UserWarning, match="has no locks"), only_process(tmp_path):  # nothing was left in the way
        pass


def test_a_folder_that_may_not_be_locked_is_refused(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ConfigurationError, match="Cannot write to .*Input/output error. Choose another folder"):
        with only_process(tmp_path):
            pass
