"""What commands show in a terminal, from their first moment on."""

import fcntl
import os
import pty
import struct
import termios

import pytest

from reppo.cli.terminal import columns, fitted, working
from tests.tracking.pseudo import Session

STUDY = """
from reppo import Experiment, environments
from reppo.ablations import kl, value
from tests.tiny import tiny_preset

experiment = Experiment(
    name="own", base=tiny_preset, environments=[environments.probe("BestAction")], arms=[kl.no_kl, value.mse],
    seeds=range(2), steps=128 * 4,
)
"""
RUN = """
from reppo.cli import main

raise SystemExit(main(["run", "study.py", "--out", "out"]))
"""


def test_texts_are_as_wide_as_a_terminal_and_as_they_are_elsewhere(tmp_path):
    text = "A fault of the input, in one paragraph that names it.\n\x1b[2J in 'a file with a long name'"
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        assert columns(stream) is None or columns(stream)  # a terminal whose size nobody has set has none
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
        assert columns(stream) == 30
        lines = fitted(text, stream).split("\n")
        assert len(lines) == 4 and max(map(len, lines)) <= 30 and "\\x1b[2J" in lines[2]
    os.close(master)
    with open(tmp_path / "log", "w") as log:
        for other in (None, log):
            assert columns(other) is None and fitted(text, other) == text.replace("\x1b", "\\x1b")


def test_nothing_is_said_where_there_is_no_terminal(capsys):
    with working("planning"):
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow  # compiles two programs of the library
@pytest.mark.parametrize("width", [120, 40])
def test_a_run_in_a_real_terminal_always_moves_and_breaks_no_line(tmp_path, monkeypatch, width):
    monkeypatch.setenv("REPPO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "study.py").write_text(STUDY)
    session = Session(RUN, {8: (40, 24), 20: (100, 30)}, columns=width, cwd=tmp_path)
    shown = "\n".join(session.terminal.text)
    print(f"first after {session.first:.1f} s, longest {session.longest:.1f} s\n{shown}")
    assert session.code == 0, shown
    for activity in ("reading study.py", "loading tasks", "tracing", "compiling .*BestAction", "writing the report"):
        assert session.said(activity), activity
    assert session.terminal.broken == 0
    assert session.first < 2.0 and session.longest < 3.0
