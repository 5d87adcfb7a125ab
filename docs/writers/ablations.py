"""The catalog of ablations: what each asks, what it changes on every preset, what was found."""

import importlib
from typing import Any

from reppo import presets
from reppo.ablation import Ablation, all_ablations
from reppo.component import Component
from reppo.descriptions.entries import Entry, describe_ablation, find_environment, find_preset
from reppo.descriptions.found import findings
from reppo.environments.suites import default_task
from reppo.errors import ConfigurationError
from reppo.spec import Spec, difference, format_value, validate
from writers.markdown import blocks, bullets, code, heading, link, prose, text


def write() -> str:
    """Every ablation: a section a theme."""
    known = all_ablations()
    task = find_environment(default_task())
    specs = {name: find_preset(name)(task) for name in presets.__all__}
    parts, theme = [], None
    for name, ablation in known.items():
        if ablation.theme != theme:
            theme = ablation.theme
            names = [other for other, one in known.items() if one.theme == theme]
            parts += [f"## {theme}", text(_says(ablation)), ", ".join(link(other) for other in names)]
        parts.append(_entry(describe_ablation(name), ablation, specs))
    return blocks(*parts)


def _says(ablation: Ablation) -> str:
    """What the file of an ablation says of its theme."""
    return importlib.import_module(ablation.transform.__module__).__doc__ or ""


def _entry(entry: Entry, ablation: Ablation, specs: dict[str, Spec]) -> str:
    module, function = ablation.transform.__module__, ablation.transform.__name__
    catalog = module.removeprefix("reppo.").removeprefix("ablations.")
    declared = f"from reppo.ablations import {catalog}" if module != catalog else f"from {module} import {function}"
    used = f"{catalog}.{function}" if module != catalog else function
    return blocks(
        heading(3, entry["name"]),
        f"**{prose(entry['question'])}**",
        prose(entry["does"]),
        bullets(
            f"Expected: {entry['expects']}",
            _found(entry["name"]),
            f"Source: {prose(entry['reference'])}",
            f"In a file: {code(declared)}, then {code(used)}",
            *_changes(ablation, specs),
        ),
    )


def _changes(ablation: Ablation, specs: dict[str, Spec]) -> list[str]:
    """What stands where before and after, presets with the same changes together; and on which it does not go."""
    grouped: dict[str, list[str]] = {}
    for preset, spec in specs.items():
        grouped.setdefault(_on(ablation, spec), []).append(preset)
    return [f"On {_presets(names, specs)}:{what}" for what, names in grouped.items()]


def _on(ablation: Ablation, spec: Spec) -> str:
    try:
        after = ablation.transform(spec)
        changes = difference(spec, after)
        validate(after)
    except ConfigurationError as error:
        return f" does not fit. {text(str(error).partition('. ')[0])}."
    lines = [
        f"\n    - {code(path.removeprefix('algorithm.'))}: {_before(before)} → {code(format_value(after))}"
        for path, before, after in changes
    ]
    return "".join(lines) or " nothing to change, it is so already"


def _before(value: Any) -> str:
    """What is replaced: a number, or the name of a component, whose fields are those of the preset."""
    if isinstance(value, Component):
        return link(type(value).__name__, "components.md")
    return code(format_value(value))


def _presets(names: list[str], specs: dict[str, Spec]) -> str:
    if len(names) == len(specs):
        return "every preset"
    algorithms = {name: type(spec.algorithm) for name, spec in specs.items()}
    of_one = [name for name in specs if algorithms[name] is algorithms[names[0]]]
    if names == of_one:
        return f"every preset of {link(algorithms[names[0]].__name__, 'components.md')}"
    return ", ".join(link(name, "presets.md") for name in names)


def _found(name: str) -> str:
    found = findings(name)
    if not found:
        return "Found: not measured yet"
    lines = [f"\n    - {text(one.text)}" for one in found]
    where = "[published by the authors of REPPO](../published.md#what-they-tell), final return, unpaired"
    return f"Found: {where}{''.join(lines)}"
