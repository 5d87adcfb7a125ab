"""What programs took is kept between processes, and nothing is lost but forecasts where it cannot be."""

import pytest

from reppo.runtime import timings
from reppo.runtime.timings import Timings


def test_what_is_noted_is_known_to_the_next_process(tmp_path):
    file = tmp_path / "new" / "timings.jsonl"
    one = Timings(file)
    one.note("a", seconds=3.0)
    one.note("b", bytes=[1, 2])
    one.note("a", seconds=2.0, compile_seconds=9.0)
    for known in (one, Timings(file)):
        assert known.of("a") == {"seconds": 2.0, "compile_seconds": 9.0} and known.of("b") == {"bytes": [1, 2]}
        assert known.of("c") == {} and set(known.all()) == {"a", "b"}


def test_torn_and_foreign_lines_are_left_out(tmp_path):
    file = tmp_path / "timings.jsonl"
    Timings(file).note("a", seconds=3.0)
    with file.open("a") as stream:
        stream.write('[1, 2]\n{"seconds": 1}\n{"key": "b", "sec')
    one = Timings(file)
    assert one.all() == {"a": {"seconds": 3.0}}
    one.note("b", seconds=4.0)  # beside the torn line, not behind it
    assert Timings(file).of("b") == {"seconds": 4.0}


def test_a_long_file_is_written_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(timings, "_MOST_BYTES", 1000)
    file, one = tmp_path / "timings.jsonl", Timings(tmp_path / "timings.jsonl")
    for number in range(100):
        one.note("a", seconds=float(number))
    assert file.stat().st_size > 1000
    assert Timings(file).of("a") == {"seconds": 99.0} and file.stat().st_size < 100
    assert Timings(file).of("a") == {"seconds": 99.0}


def test_what_cannot_be_kept_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    one = Timings(tmp_path / "file" / "timings.jsonl")
    one.note("a", seconds=1.0)
    assert one.of("a") == {"seconds": 1.0} and Timings(None).all() == {}
    monkeypatch.setenv("REPPO_CACHE", "off")
    Timings.of_this_machine().note("a", seconds=1.0)
    assert Timings.of_this_machine().all() == {}


@pytest.mark.parametrize("chosen", ["REPPO_CACHE", "XDG_CACHE_HOME"])
def test_it_lies_in_the_folder_of_the_cache(tmp_path, monkeypatch, chosen):
    monkeypatch.delenv("REPPO_CACHE", raising=False)
    monkeypatch.setenv(chosen, str(tmp_path))
    Timings.of_this_machine().note("a", seconds=1.0)
    place = tmp_path if chosen == "REPPO_CACHE" else tmp_path / "reppo/compiled"
    assert (place / "timings.jsonl").exists()
