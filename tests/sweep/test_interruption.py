"""Signals end a sweep within seconds, whatever it is doing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import reppo

SCRIPT = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from reppo.sweep import interruption

interruption.GRACE_SECONDS = float(sys.argv[1])
with interruption.stoppable():
    try:
        with ThreadPoolExecutor() as threads:  # as in a compilation: the main thread waits for it, even after a signal
            work = lambda: (time.sleep(0.5), print("ready", flush=True), time.sleep(float(sys.argv[2])))
            threads.submit(work).result()
    finally:
        print("in order", flush=True)
"""


POSTPONED = """
import sys, time
from reppo.sweep import interruption

interruption.GRACE_SECONDS = float(sys.argv[1])
with interruption.stoppable():
    with interruption.postponed() as must_leave:
        print("ready", flush=True)
        end = time.monotonic() + float(sys.argv[2])
        while time.monotonic() < end and not must_leave():
            time.sleep(0.05)
        print("kept" if must_leave() else "done", flush=True)
    print("went on", flush=True)
"""


def run(grace, seconds, script=SCRIPT):
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(grace), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(reppo.__file__).parent.parent,
    )
    assert process.stdout is not None
    first = b"".join(os.read(process.stdout.fileno(), 1) for _ in "ready\n")  # `communicate` knows no buffer of lines
    assert first == b"ready\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_does_not_end_is_ended(number, code):
    process = run(grace=0.5, seconds=60)
    start = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code and time.monotonic() - start < 20
    assert number.name in err and "stopping. The last checkpoint is kept" in err and out == ""


def test_a_second_signal_stops_at_once():
    process = run(grace=60, seconds=120)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    while "second signal" not in process.stderr.readline():
        pass
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    # Python calls the handlers of signals that it hears of at the same time in the order of their numbers.
    assert process.returncode in (130, 143) and time.monotonic() - start < 20


def test_what_ends_in_order_does(tmp_path):
    process = run(grace=60, seconds=2)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143 and out == "in order\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_can_be_kept_is_kept_before_the_process_leaves(number, code):
    process = run(grace=60, seconds=60, script=POSTPONED)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (code, -number) and out == "kept\n"  # one and the same to a shell
    assert f"{number.name}: stopping after a checkpoint, within seconds. A second signal" in err


HANDLED = """
import signal, sys, time
from reppo.sweep import interruption

signal.signal(signal.SIGUSR1, lambda *_: print("told", flush=True))
interruption.GRACE_SECONDS = float(sys.argv[1])
with interruption.stoppable():
    print("ready", flush=True)
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        time.sleep(0.05)
print("done", flush=True)
"""


def test_a_signal_that_somebody_else_handles_asks_for_nothing():
    process = run(grace=0.5, seconds=3, script=HANDLED)
    process.send_signal(signal.SIGUSR1)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and out == "told\ndone\n" and "stopping" not in err
    process = run(grace=60, seconds=60, script=HANDLED)
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and "SIGTERM: stopping" in err


def test_without_a_signal_work_that_can_be_kept_goes_on():
    out, _ = run(grace=60, seconds=0, script=POSTPONED).communicate(timeout=60)
    assert out == "done\nwent on\n"


def test_nothing_is_left_behind():
    from reppo.sweep.interruption import stoppable

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    descriptors = len(os.listdir("/proc/self/fd"))
    with stoppable():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    deadline = time.monotonic() + 10
    while len(os.listdir("/proc/self/fd")) > descriptors and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) == descriptors
