"""Arms as their records describe them: what they set in the base, and their order."""

from collections.abc import Mapping, Sequence
from typing import Any

from reppo.results import RunData, RunRecord
from reppo.results.formatting import arm_parts, natural_order

Settings = Mapping[str, Any]
"""The values that an arm sets: path in the spec -> value as JSON."""


def apart(results: Sequence[RunData]) -> tuple[list[RunData], list[RunData]]:
    """The runs of arms, which are compared one by one, and those of the settings of searches, which are not."""
    arms = [run for run in results if not run.record.search]
    return arms, [run for run in results if run.record.search]


def searches_of(results: Sequence[RunData], base: str = "base") -> dict[str, list[str]]:
    """For each arm whose hyperparameters were searched the arms of its settings, by name.

    Args:
        results: runs of arms and of settings.
        base: the arm that comes first.

    Returns:
        That of the declared base is named by its runs, or `"base"` where it has none.
    """
    records = {run.record.arm: run.record for run in results}
    starts = {r.rival: r.arm for r in records.values() if not r.ablations and not r.search}
    found: dict[str, list[str]] = {}
    for arm in sorted((arm for arm, record in records.items() if record.search), key=natural_order):
        rival = records[arm].rival
        found.setdefault(starts.get(rival) or rival or "base", []).append(arm)
    return dict(sorted(found.items(), key=lambda item: (item[0] != base, natural_order(item[0]))))


def settings_of(results: Sequence[RunData]) -> dict[str, Settings]:
    """What each arm sets, whose ablations all set a value; other arms are left out.

    Read from the records. If one of them is of schema 4 or below, which had no settings, those of all arms are read
    from their names instead (`named_settings`), so that paths and values are of one kind.
    """
    records = {run.record.arm: run.record for run in results}
    if any(run.record.settings is None for run in results):
        found = {arm: named_settings(arm) for arm in records}
        return {arm: own for arm, own in found.items() if own}
    return {
        arm: record.settings
        for arm, record in records.items()
        if record.settings and len(record.settings) == len(record.ablations)
    }


def named_settings(arm: str) -> dict[str, str] | None:
    """Settings as far as a name tells them: `a=1+b=2` is `{"a": "1", "b": "2"}`; None for a name of another form.

    A value that holds a plus or an equals sign may be misread: records have settings as data.
    """
    parts = [part.partition("=") for part in arm_parts(arm)]
    return {path: value for path, _, value in parts} if all(path and equals for path, equals, _ in parts) else None


def short_paths(paths: Sequence[str]) -> dict[str, str]:
    """The shortest ends of paths, in whole parts, that tell them apart: `algorithm.lam` is `lam`."""
    names = {}
    for path in paths:
        parts = path.split(".")
        ends = (".".join(parts[-size:]) for size in range(1, len(parts) + 1))
        alone = (end for end in ends if sum(f".{other}".endswith(f".{end}") for other in paths) == 1)
        names[path] = next(alone, path)
    return names


def arms_in_order(results: Sequence[RunData], base: str) -> list[str]:
    """The arms of runs: the base first, the others by name, and what they set by its value, 1e-05 before 0.1."""
    records = {run.record.arm: run.record for run in results}
    return sorted(records, key=lambda arm: (arm != base, *arm_place(records[arm])))


def arm_place(record: RunRecord) -> tuple[Any, ...]:
    """A sorting key for the arm of a record, by which the numbers that it sets count as numbers."""
    if not record.settings or len(record.settings) != sum("=" in name for name in record.ablations):
        return natural_order(record.arm)
    values = iter(record.settings.values())
    key: list[Any] = [""]  # texts and numbers take turns, as in `natural_order`
    for name in ([record.rival] if record.rival else []) + record.ablations:
        value = next(values) if "=" in name else None
        texts: tuple[Any, ...] = natural_order(name)[0]
        if isinstance(value, int | float) and not isinstance(value, bool):
            texts = (f"{name.partition('=')[0]}=", float(value), "")
        key = [*key[:-1], key[-1] + ("+" if len(key) > 1 or key[0] else "") + texts[0], *texts[1:]]
    return tuple(key), record.arm
