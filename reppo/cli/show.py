"""The commands that say what there is: `reppo list`, `show`, `diff` and `cite`."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from reppo.cli import options
from reppo.cli.parser import Commands
from reppo.cli.terminal import working
from reppo.text import plain, plain_lines


def add_commands(commands: Commands) -> None:
    """Adds the commands."""
    listing = commands.add("list", list_kind, "list what there is")
    listing.add_argument("kind", choices=["ablations", "components", "environments", "metrics", "presets"])
    listing.add_argument("--theme", metavar="THEME", help="only this theme, such as kl; suite, for environments")
    options.add_json(listing)

    show = commands.add("show", show_name, "show an ablation, preset, component, environment or metric")
    show.add_argument("name", metavar="NAME", help="such as kl/no_kl, kl/no_kl+value/mse, gamma=0.9, reppo, HLGauss")
    options.add_base(show)
    options.add_file(show)
    options.add_json(show)

    diff = commands.add("diff", show_difference, "show in what two presets or ablations differ")
    diff.add_argument("a", metavar="A", help="a preset; or ablations of the base, joined by +")
    diff.add_argument("b", metavar="B", help="another")
    options.add_base(diff)
    options.add_file(diff)
    options.add_json(diff)

    cite = commands.add("cite", cite_study, "print the works that an experiment builds on, as BibTeX")
    options.add_study(cite)
    options.add_json(cite)


def list_kind(arguments: argparse.Namespace) -> int:
    """`reppo list KIND`: prints a line for each thing of a kind."""
    with working(f"looking up {arguments.kind}"):
        from reppo.descriptions.entries import list_entries

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


def show_name(arguments: argparse.Namespace) -> int:
    """`reppo show NAME`: prints all there is to say of a thing."""
    show = {
        "ablations": _show_arm,
        "presets": _show_preset,
        "components": _show_component,
        "environments": _show_environment,
        "metrics": _show_metric,
    }
    with working(f"looking up {arguments.name}"):
        options.read_base(arguments, arguments.name)
        from reppo.descriptions import entries

        kind = entries.kind_of(arguments.name, arguments.study)
        data, lines = show[kind](arguments)
    text = plain_lines("\n".join(lines))
    print(json.dumps({"kind": kind.removesuffix("s"), **data}, indent=2) if arguments.json else text)
    return 0


def _show_arm(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from reppo.descriptions import entries
    from reppo.descriptions.found import findings
    from reppo.spec import difference, to_json

    name, ablations = entries.named_arm(arguments.name, arguments.study)
    base, spec = _base(arguments), _spec(arguments.name, arguments)
    changes = difference(base, spec)
    lines = [name]
    for ablation in ablations:
        lines += [
            "",
            f"  {ablation.question}",
            f"  reference  {ablation.reference}",
            f"  expects    {ablation.expects}",
            *(f"  published  {finding.text}" for finding in findings(ablation.name)),
        ]
    lines += ["", f"Difference from {arguments.base} on {arguments.environment}"]
    lines += entries.format_differences(changes, "  ") or ["  none"]
    lines += ["", "Resolved spec (what differs is marked)", *_spec_lines(spec, [path for path, _, _ in changes])]
    data: dict[str, Any] = {
        "name": name,
        "base": arguments.base,
        "environment": arguments.environment,
        "ablations": [
            {"name": one.name, "question": one.question, "touches": list(one.touches)}
            | {"reference": one.reference, "expects": one.expects}
            | {"published": [finding._asdict() for finding in findings(one.name)]}
            for one in ablations
        ],
        "changes": entries.differences_as_json(changes),
        "spec": to_json(spec),
    }
    return data, lines


def _show_preset(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from reppo.descriptions import entries
    from reppo.spec import difference, to_json

    entry = entries.describe_preset(arguments.name)
    base, spec = _base(arguments), _spec(arguments.name, arguments)
    changes = difference(base, spec)
    lines = [arguments.name, "", *(f"  {line}".rstrip() for line in entry["documentation"].splitlines())]
    if arguments.name != arguments.base:
        lines += ["", f"Difference from {arguments.base} on {arguments.environment}"]
        lines += entries.format_differences(changes, "  ") or ["  none"]
    marked = [path for path, _, _ in changes]
    lines += ["", f"Resolved spec on {arguments.environment}", *_spec_lines(spec, marked)]
    data = {**entry, "environment": arguments.environment, "base": arguments.base}
    return data | {"changes": entries.differences_as_json(changes), "spec": to_json(spec)}, lines


def _show_component(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from reppo.descriptions import entries

    entry = entries.describe_component(arguments.name)
    lines = [arguments.name, "", *(f"  {line}".rstrip() for line in entry["documentation"].splitlines())]
    for what, value in (("fills", entry["fills"]), ("filled by", ", ".join(entry["filled_by"]))):
        lines += ["", f"  {what:<9}  {value}"] if value else []
    for one in (*entry["attributes"], *entry["methods"]):
        lines += ["", f"{one['name']}{one['signature']}"]
        lines += [f"  {line}".rstrip() for line in one["documentation"].splitlines()]
    lines += ["", "There already, and yours to replace"] if entry["optional"] else []
    for one in entry["optional"]:
        lines += [f"  {one['name']}{one['signature']}", f"    {one['documentation'].partition(chr(10))[0]}"]
    lines += ["", "Fields"] if entry["fields"] else []
    for field in entry["fields"]:
        default = "no default" if field["default"] is None else field["default"]
        lines.append(f"  {field['name']:<20}  {field['kind']:<6}  {default:<8}  {field['allowed']}".rstrip())
    lines += ["", "Laws, checked by reppo.testing"] if entry["laws"] else []
    width = max(map(len, entry["laws"]), default=0)
    return entry, lines + [f"  {name:<{width}}  {says}" for name, says in entry["laws"].items()]


def _show_environment(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from reppo.descriptions import entries

    entry = entries.describe_environment(arguments.name)
    lines = [arguments.name, "", f"  {entry['summary']}", f"  in a file  {entry['declared']}"]
    lines += [f"  {entry['sizes']}"] if entry["sizes"] else []
    return entry, lines + (["  its physics can be randomized: randomize=True"] if entry["randomizes"] else [])


def _show_metric(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from reppo.descriptions import entries

    entry = entries.describe_metric(arguments.name)
    lines = [arguments.name, "", f"  {entry['summary']}", f"  healthy  {entry['healthy']}"]
    lines += [f"  limit    {entry['limit']}"] if entry["limit"] else []
    share = entry["warn_above"]
    return entry, lines + ([] if share is None else [f"  a report warns where its mean is above {share:g}"])


def _base(arguments: argparse.Namespace) -> Any:
    from reppo.descriptions import entries
    from reppo.spec import resolve

    return resolve(entries.find_start(arguments.base, arguments.environment, arguments.study))


def _spec(name: str, arguments: argparse.Namespace) -> Any:
    from reppo.descriptions import entries

    return entries.find_spec(name, arguments.base, arguments.environment, arguments.study)


def _spec_lines(spec: Any, marked: Sequence[str]) -> list[str]:
    from reppo.descriptions.entries import flat_spec

    lines = []
    for path, text in flat_spec(spec).items():
        changed = any(path == other or path.startswith(f"{other}.") for other in marked)
        lines.append(f"  {'*' if changed else ' '} {path} = {text}")
    return lines


def show_difference(arguments: argparse.Namespace) -> int:
    """`reppo diff A B`: prints in what two specs differ."""
    with working(f"looking up {arguments.a} and {arguments.b}"):
        options.read_base(arguments, arguments.a, arguments.b)
        from reppo.descriptions import entries
        from reppo.spec import difference

        a, b = (_spec(name, arguments) for name in (arguments.a, arguments.b))
        changes = difference(a, b)
    if arguments.json:
        print(json.dumps(entries.differences_as_json(changes), indent=2))
    elif not changes:
        print(f"{arguments.a} and {arguments.b} do not differ on {arguments.environment}.")
    else:
        print(f"- {arguments.a}\n+ {arguments.b}\non {arguments.environment}\n")
        print(plain_lines("\n".join(entries.format_differences(changes))))
    return 0


def cite_study(arguments: argparse.Namespace) -> int:
    """`reppo cite FILE`: prints the works that an experiment builds on."""
    experiment = options.load_study(arguments.file)

    from reppo.descriptions.citations import cite, cited_as_json, format_bibtex

    cited = cite(experiment)
    print(json.dumps(cited_as_json(cited), indent=2) if arguments.json else format_bibtex(cited))
    return 0
