"""Numbers and names as people read them: 50k steps, 2:05 left, `seed2` before `seed10`."""

import math
import re


def natural_order(name: str) -> tuple[tuple[str | float, ...], str]:
    """A sorting key by which the numbers in names count as numbers: `v2` before `v10`, `x=3e-5` before `x=1e-4`.

    A minus counts after `=` only, as it joins words elsewhere: `x=-2` before `x=-1`, and `T-1` before `T-2`.
    """
    parts = re.split(r"((?:(?<==)-)?\d+(?:\.\d+)?(?:e[+-]?\d+)?)", name, flags=re.ASCII)  # text and numbers take turns
    return tuple(float(part) if i % 2 else part for i, part in enumerate(parts)), name


def human_count(count: float | int) -> str:
    """Writes a count with at most three significant digits and a unit: 950, 50k, 1.25M, 3B."""
    if not math.isfinite(count):
        return "?"
    for scale, unit in [(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "B")]:
        value = count / scale
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        if abs(round(value, decimals)) < 1000 or unit == "B":
            text = f"{value:.{decimals}f}"
            return (text.rstrip("0").rstrip(".") if decimals else text) + unit
    raise AssertionError("unreachable")


def human_seconds(seconds: float | int | None) -> str:
    """Writes a duration: 42s, 2:05, 1:02:05, 3d 4h; a question mark where it is unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "?"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    if hours == 0:
        return f"{minute}:{second:02d}"
    days, hour = divmod(hours, 24)
    return f"{days}d {hour}h" if days else f"{hour}:{minute:02d}:{second:02d}"


def human_bytes(number: int | float) -> str:
    """Bytes with three significant digits and a unit of 1000: `1.64 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"
