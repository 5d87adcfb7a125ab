"""The command that measures what training costs on this machine: `reppo bench`."""

import argparse
import sys
from pathlib import Path

from reppo.cli import options
from reppo.cli.parser import Commands
from reppo.cli.terminal import working


def add_commands(commands: Commands) -> None:
    """Adds the command."""
    bench = commands.add("bench", run_bench, "measure what training costs on this machine, and how that grows")
    bench.add_argument("name", metavar="NAME", help="a preset, ablations of one, or settings: reppo_small+kl/no_kl")
    options.add_base(bench)
    options.add_file(bench)
    bench.add_argument(
        "--axes",
        type=options.names,
        default=["seeds", "environments", "width", "devices"],
        metavar="AXES",
        help="along what it is measured to grow, or none; default: seeds,environments,width,devices",
    )
    bench.add_argument(
        "--repetitions", type=options.count, default=5, metavar="N", help="how often a step is timed; default: 5"
    )
    bench.add_argument("--out", type=Path, default=Path("results/bench"), metavar="DIR", help="default: results/bench")


def run_bench(arguments: argparse.Namespace) -> int:
    """`reppo bench NAME`: prints tables, and writes them; returns 1 if something could not be measured."""
    from reppo.errors import ConfigurationError, require
    from reppo.results.files import check_folder

    kept = arguments.out / "costs.json"
    require(not kept.exists(), f"{str(kept)!r} is there already: give another folder with --out, or remove it.")
    require(arguments.repetitions >= 1, f"--repetitions is {arguments.repetitions}; give at least 1.")
    check_folder(arguments.out)
    with working("loading"):
        import jax

        from reppo.costs.points import measure_points, points_of, tell
        from reppo.costs.table import format_costs, growths
        from reppo.descriptions.entries import find_spec

        jax.config.update("jax_platforms", "cpu")  # an accelerator's memory is for those that measure
        options.read_base(arguments, arguments.name)
        spec = find_spec(arguments.name, arguments.base, arguments.environment, arguments.study)
        arguments.out.mkdir(parents=True, exist_ok=True)
        log = arguments.out / "machine.log"
        try:
            here = tell({}, log)
        except RuntimeError as error:
            raise ConfigurationError(
                f"JAX does not start here: {error}. All that it said is in {str(log)!r}."
            ) from None
        points = points_of(spec, [] if arguments.axes == ["none"] else arguments.axes, here["devices"])
    facts = {"name": arguments.name, "environment": spec.environment.name, "machine": here["machine"]}
    try:
        data = measure_points(facts, points, arguments.out, arguments.repetitions, arguments.file)
    except KeyboardInterrupt:
        print(f"\nreppo: interrupted. What was measured until now is in {str(arguments.out)!r}.", file=sys.stderr)
        return 130
    print(f"\n{format_costs(data)}\nNumbers: {arguments.out / 'costs.json'}")
    if grown := growths(data):
        from reppo.analysis.figures import plot_growth

        print(f"Figure:  {plot_growth(arguments.name, grown).save(arguments.out / 'costs.png')}")
    return int(any("fault" in point for point in data["points"]))
