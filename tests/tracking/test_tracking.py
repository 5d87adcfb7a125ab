import io
import json
import math
import os
import threading
from pathlib import Path
from typing import final

import pytest

from reppo.tracking import (
    AbstractTracker,
    BatchStarted,
    Composite,
    Console,
    Event,
    JsonLines,
    Kept,
    NoTracker,
    RunFinished,
    SweepFinished,
    SweepStarted,
    Working,
    tracker,
)
from tests.tracking.events import START, Stream, chunk, lane, record
from tests.tracking.terminal import Terminal


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


LANES = [
    lane("base", 0, [700.0, 800.0]),
    lane("base", 1, [850.0]),
    lane("kl/no_kl", 0, [math.nan]),
    lane("kl/no_kl", 1, []),
]


def make_console(terminal: bool, clock: Clock | None = None, size: tuple[int, int] = (80, 24), **environ: str):
    stream = Stream(terminal)
    console = Console(stream, clock or Clock(), environ=environ, size=lambda: os.terminal_size(size), tick=None)
    return console, stream


def screen(stream: Stream, size: tuple[int, int] = (80, 24)) -> list[str]:
    """What a terminal shows."""
    terminal = Terminal(*size).write(stream.getvalue())
    assert not terminal.broken
    return terminal.text


def test_plain_lines():
    clock = Clock()
    console, stream = make_console(terminal=False, clock=clock)
    for event in START:
        console.receive(event)
    for seconds, number in [(10, 1), (12, 2), (14, 3)]:  # the last two come within the interval
        clock.now = seconds
        console.receive(chunk(number, LANES))
    console.receive(RunFinished(record=record()))
    fault = {"diverged_at": 70_000, "diverged_iteration": 34, "diverged_by": "critic/gradient_norm"}
    console.receive(RunFinished(record=record(arm="kl/no_kl", status="diverged", **fault)))
    clock.now = 15
    console.receive(SweepFinished())
    console.close()
    assert stream.getvalue().splitlines() == [
        "quickstart: 4 runs in 1 batch, 600k environment steps",
        "[0s] batch 1/1, CartpoleBalance, 4 runs (base, kl/no_kl)",
        "[0s] compiling CartpoleBalance",
        "[10s]  33%  CartpoleBalance 50k steps per run  51.2k steps/s  2:05 left  base 800.0, kl/no_kl -",
        "[14s] kl/no_kl, CartpoleBalance, seed 0: diverged after 70k steps (iteration 34), first not finite: "
        "critic/gradient_norm",
        "[15s] 100%  CartpoleBalance 150k steps per run  51.2k steps/s  2:05 left  base 800.0, kl/no_kl -",
        "Finished 2 runs in 15s, 1 of them diverged.",
    ]


def test_plain_lines_held_back_are_shown_when_interrupted():
    console, stream = make_console(terminal=False)
    for event in [*START, chunk(1, LANES), chunk(2, LANES)]:
        console.receive(event)
    assert "66%" not in stream.getvalue()
    console.close()
    assert stream.getvalue().splitlines()[-1].startswith("[0s]  66%")
    before = stream.getvalue()
    console.close()
    assert stream.getvalue() == before


@pytest.mark.parametrize("color", [False, True])
def test_the_live_region(color: bool):
    clock = Clock()
    console, stream = make_console(True, clock, **({} if color else {"NO_COLOR": "1"}))
    for event in START:
        console.receive(event)
    assert screen(stream) == [
        "quickstart: 4 runs in 1 batch, 600k environment steps",
        "",
        "░" * 24 + "   0%  0/600k steps",
        "batch 1/1, CartpoleBalance, 4 runs",
        "⠋ compiling, 0s",
    ]
    for number in (1, 2):
        clock.now += 10
        console.receive(chunk(number, LANES))
    console.receive(RunFinished(record=record(status="diverged", diverged_at=70_000)))
    assert screen(stream) == [
        "quickstart: 4 runs in 1 batch, 600k environment steps",
        "[20s] base, CartpoleBalance, seed 0: diverged after 70k steps",
        "",
        "█" * 16 + "░" * 8 + "  66%  400k/600k steps  51.2k steps/s  2:05 left",
        "batch 1/1, CartpoleBalance, 4 runs, evaluated at 100k steps per run",
        "⠋ compiling, 20s",
        "  arm          return     lowest    highest  runs",
        "  base          800.0      750.0      850.0  2",
        "  kl/no_kl          -          -          -  0 (1 not finite)",
    ]
    console.receive(SweepFinished())
    console.close()
    assert screen(stream) == [
        "quickstart: 4 runs in 1 batch, 600k environment steps",
        "[20s] base, CartpoleBalance, seed 0: diverged after 70k steps",
        "[20s] CartpoleBalance, 100k steps per run: base 800.0, kl/no_kl -",
        "Finished 1 run in 20s, 1 of them diverged.",
    ]
    assert ("\x1b[1m" in stream.getvalue()) == color and ("\x1b[31m" in stream.getvalue()) == color


def test_the_live_region_is_not_redrawn_all_the_time():
    clock = Clock()
    console, stream = make_console(terminal=True, clock=clock)
    for event in START:
        console.receive(event)
    before = stream.getvalue()
    console.receive(chunk(1, LANES))
    assert stream.getvalue() == before
    clock.now += 1
    console.receive(chunk(2, LANES))
    assert "66%" in stream.getvalue() and "33%" not in stream.getvalue()


def test_the_live_region_fits_the_terminal():
    clock = Clock()
    console, stream = make_console(terminal=True, clock=clock, size=(30, 10))
    arms = [f"theme/a_long_name_of_variant_{i}" for i in range(20)]
    lanes = [lane(arm, 0, [1.0]) for arm in arms]
    for event in START:
        console.receive(event)
    for number in (1, 2, 3):
        clock.now += 1
        console.receive(chunk(number, lanes, arms=arms))
    shown = screen(stream, (30, 10))
    assert shown[:2] == ["quickstart: 4 runs in 1", "  batch, 600k environment"] and shown[3] == ""
    region = shown[4:]
    assert len(region) == 8 and max(map(len, region)) <= 29
    assert region[-1] == "  and 17 more"


def test_returns_of_runs_in_several_batches_are_kept():
    clock = Clock()
    console, stream = make_console(terminal=True, clock=clock)
    for event in START:
        console.receive(event)
    for seed, value in [(0, 100.0), (1, 200.0)]:
        console.receive(START[1])
        clock.now += 1
        console.receive(chunk(1, [lane("base", seed, [value])]))
    assert screen(stream)[-1].split() == ["base", "150.0", "100.0", "200.0", "2"]


def test_a_dumb_terminal_gets_plain_lines():
    console, stream = make_console(True, TERM="dumb")
    console.receive(START[0])
    assert stream.getvalue() == "quickstart: 4 runs in 1 batch, 600k environment steps\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_an_encoding_without_the_characters_is_no_error(terminal: bool):
    stream = Stream(terminal, "ascii")
    console = Console(stream, Clock(), environ={}, size=lambda: os.terminal_size((80, 24)), tick=None)
    arms = ("größe=2",)
    console.receive(START[0])
    console.receive(BatchStarted(label="é", environment="CartpoleBalance", arms=arms, runs=1))
    console.receive(chunk(1, [lane(arms[0], 0, [math.inf, -math.inf])], arms=arms))
    console.receive(SweepFinished())
    assert stream.getvalue().isascii() and "Finished" in stream.getvalue()


def test_continuing_shows_what_was_done_before():
    console, stream = make_console(terminal=True)
    console.receive(SweepStarted(experiment="q", runs=2, steps_total=600_000, batches=1, steps_done=300_000))
    assert "300k of them done before" in stream.getvalue() and " 50%  300k/600k" in stream.getvalue()


def test_two_sweeps_one_after_the_other_leave_each_other_alone():
    console, stream = make_console(terminal=True)
    for event in [*START, SweepFinished()]:
        console.receive(event)
    first = screen(stream)
    for event in [*START, SweepFinished()]:
        console.receive(event)
    assert screen(stream) == first * 2 and len(first) == 2


def test_json_lines(tmp_path: Path):
    path = tmp_path / "new" / "events.jsonl"
    tracker = JsonLines(path, clock=lambda: 1.5)
    passing = [Working(activity="training"), Kept(steps=1)]  # of the moment alone
    for event in [*START, *passing, chunk(1, LANES), RunFinished(record=record()), SweepFinished()]:
        tracker.receive(event)
    tracker.close()
    lines = [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]
    kinds = ["sweep_started", "batch_started", "compiling", "chunk_finished", "run_finished", "sweep_finished"]
    assert [line["event"] for line in lines] == kinds
    assert {line["time"] for line in lines} == {"1970-01-01T00:00:01.500Z"}
    lanes = lines[3]["lanes"]
    assert lanes[0]["returns"] == [700.0, 800.0] and lanes[2]["returns"] == [None]
    assert lanes[0]["metrics"] == {"kl": [0.1, 0.0, None]}
    assert lines[4]["record"]["arm"] == "base" and "spec" not in lines[4]["record"]


@final
class Recorder(AbstractTracker):
    def __init__(self, fails: bool) -> None:
        self.fails, self.heard, self.closed = fails, [], 0

    def receive(self, event: Event) -> None:
        self.heard.append(event)
        if self.fails:
            raise OSError("disk full")

    def close(self) -> None:
        self.closed += 1
        if not self.fails and self.closed > 1:
            raise RuntimeError("closed twice")


def test_a_failing_tracker_is_reported_once_and_dropped():
    errors = io.StringIO()
    bad, good = Recorder(fails=True), Recorder(fails=False)
    composite = Composite([bad, NoTracker(), good], errors)
    for event in START:
        composite.receive(event)
    assert len(bad.heard) == 1 and good.heard == START
    assert errors.getvalue() == (
        "The tracker Recorder failed and is switched off for the rest of this sweep (OSError: disk full). "
        "Training goes on; results are written as before.\n"
    )
    composite.close()
    composite.close()
    assert bad.closed == 0 and good.closed == 2 and "closed twice" in errors.getvalue()
    assert len(composite.trackers) == 1


class Waiting(AbstractTracker):
    """Waits for a server, in the background."""

    background = True

    def __init__(self, fault: Exception | None = None) -> None:
        self.answered, self.heard, self.closed, self.fault = threading.Event(), [], 0, fault

    def receive(self, event: Event) -> None:
        self.answered.wait()
        self.heard.append(event)
        if self.fault is not None:
            raise self.fault

    def close(self) -> None:
        self.closed += 1


def test_nobody_waits_for_a_sink_in_the_background_and_it_hears_everything_in_order():
    waiting, other, errors = Waiting(), Recorder(fails=False), io.StringIO()
    composite = Composite([waiting, other], errors)
    for event in START:
        composite.receive(event)  # returns, although the sink does not
    assert waiting.heard == [] and other.heard == START
    waiting.answered.set()
    composite.close()
    assert waiting.heard == START and waiting.closed == 1 and errors.getvalue() == ""
    assert composite.trackers == (waiting, other)


def test_a_sink_in_the_background_that_raises_at_every_event_is_reported_once():
    waiting, other, errors = Waiting(OSError("no route to host")), Recorder(fails=False), io.StringIO()
    composite = Composite([waiting, other], errors)
    waiting.answered.set()
    for event in START * 20:
        composite.receive(event)
    composite.close()
    assert errors.getvalue().count("The tracker Waiting failed") == 1 and "no route to host" in errors.getvalue()
    assert waiting.heard == START[:1] and other.heard == START * 20


def test_the_end_of_a_sweep_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracker, "CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(tracker, "MOST_WAITING", 2)
    for events, said in ((START[:1], "not done 0 s after the end"), (START * 3, "2 events behind")):
        waiting, errors = Waiting(), io.StringIO()
        composite = Composite([waiting], errors)
        for event in events:
            composite.receive(event)
        composite.close()
        assert errors.getvalue().count("The tracker Waiting failed") == 1 and said in errors.getvalue()
        waiting.answered.set()


def test_a_closed_standard_error_is_no_error():
    errors = io.StringIO()
    errors.close()
    Composite([Recorder(fails=True)], errors).receive(START[0])


def test_an_interruption_is_not_swallowed():
    class Interrupted(AbstractTracker):
        def receive(self, event: Event) -> None:
            raise KeyboardInterrupt

        def close(self) -> None: ...

    with pytest.raises(KeyboardInterrupt):
        Composite([Interrupted()], io.StringIO()).receive(START[0])
