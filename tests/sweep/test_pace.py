import pytest

from reppo.sweep import pace
from reppo.sweep.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now[0])
    return now


@pytest.mark.parametrize("seconds", [1e-6, 0.3, 2.0, 25.0])
def test_pieces_grow_to_a_few_seconds_and_never_beyond_what_is_left(seconds):
    one, done = Pace(), []
    for _ in range(12):
        piece = one.piece(10**6)
        one.took(piece, piece * seconds)
        done.append(piece)
    assert done[0] == 1 and all(a <= b <= 8 * a for a, b in zip(done, done[1:], strict=False))
    assert piece * seconds <= max(pace.PIECE_SECONDS, seconds)
    assert (piece + 1) * seconds > pace.PIECE_SECONDS or piece == 10**6
    assert one.piece(1) == 1 and one.piece(0) == 0


def test_a_piece_that_took_longer_than_expected_is_followed_by_a_smaller_one():
    one = Pace()
    one.took(1, 0.1)
    assert one.piece(100) == 8
    one.took(8, 80.0)
    assert one.piece(100) == 1


@pytest.mark.parametrize(("cost", "pause"), [(0.0, 15.0), (0.5, 15.0), (1.0, 25.0), (60.0, 40.0)])
def test_saving_takes_little_of_the_time_and_loses_a_minute_at_most(clock, cost, pause):
    one = Pace()
    clock[0] = 15.1
    assert one.must_save
    one.saved(cost)
    clock[0] += pause - 0.1
    assert not one.must_save
    clock[0] += 0.2
    assert one.must_save
