import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reppo.errors import ConfigurationError
from reppo.results import folder_name
from reppo.results.formatting import human_count, human_seconds, natural_order


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("base", "base"),
        ("kl/no_kl", "kl.no_kl"),
        ("kl/no_kl+value/mse", "kl.no_kl+value.mse"),
        ("gamma=0.9", "gamma=0.9"),
        ("algorithm.gamma=0.9", "algorithm%2Egamma=0.9"),
        ("a b", "a%20b"),
        ("..", "%2E%2E"),
        ("/etc", "%2Fetc"),
    ],
)
def test_folder_names_are_readable(name: str, folder: str):
    assert folder_name(name) == folder


names = st.text("aB01./%~ é+=_", min_size=1, max_size=8) | st.text(min_size=1, max_size=300)


@given(names, names)
@example("a/b", "a.b")
@example("0/1", "0.1")
@example(" .5", " /5")
@example("%2F", "/")
@example("x" * 300, "x" * 299 + "y")
def test_folder_names_are_unique_and_safe(first: str, second: str):
    assert (folder_name(first) == folder_name(second)) == (first == second)
    folder = folder_name(first)
    assert not set(folder) & set('/\\:*?"<>| ') and folder.isascii() and len(folder) <= 200
    assert folder[0] != "." and folder[-1] != "."


def test_an_empty_name_is_refused():
    with pytest.raises(ConfigurationError, match="A name is empty"):
        folder_name("")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"), (7, "7"), (950, "950"), (999.6, "1k"), (50_000, "50k"), (999_499, "999k"), (999_999, "1M"),
        (1_250_000, "1.25M"), (-2_500, "-2.5k"), (3e9, "3B"), (5e12, "5000B"), (0.5, "0.5"), (float("nan"), "?"),
    ],
)  # fmt: skip
def test_counts(count: float, text: str):
    assert human_count(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0s"), (59.4, "59s"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05"), (273_600, "3d 4h"), (None, "?")],
)
def test_durations(seconds: float | None, text: str):
    assert human_seconds(seconds) == text


def test_settings_are_in_the_order_of_their_numbers():
    right = ["lr=-2", "lr=-1.5", "lr=3e-05", "lr=1e-4", "lr=0.003", "lr=1", "lr=10", "lr=1e5"]
    assert sorted(sorted(right), key=natural_order) == right
    assert sorted(["T-2", "T-10", "T-1"], key=natural_order) == ["T-1", "T-2", "T-10"]


def test_names_in_natural_order():
    assert sorted(["v10", "v2", "x=0.1", "x=0.05", "v", "2b"], key=natural_order) == [
        "2b", "v", "v2", "v10", "x=0.05", "x=0.1",
    ]  # fmt: skip


@given(st.lists(st.text("ab01.٣²"), max_size=5))
def test_any_names_can_be_ordered(some: list[str]):
    assert sorted(sorted(some, key=natural_order)) == sorted(some)
