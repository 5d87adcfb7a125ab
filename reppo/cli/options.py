"""Options that several commands take, and the values that are written short."""

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reppo.sweep import Experiment

_MOST_SEEDS = 100_000


def add_json(parser: argparse.ArgumentParser, about: str = "as JSON") -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help=about)


def add_study(parser: argparse.ArgumentParser) -> None:
    """The place of an experiment file."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a Python file with an Experiment")


def add_run(parser: argparse.ArgumentParser) -> None:
    """The place of the folder of a run."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run: results/.../seed0")


def add_folder(parser: argparse.ArgumentParser) -> None:
    """The place of the folder of an experiment."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of an experiment: results/quickstart")


def add_file(parser: argparse.ArgumentParser) -> None:
    """`--file`; to be read by `read_file`."""
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="the experiment file, where components or ablations of your own are declared in it",
    )


def read_file(arguments: argparse.Namespace) -> "Experiment | None":
    """The experiment of the user's file, if one is named; what the file declares is known from then on."""
    return None if arguments.file is None else load_study(arguments.file)


def add_base(parser: argparse.ArgumentParser) -> None:
    """`--base` and `--environment`, what names stand for; to be read by `read_base`."""
    from reppo.environments.suites import default_task

    parser.add_argument(
        "--base",
        metavar="PRESET",
        help="what ablations change; default: the study's in --file, else reppo or one they fit",
    )
    parser.add_argument(
        "--environment", metavar="TASK", help=f"the task; default: {default_task()}, or the first of the study"
    )


def read_base(arguments: argparse.Namespace, *names: str) -> None:
    """Reads `--file`, and takes what was not said from its study: its base and its first task. Or from the names."""
    from reppo.descriptions.entries import default_base
    from reppo.environments.suites import default_task

    study = read_file(arguments)
    arguments.study = study
    arguments.environment = arguments.environment or (study.environments[0].name if study else default_task())
    arguments.base = arguments.base or ("base" if study else default_base(names))


def load_study(file: Path) -> "Experiment":
    """The experiment of a file; that there is a file is checked before the seconds that importing JAX takes."""
    from reppo.results.files import check_python_file

    check_python_file(file)
    from reppo.sweep.experiment_file import load_experiment

    return load_experiment(file)


def names(text: str) -> list[str]:
    """Names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def joined(parts: Sequence[str] | None, known: Iterable[str]) -> list[str] | None:
    """Names that `names` gave, if any, where known ones hold commas themselves: `Pendulum-v1@dt=0.02,g=9.8`."""
    if parts is None:
        return None
    whole, left, found = {re.sub(r"\s*,\s*", ",", name): name for name in known}, list(parts), []
    while left:
        size = next((size for size in range(len(left), 0, -1) if ",".join(left[:size]) in whole), 1)
        name = ",".join(left[:size])
        found.append(whole.get(name, name))
        del left[:size]
    return found


def seeds(text: str) -> list[int]:
    """A number of seeds, `3`, or which: with a comma, `3,` or `0,4`, or a range with both its ends, `0-4`."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 and parts[0].isdecimal():
        parts = [f"0-{int(parts[0]) - 1}"] if int(parts[0]) else []
    found: list[int] = []
    for part in filter(None, parts):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not 0 <= last - first < _MOST_SEEDS:
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither a number of seeds nor a list of them, such as 3, or 0-4,7 (up to {_MOST_SEEDS})"
            )
        found += range(first, last + 1)
    return found


def count(text: str) -> int:
    """A whole number, also as 1e6, 1_000_000, 500k or 2.5M."""
    match = re.fullmatch(r"([+-]?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+]?[0-9]{1,2})?)([kM]?)", text.strip())
    value = float(match[1]) * {"": 1, "k": 1e3, "M": 1e6}[match[2]] if match else 0.5
    if value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number; write it like 500000, 500k, 2.5M or 1e6")
    return int(value)


def size(text: str) -> int:
    """A number of bytes, as 8GB, 1.5TB or 500MB."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kMGT]?)B?", text.strip())
    if not match or not float(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size of memory; write it like 8GB or 500MB")
    return int(float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[match[2]])


def minutes(text: str) -> int:
    """A limit of time as `sbatch` takes it."""
    from reppo.cluster import parse_minutes

    try:
        return parse_minutes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def foreign_option(text: str) -> tuple[str, str]:
    """A long option of another program, without its dashes: KEY=VALUE."""
    key, equals, value = text.removeprefix("--").partition("=")
    if not equals or not re.fullmatch(r"[a-z][a-z-]*", key):
        raise argparse.ArgumentTypeError(f"{text!r} is no option of sbatch; write it like mem=8G")
    return key, value
