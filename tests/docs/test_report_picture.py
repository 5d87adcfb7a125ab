"""The picture of a report in README and documentation is of today's quickstart."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("report_picture", ROOT / "docs" / "figures" / "report_picture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_picture_and_words_are_of_todays_quickstart(tool):
    noted = json.loads(tool.NOTE.read_text(encoding="utf-8")) if tool.NOTE.exists() else {}
    assert tool.faults(noted, tool.state()) == [], "Draw the picture anew: make picture"


@pytest.mark.parametrize("key", ["picture", "words", "runs", "changes"])
def test_each_kind_of_age_is_noticed(tool, key):
    now = {name: name for name in ("picture", "words", "runs", "changes")}
    assert tool.faults(now, now) == []
    assert len(tool.faults(now | {key: "older"}, now)) == 1


def test_words_are_those_of_the_results(tool, pendulum_results):
    text = tool.words(pendulum_results)
    assert "the quickstart, 2 seeds of 512 steps on a CPU." in text
    assert "> How well does base learn Pendulum-v1? base reaches" in text and "Few seeds" in text


def test_results_of_something_else_are_refused(tool, pendulum_results):
    with pytest.raises(SystemExit, match="does not hold today's quickstart"):
        tool.main(pendulum_results)
