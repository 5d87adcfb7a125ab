"""Values that are written short."""

import pytest

from reppo import cli
from reppo.cli import options


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("1_000", 1000), ("500k", 500_000), ("2.5M", 2_500_000), ("1e6", 10**6), ("-3", -3), ("1.5k", 1500)],
)
def test_counts_may_be_written_short(text, number):
    assert options.count(text) == number


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("3", [0, 1, 2]), ("1", [0]), ("3,", [3]), ("3-3", [3]), ("0-4", [0, 1, 2, 3, 4]), ("3,5", [3, 5]),
        ("0-2, 7", [0, 1, 2, 7]), ("08,", [8]),
    ],
)  # fmt: skip
def test_seeds_are_how_many_or_which(text, seeds):
    assert cli.build_parser().parse_args(["run", "study.py", "--seeds", text]).seeds == seeds


def test_names_may_hold_commas():
    known = ["Pendulum-v1@dt=0.02,g=9.8", "Pendulum-v1", "kl=SampledKL(num_samples=4, low=1)", "a"]
    given = options.names("a, kl=SampledKL(num_samples=4, low=1),Pendulum-v1@dt=0.02,g=9.8,Pendulum-v1,b,c")
    assert options.joined(given, known) == ["a", known[2], known[0], "Pendulum-v1", "b", "c"]
    assert options.joined([], known) == [] and options.joined(None, known) is None
