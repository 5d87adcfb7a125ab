"""Progress in terminals of any width, while nothing is told, and after a resize."""

import os
import re

import pytest

from reppo.tracking import BatchStarted, Compiling, Console, Kept, Noticed, SweepEnded, SweepStarted, Working
from reppo.tracking.screen import Screen
from tests.tracking.events import START, Stream, chunk, lane
from tests.tracking.pseudo import Session
from tests.tracking.terminal import Terminal

WIDE = "報酬/無し"  # noqa: RUF001
LONG = "theme/a_name_of_a_variant_that_is_as_long_as_they_come"


class Shown:
    """A console with a clock of its own, and the terminal that it writes to."""

    def __init__(self, columns=80, rows=24, terminal=True):
        self.stream, self.now, self.terminal, self.read = Stream(terminal), 0.0, Terminal(columns, rows), 0
        self.console = Console(
            self.stream,
            clock=lambda: self.now,
            environ={"NO_COLOR": "1"},
            size=lambda: os.terminal_size((self.terminal.columns, self.terminal.rows)),
            tick=None,
        )

    def tell(self, *events, after=1.0):
        for event in events:
            self.console.receive(event)
            self.now += after
            self.update()
        return self

    def wait(self, seconds):
        for _ in range(int(2 * seconds)):
            self.now += 0.5
            self.console._tick()
            self.update()
        return self

    def update(self):
        text = self.stream.getvalue()
        self.terminal.write(text[self.read :])
        self.read = len(text)

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()


def long_sweep(arms):
    lanes = [lane(arm, seed, [float(100 * seed), 5.0]) for arm in arms for seed in range(2)]
    return [
        Working(activity="reading study.py"),
        *START,
        chunk(1, lanes, arms=arms),
        Working(activity="training", label="CartpoleBalance"),
        Noticed(text=f"A word to the reader, who may have a narrow terminal, about {arms[-1]} and other things."),
        chunk(2, lanes, arms=arms),
        Kept(steps=400_000),
    ]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120])
@pytest.mark.parametrize("arm", [WIDE, LONG])
def test_no_line_is_longer_than_the_terminal(columns, arm):
    shown = Shown(columns)
    shown.tell(*long_sweep(("base", arm)), SweepEnded(reason="interrupted"))
    shown.console.close()
    shown.update()
    # Of lasting lines single words may be longer, which a terminal breaks; nothing of the region is.
    longest = max(len(word) for word in f"CartpoleBalance {arm}".split())
    assert shown.terminal.broken == 0 or columns < longest + 2
    assert any(line.strip().startswith("base") and re.search(r"\d", line) for line in shown.terminal.text)


def test_a_narrow_terminal_shows_fewer_columns_and_whole_cells():
    heads = {}
    for columns in (25, 40, 60):
        shown = Shown(columns).tell(*long_sweep(("base", "kl/no_kl")))
        (head,) = [line for line in shown.terminal.visible if line.strip().startswith("arm")]
        (row,) = [line for line in shown.terminal.visible if re.match(r"  kl/no_kl +\d", line)]
        assert len(head.split()) == len(row.split())
        heads[columns] = head.split()
    assert heads == {
        25: ["arm", "return"],
        40: ["arm", "return", "lowest"],
        60: ["arm", "return", "lowest", "highest", "runs"],
    }


@pytest.mark.parametrize("sizes", [[(40, 24), (120, 24)], [(120, 10), (40, 8)], [(25, 24), (26, 24)]])
def test_after_a_resize_the_region_is_whole_and_lasting_lines_stay(sizes):
    shown = Shown(80).tell(*long_sweep(("base", "kl/no_kl")))
    for columns, rows in sizes:
        shown.terminal.resize(columns, rows)
        shown.wait(1.0)
        text = "\n".join(shown.terminal.text)
        assert text.count("batch 1/1") == 1 and text.count("% ") == 1 and text.count("training") == 1
        joined = re.sub(r"\s+", "", text)  # the terminal itself has broken what was wider
        assert "quickstart:4runsin1batch,600kenvironmentsteps" in joined and "Awordtothereader" in joined


def test_what_others_print_stands_above_the_region():
    shown = Shown().tell(*long_sweep(("base", "kl/no_kl")))
    shown.stream.write("/a/file.py:3: UserWarning: something\n")
    shown.wait(1.0)
    shown.stream.write("^C")
    shown.wait(1.0)
    lines = shown.terminal.text
    assert lines.count("/a/file.py:3: UserWarning: something") == 1
    assert sum("steps per run" in line for line in lines) == 1 and not any("^C" in line for line in lines)


def test_something_moves_while_nothing_is_told():
    shown = Shown().tell(Working(activity="reading study.py"))
    seen = []
    for activity in (Working(activity="planning"), *START, Working(activity="training", label="CartpoleBalance")):
        shown.tell(activity)
        for _ in range(4):
            shown.wait(0.5)
            seen.append(shown.terminal.visible)
    assert all(before != after for before, after in zip(seen, seen[1:], strict=False))
    assert any("planning, 2s" in line for line in seen[2])


def test_a_compilation_is_named_by_its_own_batch_and_by_how_long_it_took_last_time():
    shown = Shown().tell(SweepStarted(experiment="q", runs=4, steps_total=600, batches=2))
    shown.tell(Compiling(label="Pendulum base", usual_seconds=31.2))
    assert shown.terminal.visible[-1] == "⠋ compiling Pendulum base, 0s (31s last time)"
    shown.tell(BatchStarted(label="Pendulum base", environment="Pendulum", arms=["base"], runs=2))
    shown.tell(chunk(1, [lane("base", 0, [1.0])], environment="Pendulum"))
    shown.tell(Working(activity="preparing", label="Pendulum no_kl"), Compiling(label="Pendulum no_kl"))
    assert shown.terminal.visible[-1] == "⠋ compiling Pendulum no_kl, 0s"
    assert not any("batch 1/2" in line for line in shown.terminal.visible)


def test_what_is_unknown_is_left_out():
    for terminal in (True, False):
        shown = Shown(terminal=terminal).tell(*START, chunk(0, [], steps_per_second=0.0, seconds_left=None))
        shown.wait(1.0)
        assert "steps/s" not in shown.stream.getvalue() and "?" not in shown.stream.getvalue()


def test_without_a_terminal_lines_say_what_takes_long():
    shown = Shown(terminal=False).tell(Working(activity="reading study.py"), after=0.0).wait(3.0)
    assert shown.lines == []
    shown.wait(5.0).tell(START[0], after=0.0).tell(Working(activity="tracing", label="a"), after=0.0).wait(1.0)
    shown.tell(Compiling(label="a", usual_seconds=50.0), after=0.0).wait(70)
    shown.tell(BatchStarted(label="a", environment="T", arms=["base"], runs=1), after=0.0)
    for _ in range(20):  # pieces of training are one activity
        shown.tell(Working(activity="training", label="a"), Working(activity="saving", label="a"), after=1.0)
    shown.tell(Working(activity="training", label="a"), after=0.0).wait(40)
    assert shown.lines == [
        "[5s] reading study.py",
        "quickstart: 4 runs in 1 batch, 600k environment steps",
        "[1s] compiling a, 50s last time",
        "[31s] compiling a, for 30s now",
        "[1:01] compiling a, for 1:00 now",
        "[1:11] batch 1/1, a, 1 run (base)",
        "[1:52] training a",
        "[2:22] training a, for 32s now",
    ]


def test_a_stop_says_how_much_is_kept():
    for terminal in (True, False):
        shown = Shown(terminal=terminal).tell(*long_sweep(("base",)), after=0.0)
        assert shown.console.kept == "400k of 600k steps kept"
        shown.tell(SweepEnded(reason="interrupted"))
        shown.console.close()
        shown.update()
        text = shown.terminal.text if terminal else shown.lines
        assert "[0s] stopped: 400k of 600k steps kept" in text
        assert shown.console.kept == ""


def test_a_terminal_that_is_gone_ends_the_thread_alone():
    class Gone(Stream):
        def write(self, text):
            raise OSError("gone")

    with pytest.raises(OSError):
        Console(Gone(True), environ={}, tick=None).working("x")
    screen = Screen(Gone(False))
    assert screen.size.columns >= 1  # of what has no size of its own


SWEEP = """
import time
from reppo.tracking import Console, SweepEnded, SweepFinished, Working
from tests.tracking.events import START, chunk, lane

console = Console()
console.working("reading study.py")
time.sleep(2.2)
for event in START:
    console.receive(event)
time.sleep(2.2)  # a compilation
lanes = [lane(arm, 0, [1.0]) for arm in ("base", "kl/no_kl")]
for number in (1, 2, 3):
    console.receive(chunk(number, lanes))
    console.receive(Working(activity="training", label="CartpoleBalance"))
    time.sleep(1.2)
console.receive(SweepFinished())
console.close()
"""


@pytest.mark.parametrize(("columns", "sizes"), [(120, {6: (40, 24), 14: (80, 12)}), (40, {5: (60, 24), 12: (120, 24)})])
def test_in_a_real_terminal_that_is_resized_no_line_breaks_and_something_always_moves(columns, sizes):
    session = Session(SWEEP, sizes, columns)
    assert session.code == 0 and session.terminal.columns == list(sizes.values())[-1][0]
    assert session.longest < 3.0
    assert session.said("reading study.py, 1s") and session.said("compiling, 2s") and session.said("training")
    assert session.terminal.broken == 0
    text = session.terminal.text
    assert text[-1] == "Finished 0 runs in 6s." or re.fullmatch(r"Finished 0 runs in \d+s\.", text[-1])
    assert not any("reading" in line or "compiling" in line or "% " in line for line in text)
