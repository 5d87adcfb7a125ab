"""Looking again after adding seeds: one level for all looks, and no more than it takes."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from reppo.analysis import found_at, next_look, sign_flip_test
from reppo.cli import main
from reppo.errors import ConfigurationError
from reppo.results import load_results
from tests.analysis.synthetic import make_results


def first(*sizes: int, of: int) -> list[list[bool]]:
    return [[k < size for k in range(of)] for size in sizes]


def slow(values: list[float], sizes: list[int], planned: int, level: float) -> int | None:
    """The same by trying all signs, one after another."""
    signs = list(itertools.product((1, -1), repeat=len(values)))
    size = lambda one, count: round(abs(sum(s * v for s, v in zip(one[:count], values, strict=False)) / count), 9)
    gone: set[tuple[int, ...]] = set()
    for i, count in enumerate(sizes):
        left = sorted((one for one in signs if one not in gone), key=lambda one: -size(one, count))
        allowed = int(level * (i + 1) / planned * len(signs) + 1e-9) - len(gone)
        gone |= {one for one in left if size(one, count) > size(left[allowed], count)}
        if signs[0] in gone:
            return i + 1
    return None


@pytest.mark.parametrize("seed", range(30))
def test_it_finds_what_trying_all_signs_finds(seed: int):
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.choice([0, 1, 2]), 1, 9).round(int(rng.integers(0, 3)))  # some are tied
    found = found_at(values, first(5, 7, 9, of=9), 3, 0.1)
    assert found == slow(values.tolist(), [5, 7, 9], 3, 0.1)


def test_looks_hold_their_level_together_and_cost_less_than_a_level_that_is_divided():
    rng = np.random.default_rng(0)
    sizes, sims = (4, 8, 12), 400

    def shares(effect: float) -> tuple[float, float, float]:
        hits = np.zeros(3)
        for own in rng.standard_normal((sims, 12)) + effect:
            p = [sign_flip_test(own[:size]).p for size in sizes]
            hits += found_at(own, first(*sizes, of=12), 3) is not None, min(p) <= 0.05 / 3, min(p) < 0.05
        return tuple(hits / sims)

    together, divided, naive = shares(0.0)
    assert together < 0.05 + 3 * (0.05 * 0.95 / sims) ** 0.5 < 0.09 and divided <= together <= naive
    together, divided, _ = shares(0.9)
    assert together > divided + 0.05


def test_pairs_beyond_those_that_can_be_enumerated_and_several_tasks():
    rng = np.random.default_rng(1)
    values = rng.normal(0.9, 1, (2, 20))
    assert found_at(values, first(10, 20, of=20), 2) in (1, 2)
    assert found_at(values - values.mean(), first(10, 20, of=20), 2) is None
    assert found_at(np.zeros((1, 6)), first(6, of=6), 2) is None
    assert found_at([[1, 2, 3, np.nan, 4, 5, 6, 7, 8]], first(9, of=9), 1) == 1


def test_a_study_is_looked_at_again_until_it_says_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arms = {"base": 0.8, "kl/no_kl": 0.3, "value/mse": 0.78}
    folder = make_results(tmp_path / "r", arms, ["CheetahRun"], 4)
    look = lambda **settings: next_look(folder, load_results(folder), 0.03, **{"looks": 3, **settings})
    table = look()
    assert table["verdict"] == ["not shown"] * 2 and table.title == "Look 1 of 3"
    more = int(table.notes[0].removeprefix("Go on: add ").split()[0])
    assert table.notes[0].endswith(f"to {4 + more}, and look again (2 left).")
    before = (folder / "looks.json").read_text()
    assert str(look()) == str(table) and (folder / "looks.json").read_text() == before  # no new seeds, no new look
    make_results(folder, arms, ["CheetahRun"], 9)
    assert main(["power", str(folder), "--effect", "0.03", "--looks", "3", "--continue"]) == 0
    shown = capsys.readouterr().out
    assert "Look 2 of 3" in shown and "worse" in shown
    assert json.loads((folder / "looks.json").read_text())["found"] == {"kl/no_kl": 2}
    make_results(folder, arms, ["CheetahRun"], 12)
    last = look()
    assert last["found_at_look"] == [2, None] and last.notes[0].startswith("Stop: all looks are taken")
    make_results(folder, arms, ["CheetahRun"], 13)
    with pytest.raises(ConfigurationError, match="All 3 looks are taken"):
        look()
    with pytest.raises(ConfigurationError, match="were taken with looks 3: a level holds for one plan"):
        look(looks=4)
    with pytest.raises(ConfigurationError, match="The number of looks is 1; give at least 2"):
        look(looks=1)


def test_a_look_that_could_have_found_the_effect_says_stop_and_others_are_refused(tmp_path: Path):
    folder = make_results(tmp_path / "r", {"base": 0.8, "a": 0.8}, ["CheetahRun"], 12)
    assert next_look(folder, load_results(folder), 0.5, looks=2).notes[0].startswith("Stop: a difference of 0.5 would")
    gone = [run for run in load_results(folder) if run.record.seed != 3]
    with pytest.raises(ConfigurationError, match="used the seeds 3, which are gone"):
        next_look(folder, gone, 0.5, looks=2)
    for name, seeds, unfinished, message in (
        ("one", 1, [], "A look needs two seeds of each arm and the base; a has fewer"),
        ("running", 3, [("a", "CheetahRun", 0)], "1 of 6 runs are not done"),
    ):
        other = make_results(tmp_path / name, {"base": 0.8, "a": 0.8}, ["CheetahRun"], seeds, unfinished=unfinished)
        with pytest.raises(ConfigurationError, match=message):
            next_look(other, load_results(other), 0.5, looks=2)
        assert not (other / "looks.json").exists()
