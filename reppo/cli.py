"""The command line: `reppo run FILE`, `reppo list ...`, `reppo show NAME`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reppo.errors import ConfigurationError

if TYPE_CHECKING:
    from reppo.sweep import Experiment


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code: 0, or 2 for input that cannot be used."""
    arguments = _parser().parse_args(argv)
    return _guarded(arguments.command, arguments)


def run_declared(experiment: "Experiment", argv: Sequence[str] | None = None) -> int:
    """`python FILE [options]`: the experiment that the file declares, with the options of `reppo run`."""
    parser = argparse.ArgumentParser(description=f"Runs the experiment {experiment.name!r}.")
    _add_run_options(parser)
    arguments = parser.parse_args(argv)
    arguments.experiment = experiment
    return _guarded(_run, arguments)


def _guarded(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Runs a command; turns faults of the user's input, and an interruption, into a message and an exit code."""
    try:
        return command(arguments)
    except ConfigurationError as error:
        print(f"reppo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nreppo: interrupted. Run the same command again to continue from the last checkpoint.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reppo", description="REPPO and its ablations.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the experiment that a Python file declares, or continue it")
    run.add_argument("file", type=Path, metavar="FILE", help="a Python file with an Experiment")
    _add_run_options(run)
    run.set_defaults(command=_run, experiment=None)

    listing = commands.add_parser("list", help="list what there is")
    listing.add_argument("kind", choices=["ablations"])
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(command=_list)

    show = commands.add_parser("show", help="show an ablation: its question and what it changes")
    show.add_argument("name", metavar="NAME", help="such as kl/no_kl")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(command=_show)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--arms", type=_names, metavar="A,B", help="only these arms, and the base")
    parser.add_argument("--environments", type=_names, metavar="X,Y", help="only these environments")
    parser.add_argument("--seeds", type=_seeds, metavar="N|A,B", help="a number of seeds, or a list of them")
    parser.add_argument("--steps", type=int, metavar="N", help="environment steps of each run")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE", help="change the base"
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _seeds(text: str) -> list[int]:
    try:
        numbers = [int(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of seeds nor a list of them") from None
    return list(range(numbers[0])) if len(numbers) == 1 else numbers


def _run(arguments: argparse.Namespace) -> int:
    from reppo.results import load_results
    from reppo.sweep.cache import use_compilation_cache
    from reppo.sweep.execute import execute
    from reppo.sweep.loading import load_experiment
    from reppo.tracking import Console

    use_compilation_cache()
    experiment = arguments.experiment or load_experiment(arguments.file)
    experiment = experiment.select(
        arms=arguments.arms,
        environments=arguments.environments,
        seeds=arguments.seeds,
        steps=arguments.steps,
        overrides=arguments.overrides,
    )
    folder = execute(experiment, experiment.results_path(arguments.out), Console())
    chosen = {run.id for run in experiment.runs()}
    results = [run for run in load_results(folder.path) if run.record.run_id in chosen]
    _print_outcome(results, folder.report_path)
    return 0


def _print_outcome(results: Any, report: Path) -> None:
    from reppo.analysis import format_table, plot_learning_curves, summary_table

    print(format_table(summary_table(results)))
    report.mkdir(parents=True, exist_ok=True)
    picture = plot_learning_curves(results, report / "learning_curves.png")
    print(f"\nLearning curves: {picture}\nResults:         {report.parent}")


def _list(arguments: argparse.Namespace) -> int:
    from reppo.ablation import all_ablations

    ablations = list(all_ablations().values())
    if arguments.json:
        print(json.dumps([_describe(ablation) for ablation in ablations], indent=2))
        return 0
    width = max(len(ablation.name) for ablation in ablations)
    for ablation in ablations:
        print(f"{ablation.name:<{width}}  {ablation.question}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from reppo import environments, presets
    from reppo.ablation import find_ablation
    from reppo.spec import difference, to_json

    ablation = find_ablation(arguments.name)
    base = presets.reppo(environments.playground("CartpoleBalance"))
    changes = difference(base, ablation(base))
    if arguments.json:
        described = _describe(ablation)
        described["changes"] = [
            {"path": path, "before": to_json(before), "after": to_json(after)} for path, before, after in changes
        ]
        print(json.dumps(described, indent=2))
        return 0
    print(f"{ablation.name}\n\n  {ablation.question}\n")
    print(f"  reference  {ablation.reference}\n  expects    {ablation.expects}\n")
    print("  changes in the preset reppo")
    for path, before, after in changes:
        print(f"    {path}\n      - {_short(before)}\n      + {_short(after)}")
    return 0


def _describe(ablation: Any) -> dict[str, Any]:
    return {
        "name": ablation.name,
        "theme": ablation.theme,
        "question": ablation.question,
        "touches": list(ablation.touches),
        "reference": ablation.reference,
        "expects": ablation.expects,
    }


def _short(value: Any) -> str:
    """A component as it would be written in Python, on one line."""
    from reppo.spec import to_json

    def write(data: Any) -> str:
        if not isinstance(data, dict):
            return repr(data)
        fields = ", ".join(f"{name}={write(item)}" for name, item in data.items() if name != "component")
        return f"{data['component']}({fields})"

    return write(to_json(value))


if __name__ == "__main__":
    raise SystemExit(main())
