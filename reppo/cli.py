"""The command line. Each command is a function of its parsed arguments; what is heavy is imported inside."""

import argparse
import contextlib
import difflib
import errno
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from reppo import reporting, upkeep
from reppo.completion import SHELLS, completion_script
from reppo.errors import ConfigurationError, RunDiverged, RunsFailed, require, unknown_name
from reppo.text import plain, plain_lines

if TYPE_CHECKING:
    from reppo.sweep import Experiment
    from reppo.tracking import AbstractTracker

Command = Callable[[argparse.Namespace], int]
_MOST_SEEDS = 100_000


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code; docs/cli.md says what each means."""
    return _guarded(lambda: _parser().parse_all(sys.argv[1:] if argv is None else argv))


def run_declared(experiment: "Experiment", argv: Sequence[str] | None = None) -> int:
    """`python FILE [options]`: the experiment that the file declares, with the options of `reppo run`."""
    parser = _Parser(description=f"Runs the experiment {experiment.name!r}.")
    _add_run_options(parser)
    _add_batch(parser)
    parser.set_defaults(command=_run, experiment=experiment, file=Path(sys.argv[0]))
    return _guarded(lambda: parser.parse_all(sys.argv[1:] if argv is None else argv))


def _guarded(parse: Callable[[], argparse.Namespace]) -> int:
    """Runs a command; turns faults of the user's input, and an interruption, into a message and an exit code."""
    for stream in (sys.stdout, sys.stderr):  # an encoding that lacks a character shows ? for it
        with contextlib.suppress(AttributeError, ValueError):  # no such stream, or one that is no text file
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    try:
        try:
            arguments = parse()
            return arguments.command(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where it may fail: a reader such as `head` may have left
    except ConfigurationError as error:
        return _complain(str(error))
    except BrokenPipeError:
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        where = f" {error.filename!r}" if error.filename else ""
        return _complain(
            f"Cannot write{where}: {error.strerror}. Make room or choose another folder with --out; the same command "
            "then continues from the last checkpoint."
        )
    except KeyboardInterrupt:
        print("\nreppo: interrupted. Run the same command again to continue from the last checkpoint.", file=sys.stderr)
        return 130


def _complain(message: str) -> int:
    _say_fault(message)
    return 2


def _say_fault(message: object) -> None:
    print(f"reppo: {plain_lines(str(message))}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """A parser whose faults are `ConfigurationError`s, with close matches for commands, choices and options.

    The beginning of an option is not the option: `--seed 3` is no `--seeds 3`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def parse_all(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parses a command line and refuses what is left over."""
        arguments, rest = self.parse_known_args(argv)
        if rest:
            parser: argparse.ArgumentParser = getattr(arguments, "parser", self)
            if rest[0].startswith("-"):
                given, options = rest[0].partition("=")[0], parser._option_string_actions
                close = difflib.get_close_matches(given, sorted(options), n=1, cutoff=0.5)
                about = "".join(f"{name}: {options[name].help}. " for name in close)
                raise unknown_name("option", given, options, f"{about}See: {parser.prog} --help")
            raise ConfigurationError(f"There is an argument too many: {rest[0]!r}. See: {parser.prog} --help")
        return arguments

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message[:1].upper()}{message[1:]}. See: {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise unknown_name(str(action.metavar or action.dest).lower(), str(value), map(str, action.choices))


def _parser() -> _Parser:
    parser = _Parser(prog="reppo", description="REPPO and its ablations.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def add(name: str, command: Command, description: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=description, description=f"{description[:1].upper()}{description[1:]}.")
        added.set_defaults(command=command, parser=added)
        return added

    run = add("run", _run, "run the experiment that a Python file declares, or continue it")
    run.add_argument("file", type=Path, metavar="FILE", help="a Python file with an Experiment")
    _add_run_options(run)
    _add_batch(run)
    run.set_defaults(experiment=None)

    submit = add("submit", _submit, "run an experiment as an array of jobs, one for each batch, on SLURM or locally")
    submit.add_argument("file", type=Path, metavar="FILE", help="a Python file with an Experiment")
    _add_run_options(submit)
    _add_resources(submit)
    submit.set_defaults(experiment=None)

    plan = add("plan", _plan, "say what an experiment will cost, before anything compiles")
    plan.add_argument("file", type=Path, metavar="FILE", help="a Python file with an Experiment")
    _add_run_options(plan)
    plan.add_argument("--probe", action="store_true", help="compile each program and time one chunk of training")
    _add_json(plan)
    plan.set_defaults(experiment=None)

    listing = add("list", _list, "list what there is")
    listing.add_argument("kind", choices=["ablations", "components", "environments", "presets"])
    listing.add_argument("--theme", metavar="THEME", help="only this theme, such as kl; suite, for environments")
    _add_json(listing)

    show = add("show", _show, "show an ablation, preset, component or environment")
    show.add_argument("name", metavar="NAME", help="such as kl/no_kl, kl/no_kl+value/mse, gamma=0.9, reppo, HLGauss")
    _add_base(show)
    _add_file(show)
    _add_json(show)

    diff = add("diff", _diff, "show in what two presets or ablations differ")
    diff.add_argument("a", metavar="A", help="a preset; or ablations of the base, joined by +")
    diff.add_argument("b", metavar="B", help="another")
    _add_base(diff)
    _add_file(diff)
    _add_json(diff)

    cite = add("cite", _cite, "print the works that an experiment builds on, as BibTeX")
    cite.add_argument("file", type=Path, metavar="FILE", help="a Python file with an Experiment")
    _add_json(cite)

    evaluate = add("evaluate", _evaluate, "evaluate a trained policy")
    _add_policy(evaluate, episodes="fresh ones")
    evaluate.add_argument("--episodes", type=_count, metavar="N", help="default: as in the run's evaluations")
    _add_json(evaluate)

    render = add("render", _render, "write a video of an episode of a trained policy")
    _add_policy(render, episodes="the run's own")
    render.add_argument("--out", type=Path, metavar="FILE", help="a .gif or .mp4; default: episode.gif in RUN")
    render.add_argument("--episode", type=int, default=0, metavar="N", help="which evaluation episode; default: 0")
    render.add_argument("--steps", type=_count, metavar="N", help="only the first steps; default: the whole episode")
    render.add_argument("--width", type=int, default=480, metavar="PIXELS", help="default: 480")
    render.add_argument("--height", type=int, default=360, metavar="PIXELS", help="default: 360")
    render.add_argument("--camera", metavar="CAMERA", help="a camera of a Playground task; default: the free one")

    reporting.add_commands(commands)
    upkeep.add_commands(commands)

    completion = add("completion", _completion, "print a script that completes commands and names in a shell")
    completion.add_argument("shell", choices=SHELLS)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--arms", type=_names, metavar="A,B", help="only these arms, and the base")
    parser.add_argument("--environments", type=_names, metavar="X,Y", help="only these environments")
    parser.add_argument(
        "--seeds",
        type=_seeds,
        metavar="N|A,B-C",
        help="how many (3: seeds 0 to 2), or which, with a comma or a range (3, is seed 3 alone; 0-4,7)",
    )
    parser.add_argument("--steps", type=_count, metavar="N", help="environment steps of each run, such as 500k or 2.5M")
    parser.add_argument(
        "--memory",
        type=_bytes,
        metavar="SIZE",
        help="most memory for arrays of training, such as 8GB",
    )
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE", help="change the base"
    )
    parser.add_argument(
        "--stop-on-divergence", action="store_true", help="end at the first run that diverges, with exit code 4"
    )
    parser.add_argument("--wandb", choices=["offline", "online"], help="log every run to Weights & Biases as well")
    parser.add_argument("--tensorboard", action="store_true", help="write every run for TensorBoard as well")
    parser.add_argument("--wandb-project", metavar="PROJECT", help="default: as wandb is configured, or reppo")
    parser.add_argument("--wandb-entity", metavar="ENTITY", help="a user or team; default: as wandb is configured")


def _add_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", metavar="ID", help="only the runs of this batch, such as batch0003; for job arrays")


def _add_resources(parser: argparse.ArgumentParser) -> None:
    """What `reppo submit` takes beside the options of `reppo run`."""
    parser.add_argument(
        "--executor",
        choices=["slurm", "local"],
        default="slurm",
        help="local: processes of this machine; default: slurm",
    )
    parser.add_argument("--partition", metavar="NAME", help="SLURM's partition; default: its default")
    parser.add_argument(
        "--time",
        type=_minutes,
        metavar="TIME",
        help="how long a task may run before it is queued again and goes on, as sbatch takes it; default: 1:00:00",
    )
    parser.add_argument("--gpus-per-task", type=_count, default=0, metavar="N", help="default: 0, which trains on CPUs")
    parser.add_argument(
        "--cpus-per-task", type=_count, metavar="N", help="default: 4; locally, the cores that there are, at most 4"
    )
    parser.add_argument("--at-once", type=_count, metavar="N", help="most tasks at the same time")
    parser.add_argument(
        "--sbatch",
        type=_option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other option of sbatch, such as mem=8G or account=ours",
    )
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="DIR",
        help="what tasks print, and submitit's files; default: <results folder>.jobs",
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def _add_base(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base", default="reppo", metavar="PRESET", help="what ablations change; default: reppo")
    parser.add_argument(
        "--environment", default="CartpoleBalance", metavar="TASK", help="the task; default: CartpoleBalance"
    )


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="the experiment file, where components or ablations of your own are declared in it",
    )


def _read_file(arguments: argparse.Namespace) -> None:
    """Makes known what the user's experiment file declares, if one is named."""
    if arguments.file is not None:
        _load_experiment(arguments.file)


def _load_experiment(file: Path) -> "Experiment":
    """The experiment of a file; that there is a file is checked before the seconds that importing JAX takes."""
    from reppo.results.files import check_python_file

    check_python_file(file)
    from reppo.sweep.loading import load_experiment

    return load_experiment(file)


def _add_policy(parser: argparse.ArgumentParser, episodes: str) -> None:
    _add_file(parser)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run: results/.../seed0")
    parser.add_argument("--which", choices=["best", "last"], default="best", help="which policy; default: best")
    parser.add_argument("--seed", type=int, metavar="N", help=f"whose evaluation episodes; default: {episodes}")


def _read_policy_arguments(arguments: argparse.Namespace) -> None:
    """Checks that there is such a run, then reads the user's file, if one is named."""
    from reppo.results import open_run

    open_run(arguments.run)
    _read_file(arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _seeds(text: str) -> list[int]:
    """A number of seeds, `3`, or which: with a comma, `3,` or `0,4`, or a range with both its ends, `0-4`."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 and parts[0].isdecimal():
        parts = [f"0-{int(parts[0]) - 1}"] if int(parts[0]) else []
    seeds: list[int] = []
    for part in filter(None, parts):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not 0 <= last - first < _MOST_SEEDS:
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither a number of seeds nor a list of them, such as 3, or 0-4,7 (up to {_MOST_SEEDS})"
            )
        seeds += range(first, last + 1)
    return seeds


def _count(text: str) -> int:
    """A whole number, also as 1e6, 1_000_000, 500k or 2.5M."""
    match = re.fullmatch(r"([+-]?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+]?[0-9]{1,2})?)([kM]?)", text.strip())
    value = float(match[1]) * {"": 1, "k": 1e3, "M": 1e6}[match[2]] if match else 0.5
    if value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number; write it like 500000, 500k, 2.5M or 1e6")
    return int(value)


def _minutes(text: str) -> int:
    from reppo.cluster import parse_minutes

    try:
        return parse_minutes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _option(text: str) -> tuple[str, str]:
    """A long option of another program, without its dashes: KEY=VALUE."""
    key, equals, value = text.removeprefix("--").partition("=")
    if not equals or not re.fullmatch(r"[a-z][a-z-]*", key):
        raise argparse.ArgumentTypeError(f"{text!r} is no option of sbatch; write it like mem=8G")
    return key, value


def _bytes(text: str) -> int:
    """A number of bytes, as 8GB, 1.5TB or 500MB."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kMGT]?)B?", text.strip())
    if not match or not float(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size of memory; write it like 8GB or 500MB")
    return int(float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[match[2]])


def _run(arguments: argparse.Namespace) -> int:
    experiment = _chosen_experiment(arguments)

    from reppo.sweep.cache import use_compilation_cache
    from reppo.sweep.execute import execute
    from reppo.sweep.interruption import stoppable

    path = experiment.results_path(arguments.out)
    tracker = _tracker(arguments, path)
    use_compilation_cache()
    failed = None
    try:
        with stoppable():
            execute(
                experiment,
                path,
                tracker,
                arguments.memory,
                arguments.batch,
                stop_on_divergence=arguments.stop_on_divergence,
                source=arguments.file,
            )
    except RunDiverged as error:
        _say_fault(error)
        return 4
    except RunsFailed as error:
        failed = error
    if arguments.batch is None:
        _print_results(experiment, path)
    return _exit_code(failed)


def _print_results(experiment: "Experiment", path: Path) -> None:
    """Prints the outcome of the runs of an experiment that there are."""
    from reppo.results import ResultsFolder, load_results

    chosen = {run.id for run in experiment.runs()}
    results = [run for run in load_results(path) if run.record.run_id in chosen]
    if results:
        _print_outcome(results, ResultsFolder.open(path).report_path)


def _exit_code(failed: RunsFailed | None) -> int:
    if failed is not None:
        _say_fault(failed)
    return 0 if failed is None else 3


def _submit(arguments: argparse.Namespace) -> int:
    from reppo import cluster

    if arguments.executor == "local":
        given = {"--partition": arguments.partition, "--time": arguments.time, "--sbatch": arguments.sbatch}
        for option, value in given.items():
            require(not value, f"{option} is for SLURM, and --executor local has none. Leave it out.")
    cluster.check_executor(arguments.executor)
    resources = cluster.Resources(
        partition=arguments.partition,
        minutes=cluster.DEFAULT_MINUTES if arguments.time is None else arguments.time,
        gpus=arguments.gpus_per_task,
        cpus=arguments.cpus_per_task,
        at_once=arguments.at_once,
        others=dict(arguments.sbatch),
    )
    experiment = _chosen_experiment(arguments)
    _tracker(arguments, experiment.results_path(arguments.out))  # what cannot be used is refused here
    path = experiment.results_path(arguments.out).absolute()
    logs = (arguments.logs or path.with_name(f"{path.name}.jobs")).absolute()
    require(
        path != logs and path not in logs.parents,
        f"--logs {str(logs)!r} lies in the folder of results. Choose a folder outside of it.",
    )
    batches = cluster.plan(experiment, path, resources, arguments.executor, arguments.memory)
    payloads = {
        batch.id: cluster.Payload(["run", *_run_arguments(arguments), f"--batch={batch.id}"], str(Path.cwd()))
        for batch in batches
    }
    if not payloads:
        print("Everything is done.")
    elif arguments.executor == "slurm":
        job = cluster.submit_to_slurm(experiment.name, list(payloads.values()), resources, logs)
        print(
            f"Job {job}: {len(payloads)} {'task' if len(payloads) == 1 else 'tasks'}, one for each batch.\n"
            f"See:     squeue --job {job}\nLogs:    {logs}\nResults: {path}\n"
            f"Once they are done: reppo report {path}"
        )
        return 0
    from reppo.sweep.interruption import stoppable

    failed = None
    try:
        with stoppable():
            cluster.run_locally(payloads, resources, logs, lambda line: print(line, flush=True))
    except RunsFailed as error:
        failed = error
    _print_results(experiment, path)
    return _exit_code(failed)


def _run_arguments(arguments: argparse.Namespace) -> list[str]:
    """The options of `reppo run` that were given, for a process of its own."""
    given: list[tuple[str, Any]] = [
        ("out", arguments.out.absolute()),
        ("arms", None if arguments.arms is None else ",".join(arguments.arms)),
        ("environments", None if arguments.environments is None else ",".join(arguments.environments)),
        ("seeds", None if arguments.seeds is None else "".join(f"{seed}," for seed in arguments.seeds)),
        ("steps", arguments.steps),
        *(("set", override) for override in arguments.overrides),
        ("wandb", arguments.wandb),
        ("wandb-project", arguments.wandb_project),
        ("wandb-entity", arguments.wandb_entity),
    ]
    flags = [("tensorboard", arguments.tensorboard), ("stop-on-divergence", arguments.stop_on_divergence)]
    options = [f"--{name}={value}" for name, value in given if value is not None]
    return [str(arguments.file.absolute()), *options, *(f"--{name}" for name, given in flags if given)]


def _chosen_experiment(arguments: argparse.Namespace) -> "Experiment":
    from reppo.results.files import check_folder

    check_folder(arguments.out)
    experiment = arguments.experiment or _load_experiment(arguments.file)
    return experiment.select(
        arms=arguments.arms,
        environments=arguments.environments,
        seeds=arguments.seeds,
        steps=arguments.steps,
        overrides=arguments.overrides,
    )


def _plan(arguments: argparse.Namespace) -> int:
    experiment = _chosen_experiment(arguments)

    from reppo.sweep.batches import arrange_batches
    from reppo.sweep.cache import use_compilation_cache
    from reppo.sweep.execution import choose_execution
    from reppo.sweep.forecast import forecast, format_forecast, measure
    from reppo.sweep.machine import use_all_cores

    use_all_cores(experiment.results_path(arguments.out))
    execution = choose_execution(experiment, arguments.memory)
    batches = arrange_batches(experiment.runs(), execution)
    planned = forecast(experiment, batches, execution)
    if arguments.probe:
        use_compilation_cache()
        planned = measure(planned, experiment, batches)
    print(json.dumps(planned.to_json(), indent=2) if arguments.json else plain_lines(format_forecast(planned)))
    return 0


def _tracker(arguments: argparse.Namespace, path: Path) -> "AbstractTracker":
    from reppo.tracking import Composite, Console, TensorBoard, Wandb

    sinks: list[AbstractTracker] = [Console()]
    if arguments.wandb is not None:
        sinks.append(Wandb(arguments.wandb, path, arguments.wandb_project, arguments.wandb_entity))
    if arguments.tensorboard:
        sinks.append(TensorBoard(path))
    return Composite(sinks)


def _print_outcome(results: Any, report: Path) -> None:
    from reppo.analysis import build_report, format_table, plot_learning_curves, summary_table, write_report
    from reppo.results import ResultsFolder

    print(format_table(summary_table(results)))
    picture = plot_learning_curves(results).save(report / "learning_curves.png")
    described = ResultsFolder.open(report.parent).read_experiment()
    contents = build_report(results, title=described["name"], questions=described.get("questions"))
    page, *_ = write_report(contents, report)
    print(f"\nReport:          {page}\nLearning curves: {picture}\nResults:         {report.parent}")


def _list(arguments: argparse.Namespace) -> int:
    from reppo.describe import list_entries

    entries = list_entries(arguments.kind, arguments.theme)
    if arguments.json:
        print(json.dumps(entries, indent=2))
        return 0
    width = max((len(entry["name"]) for entry in entries), default=0)
    theme = None
    for entry in sorted(entries, key=lambda entry: entry["theme"]):
        if entry["theme"] != theme and arguments.kind != "ablations":
            print(f"{'' if theme is None else chr(10)}{plain(entry['theme'])}")
        theme = entry["theme"]
        print(plain(f"{'' if arguments.kind == 'ablations' else '  '}{entry['name']:<{width}}  {entry['summary']}"))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    _read_file(arguments)
    from reppo import describe

    kind = describe.kind_of(arguments.name)
    show = {
        "ablations": _show_arm,
        "presets": _show_preset,
        "components": _show_component,
        "environments": _show_environment,
    }[kind]
    data, lines = show(arguments)
    text = plain_lines("\n".join(lines))
    print(json.dumps({"kind": kind.removesuffix("s"), **data}, indent=2) if arguments.json else text)
    return 0


def _show_arm(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from reppo import describe
    from reppo.spec import to_json

    arm = describe.find_arm(arguments.name)
    base = describe.find_spec("base", arguments.base, arguments.environment)
    spec = describe.find_spec(arguments.name, arguments.base, arguments.environment)
    changes = describe.compare(base, spec)
    lines = [arm.name]
    for ablation in arm.ablations:
        lines += [
            "",
            f"  {ablation.question}",
            f"  reference  {ablation.reference}",
            f"  expects    {ablation.expects}",
        ]
    lines += ["", f"Difference from {arguments.base} on {arguments.environment}"]
    lines += describe.format_differences(changes, "  ") or ["  none"]
    lines += ["", "Resolved spec (what differs is marked)", *_spec_lines(spec, [path for path, _, _ in changes])]
    data: dict[str, Any] = {
        "name": arm.name,
        "base": arguments.base,
        "environment": arguments.environment,
        "ablations": [
            {"name": one.name, "question": one.question, "touches": list(one.touches)}
            | {"reference": one.reference, "expects": one.expects}
            for one in arm.ablations
        ],
        "changes": describe.differences_as_json(changes),
        "spec": to_json(spec),
    }
    return data, lines


def _show_preset(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from reppo import describe
    from reppo.spec import to_json

    entry = describe.describe_preset(arguments.name)
    base = describe.find_spec("base", arguments.base, arguments.environment)
    spec = describe.find_spec(arguments.name, arguments.base, arguments.environment)
    changes = describe.compare(base, spec)
    lines = [arguments.name, "", *(f"  {line}".rstrip() for line in entry["documentation"].splitlines())]
    if arguments.name != arguments.base:
        lines += ["", f"Difference from {arguments.base} on {arguments.environment}"]
        lines += describe.format_differences(changes, "  ") or ["  none"]
    marked = [path for path, _, _ in changes]
    lines += ["", f"Resolved spec on {arguments.environment}", *_spec_lines(spec, marked)]
    data = {**entry, "environment": arguments.environment, "base": arguments.base}
    return data | {"changes": describe.differences_as_json(changes), "spec": to_json(spec)}, lines


def _show_component(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from reppo import describe

    entry = describe.describe_component(arguments.name)
    lines = [arguments.name, "", *(f"  {line}".rstrip() for line in entry["documentation"].splitlines())]
    for what, value in (("fills", entry["fills"]), ("filled by", ", ".join(entry["filled_by"]))):
        lines += ["", f"  {what:<9}  {value}"] if value else []
    for method in entry["methods"]:
        lines += ["", f"{method['name']}{method['signature']}"]
        lines += [f"  {line}".rstrip() for line in method["documentation"].splitlines()]
    lines += ["", "Fields"] if entry["fields"] else []
    for field in entry["fields"]:
        default = "no default" if field["default"] is None else field["default"]
        lines.append(f"  {field['name']:<20}  {field['kind']:<6}  {default}")
    return entry, lines


def _show_environment(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from reppo import describe

    entry = describe.describe_environment(arguments.name)
    lines = [arguments.name, "", f"  {entry['summary']}", f"  in a file  {entry['declared']}"]
    return entry, lines + (["  its physics can be randomized: randomize=True"] if entry["randomizes"] else [])


def _spec_lines(spec: Any, marked: Sequence[str]) -> list[str]:
    from reppo.describe import flat_spec

    lines = []
    for path, text in flat_spec(spec).items():
        changed = any(path == other or path.startswith(f"{other}.") for other in marked)
        lines.append(f"  {'*' if changed else ' '} {path} = {text}")
    return lines


def _diff(arguments: argparse.Namespace) -> int:
    _read_file(arguments)
    from reppo import describe

    a, b = (describe.find_spec(name, arguments.base, arguments.environment) for name in (arguments.a, arguments.b))
    changes = describe.compare(a, b)
    if arguments.json:
        print(json.dumps(describe.differences_as_json(changes), indent=2))
    elif not changes:
        print(f"{arguments.a} and {arguments.b} do not differ on {arguments.environment}.")
    else:
        print(f"- {arguments.a}\n+ {arguments.b}\non {arguments.environment}\n")
        print(plain_lines("\n".join(describe.format_differences(changes))))
    return 0


def _cite(arguments: argparse.Namespace) -> int:
    experiment = _load_experiment(arguments.file)

    from reppo.citations import cite, cited_as_json, format_bibtex

    cited = cite(experiment)
    print(json.dumps(cited_as_json(cited), indent=2) if arguments.json else format_bibtex(cited))
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    _read_policy_arguments(arguments)
    import numpy as np

    from reppo.analysis import iqm
    from reppo.policies import evaluate_policy, load_policy
    from reppo.sweep.cache import use_compilation_cache

    policy = load_policy(arguments.run, arguments.which)
    use_compilation_cache()
    evaluated = evaluate_policy(policy, arguments.episodes, arguments.seed)
    returns = np.asarray(evaluated.episode_return, np.float64)
    lengths = np.asarray(evaluated.episode_length)
    scored = returns[np.isfinite(returns)]
    record = policy.record
    if arguments.json:
        data = {
            "run": str(arguments.run),
            "which": arguments.which,
            "arm": record.arm,
            "environment": record.environment,
            "seed": record.seed,
            "episodes_of": "fresh" if arguments.seed is None else arguments.seed,
            "episodes": len(returns),
            "mean": float(scored.mean()) if scored.size else None,
            "iqm": float(iqm(scored)) if scored.size else None,
            "returns": [value if np.isfinite(value) else None for value in returns.tolist()],
            "lengths": lengths.tolist(),
            "nonfinite": int(np.sum(evaluated.nonfinite)),
        }
        print(json.dumps(data, indent=2))
        return 0
    which = f"{record.environment}, {record.arm}, seed {record.seed}, {arguments.which} policy"
    print(plain(f"{which}, {len(returns)} {_whose_episodes(arguments, record.seed)}"))
    if scored.size:
        print(
            f"  return  mean {scored.mean():.1f}  IQM {iqm(scored):.1f}  from {scored.min():.1f} to {scored.max():.1f}"
        )
    if scored.size < returns.size:
        print(f"  {returns.size - scored.size} episodes have no return: the simulation broke in them")
    print(f"  length  mean {lengths.mean():.0f}  from {lengths.min()} to {lengths.max()}")
    return 0


def _whose_episodes(arguments: argparse.Namespace, own_seed: int) -> str:
    if arguments.seed is None:
        return "fresh episodes"
    if arguments.seed != own_seed:
        return f"episodes of the evaluations of seed {arguments.seed}"
    chosen = ", on which this policy was chosen" if arguments.which == "best" else ""
    return f"episodes of the run's own evaluations{chosen}"


def _render(arguments: argparse.Namespace) -> int:
    from reppo.results.files import check_folder

    out = arguments.out or arguments.run / "episode.gif"
    check_folder(out.parent)
    _read_policy_arguments(arguments)
    from reppo.policies import load_policy, render_episode
    from reppo.policies.video import check_video_path
    from reppo.sweep.cache import use_compilation_cache

    check_video_path(out)
    policy = load_policy(arguments.run, arguments.which)
    use_compilation_cache()
    rendered = render_episode(
        policy,
        out,
        episode=arguments.episode,
        seed=arguments.seed,
        steps=arguments.steps,
        width=arguments.width,
        height=arguments.height,
        camera=arguments.camera,
    )
    print(
        f"{rendered.path}: {rendered.frames} frames of an episode of {rendered.episode_length} steps with return "
        f"{rendered.episode_return:.1f}"
    )
    return 0


def _completion(arguments: argparse.Namespace) -> int:
    from reppo.ablation import all_ablations
    from reppo.describe import all_names, list_entries

    names = {kind: [entry["name"] for entry in list_entries(kind)] for kind in ("presets", "environments")}
    specs = [*names["presets"], *all_ablations()]
    allowed = {"NAME": all_names(), "A": specs, "B": specs, "PRESET": names["presets"], "TASK": names["environments"]}
    print(completion_script(_parser(), arguments.shell, allowed), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
