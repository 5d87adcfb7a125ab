"""The commands that run a study: `reppo run`, `submit` and `plan`, and an experiment file that is run by itself."""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reppo.cli import options
from reppo.cli.faults import guarded, say_fault
from reppo.cli.parser import Commands, Parser
from reppo.cli.terminal import columns, fitted, working
from reppo.errors import RunDiverged, RunsFailed, require
from reppo.text import counted

if TYPE_CHECKING:
    from reppo.sweep import Experiment
    from reppo.tracking import AbstractTracker, Console


def add_commands(commands: Commands) -> None:
    """Adds the commands."""
    run = commands.add("run", run_study, "run the experiment that a Python file declares, or continue it")
    options.add_study(run)
    _add_run_options(run)
    _add_batch(run)
    run.set_defaults(experiment=None)

    submit = commands.add(
        "submit", submit_study, "run an experiment as an array of jobs, one for each batch, on SLURM or locally"
    )
    options.add_study(submit)
    _add_run_options(submit)
    _add_resources(submit)
    submit.set_defaults(experiment=None)

    plan = commands.add("plan", plan_study, "say what an experiment will cost, before anything compiles")
    options.add_study(plan)
    _add_run_options(plan)
    plan.add_argument("--probe", action="store_true", help="compile each program and time one chunk of training")
    options.add_json(plan)
    plan.set_defaults(experiment=None)


def run_declared(experiment: "Experiment", argv: Sequence[str] | None = None) -> int:
    """`python FILE [options]`: the experiment that the file declares, with the options of `reppo run`.

    Args:
        experiment: the experiment.
        argv: the words after the file; by default those of this process.

    Returns:
        The exit code.
    """
    parser = Parser(description=f"Runs the experiment {experiment.name!r}.")
    _add_run_options(parser)
    _add_batch(parser)
    parser.set_defaults(command=run_study, experiment=experiment, file=Path(sys.argv[0]))
    return guarded(lambda: parser.parse_args(sys.argv[1:] if argv is None else argv))


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument(
        "--arms",
        type=options.names,
        metavar="ARM,ARM",
        help="only these arms, the base, and the rivals they start from; search or RIVAL+search: all settings of one",
    )
    parser.add_argument("--environments", type=options.names, metavar="TASK,TASK", help="only these environments")
    parser.add_argument(
        "--seeds",
        type=options.seeds,
        metavar="N|A,B-C",
        help="how many (3: seeds 0 to 2), or which, with a comma or a range (3, is seed 3 alone; 0-4,7)",
    )
    parser.add_argument(
        "--steps", type=options.count, metavar="N", help="environment steps of each run, such as 500k or 2.5M"
    )
    parser.add_argument(
        "--memory",
        type=options.size,
        metavar="SIZE",
        help="most memory for arrays of training, such as 8GB",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="PATH=VALUE",
        help="change the base and its rivals, or one: NAME:PATH=VALUE",
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
    parser.add_argument("--partition", metavar="PARTITION", help="SLURM's partition; default: its default")
    parser.add_argument(
        "--time",
        type=options.minutes,
        metavar="TIME",
        help="how long a task may run before it is queued again and goes on, as sbatch takes it; default: 1:00:00",
    )
    parser.add_argument(
        "--gpus-per-task", type=options.count, default=0, metavar="N", help="default: 0, which trains on CPUs"
    )
    parser.add_argument(
        "--cpus-per-task",
        type=options.count,
        metavar="N",
        help="default: 4; locally, the cores that there are, at most 4",
    )
    parser.add_argument("--at-once", type=options.count, metavar="N", help="most tasks at the same time")
    parser.add_argument(
        "--sbatch",
        type=options.foreign_option,
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


def run_study(arguments: argparse.Namespace) -> int:
    """`reppo run FILE`: runs the experiment, and prints its outcome."""
    from reppo.tracking import Console

    with contextlib.closing(Console()) as console:
        return _run_study(arguments, console)


def _run_study(arguments: argparse.Namespace, console: "Console") -> int:
    console.working(f"reading {arguments.file.name}")  # before anything heavy is imported
    experiment = _chosen_experiment(arguments)

    from reppo.runtime.cache import use_compilation_cache
    from reppo.runtime.timings import Timings
    from reppo.sweep.execute import execute
    from reppo.sweep.interruption import stoppable

    path = experiment.results_path(arguments.out)
    tracker = _tracker(arguments, path, console)
    use_compilation_cache()
    failed = None
    try:
        with stoppable(console):
            execute(
                experiment,
                path,
                tracker,
                arguments.memory,
                arguments.batch,
                stop_on_divergence=arguments.stop_on_divergence,
                source=arguments.file,
                timings=Timings.of_this_machine(),
            )
    except RunDiverged as error:
        say_fault(error)
        return 4
    except RunsFailed as error:
        failed = error
    if arguments.batch is None:
        _print_results(experiment, path)
    return _exit_code(failed)


def _print_results(experiment: "Experiment", path: Path) -> None:
    """Prints the outcome of the runs of an experiment that there are."""
    with working("reading results"):
        from reppo.results import ResultsFolder, load_results

        chosen = {(run.arm, run.id) for run in experiment.runs()}  # an arm may have had another name before
        results = [run for run in load_results(path) if (run.record.arm, run.record.run_id) in chosen]
    if results:
        _print_outcome(results, ResultsFolder.open(path).report_path)


def _exit_code(failed: RunsFailed | None) -> int:
    if failed is not None:
        say_fault(failed)
    return 0 if failed is None else 3


def submit_study(arguments: argparse.Namespace) -> int:
    """`reppo submit FILE`: queues a task for each batch, or runs them here and waits."""
    from reppo import cluster
    from reppo.tracking import NoTracker

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
    with working(f"reading {arguments.file.name}"):
        experiment = _chosen_experiment(arguments)
    _tracker(arguments, experiment.results_path(arguments.out), NoTracker())  # what cannot be used is refused here
    path = experiment.results_path(arguments.out).absolute()
    logs = (arguments.logs or path.with_name(f"{path.name}.jobs")).absolute()
    require(
        path != logs and path not in logs.parents,
        f"--logs {str(logs)!r} lies in the folder of results. Choose a folder outside of it.",
    )
    with working("planning"):
        batches = cluster.plan(experiment, path, resources, arguments.executor, arguments.memory)
    payloads = {
        batch.id: cluster.Payload(["run", *run_arguments(arguments), f"--batch={batch.id}"], str(Path.cwd()))
        for batch in batches
    }
    if not payloads:
        print("Everything is done.")
    elif arguments.executor == "slurm":
        job = cluster.submit_to_slurm(experiment.name, list(payloads.values()), resources, logs)
        print(
            f"Job {job}: {counted(len(payloads), 'task')}, one for each batch.\n"
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


def run_arguments(arguments: argparse.Namespace) -> list[str]:
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
    words = [f"--{name}={value}" for name, value in given if value is not None]
    return [str(arguments.file.absolute()), *words, *(f"--{name}" for name, given in flags if given)]


def _chosen_experiment(arguments: argparse.Namespace) -> "Experiment":
    from reppo.results.files import check_folder

    check_folder(arguments.out)
    experiment = arguments.experiment or options.load_study(arguments.file)
    return experiment.select(
        arms=options.joined(
            arguments.arms, [name for arm in experiment.declared_arms() for name in (arm.name, arm.group)]
        ),
        environments=options.joined(arguments.environments, [task.name for task in experiment.environments]),
        seeds=arguments.seeds,
        steps=arguments.steps,
        overrides=arguments.overrides,
    )


def plan_study(arguments: argparse.Namespace) -> int:
    """`reppo plan FILE`: prints what the experiment will cost."""
    with working(f"reading {arguments.file.name}"):
        experiment = _chosen_experiment(arguments)
    with working("planning"):
        from reppo.runtime.cache import use_compilation_cache
        from reppo.runtime.machine import use_all_cores
        from reppo.runtime.timings import Timings
        from reppo.sweep.forecast import forecast, format_forecast, measure
        from reppo.sweep.past import Past
        from reppo.sweep.plan import look_ahead

        path = experiment.results_path(arguments.out)
        use_all_cores(path)
        past = Past(Timings.of_this_machine())
        ahead = look_ahead(experiment, path, arguments.memory, past.needed_bytes)
        planned = forecast(experiment, ahead.batches, ahead.execution, past, ahead.iterations)
    if arguments.probe:
        with working("compiling and timing each program"):
            use_compilation_cache()
            planned = measure(planned, experiment, ahead.batches)
    if arguments.json:
        print(json.dumps(planned.to_json() | {"runs_done": ahead.runs_done}, indent=2))
        return 0
    if not ahead.batches:
        print(fitted(f"All {counted(ahead.runs_done, 'run')} are done in {path}.", sys.stdout))
        return 0
    if ahead.runs_done or any(ahead.iterations.values()):
        said = f"{ahead.runs_done} of {len(experiment.runs())} runs are done in {path}. What is left:"
        print(fitted(said, sys.stdout))
    print(fitted(format_forecast(planned), sys.stdout))
    return 0


def _tracker(arguments: argparse.Namespace, path: Path, console: "AbstractTracker") -> "AbstractTracker":
    from reppo.tracking import Composite, TensorBoard, Wandb

    sinks = [console]
    if arguments.wandb is not None:
        sinks.append(Wandb(arguments.wandb, path, arguments.wandb_project, arguments.wandb_entity))
    if arguments.tensorboard:
        sinks.append(TensorBoard(path))
    return Composite(sinks)


def _print_outcome(results: Any, report: Path) -> None:
    with working("summing up"):
        from reppo.analysis import build_report, format_table, plot_learning_curves, summary_table, write_report
        from reppo.analysis.scores.arms import apart
        from reppo.results import ResultsFolder

        arms, searched = apart(results)
        table = format_table(summary_table(arms), columns(sys.stdout))
    print(table, flush=True)
    if searched:
        print(f"\n{counted(len(searched), 'run')} of settings of searches: in the report, under Four axes")
    with working("writing the report"):
        picture = plot_learning_curves(arms).save(report / "learning_curves.png")
        described = ResultsFolder.open(report.parent).read_experiment()
        questions, thresholds = described.get("questions"), described.get("thresholds")
        contents = build_report(results, title=described["name"], questions=questions, thresholds=thresholds)
        page, *_ = write_report(contents, report)
    print(f"\nReport:          {page}\nLearning curves: {picture}\nResults:         {report.parent}")
