"""The commands that read results and look after them: `reppo report`, `compare`, `power`, `status`, `inspect`, `gc`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from reppo.cli import options
from reppo.cli.parser import Commands
from reppo.cli.terminal import working
from reppo.errors import ConfigurationError, require
from reppo.text import plain


def add_commands(commands: Commands) -> None:
    """Adds the commands."""
    report = commands.add("report", run_report, "what an experiment has shown: a page, figures and tables")
    report.add_argument("folder", type=Path, metavar="DIR", help="a results folder, such as results/quickstart")
    report.add_argument(
        "--against",
        type=options.names,
        default=[],
        metavar="A,B",
        help="set beside published curves: published:reppo-large",
    )
    report.add_argument("--format", type=options.names, default=["html"], metavar="A,B", help="html, md, latex, csv")
    report.add_argument(
        "--figures", type=options.names, default=[], metavar="A,B", help="figures as files: png, svg, pdf"
    )
    report.add_argument("--out", type=Path, metavar="DIR", help="where to; default: DIR/report")
    report.add_argument(
        "--scale", default="auto", choices=["auto", "none"], help="of scores; none: returns as they are"
    )
    _add_bounds(report)
    _add_base(report)

    compare = commands.add("compare", run_compare, "compare the arms that two experiments have in common")
    compare.add_argument("first", type=Path, metavar="DIR_A", help="the folder of an experiment")
    compare.add_argument("second", type=Path, metavar="DIR_B", help="the folder of another: differences are B minus A")
    compare.add_argument("--csv", type=Path, metavar="FILE", help="write the differences as tidy CSV")
    _add_bounds(compare)

    power = commands.add("power", run_power, "how many seeds an effect needs, from the variance seen so far")
    options.add_folder(power)
    power.add_argument(
        "--effect", type=float, required=True, metavar="X",
        help="the smallest difference worth finding, as a share of each task's scale: 0.05 is 5%%",
    )  # fmt: skip
    power.add_argument("--power", type=float, default=0.8, metavar="P", help="chance to find it; default: 0.8")
    power.add_argument("--level", type=float, default=0.05, metavar="P", help="of the test; default: 0.05")
    power.add_argument("--looks", type=int, default=1, metavar="N", help="tests while seeds are added; default: 1")
    power.add_argument(
        "--continue", dest="go_on", action="store_true",
        help="take the next of these looks: whether to stop, or how many seeds to add",
    )  # fmt: skip
    power.add_argument("--tasks", action="store_true", help="each task, too")
    _add_bounds(power)
    _add_base(power)

    status = commands.add("status", run_status, "how far the runs of an experiment are, and who writes to its folder")
    options.add_folder(status)
    options.add_json(status, "as JSON, each run and each session")

    inspect = commands.add("inspect", run_inspect, "what a run is, how it ended, and its last metrics")
    options.add_run(inspect)
    options.add_json(inspect)

    gc = commands.add("gc", run_gc, "remove what a folder of results no longer needs, after asking")
    options.add_folder(gc)
    gc.add_argument(
        "--finished", action="store_true", help="checkpoints of finished runs too: only more steps need them"
    )
    gc.add_argument("--yes", action="store_true", help="do not ask")


def _add_base(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base", default="base", metavar="ARM", help="the arm to compare with; default: base")


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bounds", action="append", default=[], metavar="TASK=LOW:HIGH",
        help="the lowest and the highest return of a task, such as MyTask=-1500:0; may be repeated",
    )  # fmt: skip


def run_report(arguments: argparse.Namespace) -> int:
    """`reppo report DIR`: writes the report and says where it is."""
    from reppo.results import ResultsFolder
    from reppo.results.files import check_folder

    out = arguments.out or arguments.folder / "report"
    ResultsFolder.open(arguments.folder)  # the reading of all runs comes after what is cheap to check
    check_folder(out)
    with working("reading results"):
        from reppo.analysis.report.build import load_report
        from reppo.analysis.report.write import check_formats, write_report
        from reppo.analysis.scores.bounds import parse_bounds

        check_formats(arguments.format, arguments.figures)
        bounds = dict(map(parse_bounds, arguments.bounds))
        report = load_report(
            arguments.folder, base=arguments.base, against=arguments.against, scale=arguments.scale, bounds=bounds
        )
    with working("writing the report"):
        files = write_report(report, out, arguments.format, arguments.figures)
    lines = [report.question, report.summary]
    lines += [f"{i:>3}. {finding.arm} {finding.sentence}" for i, finding in enumerate(report.findings, 1)]
    lines += [f"  ! {caveat}" for caveat in report.caveats]
    print("\n".join(map(plain, [*lines, ""])))
    print(f"Report: {files[0]}" if len(files) == 1 else f"Report: {files[0]} and {len(files) - 1} more files")
    return 0


def run_compare(arguments: argparse.Namespace) -> int:
    """`reppo compare DIR_A DIR_B`: prints the differences of what both have."""
    from reppo.results import ResultsFolder, load_results
    from reppo.results.files import check_folder, write_atomically

    for folder in (arguments.first, arguments.second):
        ResultsFolder.open(folder)
    if arguments.csv:
        check_folder(arguments.csv.parent)
    with working("reading results"):
        from reppo.analysis.scores.arms import apart
        from reppo.analysis.scores.bounds import parse_bounds
        from reppo.analysis.tables.comparison import compare_results

        bounds = dict(map(parse_bounds, arguments.bounds))
        first, second = (apart(load_results(folder))[0] for folder in (arguments.first, arguments.second))
        found = compare_results(first, second, bounds=bounds)
    print(found)
    if arguments.csv:
        write_atomically(arguments.csv, found.differences.to_csv().encode())
        print(f"\nDifferences: {arguments.csv}")
    return 0


def run_power(arguments: argparse.Namespace) -> int:
    """`reppo power DIR --effect 0.05`: prints how many seeds each comparison needs, or takes the next look."""
    from reppo.results import ResultsFolder, load_results

    ResultsFolder.open(arguments.folder)
    with working("reading results"):
        from reppo.analysis.scores.arms import apart
        from reppo.analysis.scores.bounds import parse_bounds
        from reppo.analysis.tables.power import power_table

        results = apart(load_results(arguments.folder))[0]
    asked: dict[str, Any] = {name: getattr(arguments, name) for name in ("base", "power", "level", "looks")}
    asked["bounds"] = dict(map(parse_bounds, arguments.bounds))
    if arguments.go_on:
        require(not arguments.tasks, "--continue tests arms over all tasks; leave out --tasks.")
        from reppo.analysis.tables.looks import next_look

        print(next_look(arguments.folder, results, arguments.effect, **asked))
        return 0
    with working("counting seeds"):
        table = power_table(results, arguments.effect, tasks=arguments.tasks, **asked)
    require(
        len(table) > 0,
        f"{arguments.folder} has no arm with two seeds or more in common with {arguments.base!r}, so no variance is "
        "known. Run a second seed, or name another arm with --base.",
    )
    print(table)
    return 0


def run_status(arguments: argparse.Namespace) -> int:
    """`reppo status DIR`: prints how far its runs are."""
    from reppo.results.status import format_status, read_status

    status = read_status(arguments.folder)
    print(json.dumps(status.to_json(), indent=2) if arguments.json else format_status(status))
    return 0


def run_inspect(arguments: argparse.Namespace) -> int:
    """`reppo inspect RUN`: prints what a run is, how it ended, and its last metrics."""
    from reppo.results import open_run
    from reppo.results.inspection import format_inspection, inspect_run

    found = inspect_run(open_run(arguments.run))
    print(json.dumps(found, indent=2) if arguments.json else format_inspection(found))
    return 0


def run_gc(arguments: argparse.Namespace) -> int:
    """`reppo gc DIR`: lists what is superfluous, asks, and removes it."""
    from reppo.results import ResultsFolder
    from reppo.results.formatting import human_bytes
    from reppo.results.lock import only_process
    from reppo.results.status import read_holders

    folder = ResultsFolder.open(arguments.folder)
    with only_process(folder.path):
        for holder in read_holders(folder).values():
            raise ConfigurationError(f"{str(folder.path)!r} is being worked on: {holder}. Wait until it ends.")
        from reppo.sweep.garbage import find_garbage, remove

        found = find_garbage(folder)
        chosen = [item for item in found if arguments.finished or not item.to_extend]
        rest = [item for item in found if item not in chosen]
        for item in chosen:
            print(f"{human_bytes(item.bytes):>9}  {item.path.relative_to(folder.path)}: {item.reason}")
        total = human_bytes(sum(item.bytes for item in chosen))
        if not chosen:
            print("Nothing is superfluous.")
        if rest:
            print(
                f"Checkpoints of finished runs, which only more steps need: {len(rest)}, "
                f"{human_bytes(sum(item.bytes for item in rest))}. To remove them too: --finished"
            )
        if not chosen:
            return 0
        if not arguments.yes:
            require(sys.stdin is not None and sys.stdin.isatty(), "There is nobody to ask: --yes removes it without.")
            if input(f"Remove {total}? [y/N] ").strip().lower() not in ("y", "yes"):
                print("Nothing was removed.")
                return 0
        remove(chosen)
        print(f"Removed {total}.")
    return 0
