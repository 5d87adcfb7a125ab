"""Presets: what each is, and all slots side by side."""

import html

from reppo import presets
from reppo.descriptions.documentation import body
from reppo.descriptions.entries import find_environment, find_preset, flat_spec
from reppo.environments.suites import default_task
from reppo.spec import difference, format_value, resolve
from writers.markdown import blocks, bullets, code, heading, link, prose

BASE = "reppo"


def write() -> str:
    """Every preset with its differences from the first of its algorithm, then a table."""
    task = find_environment(default_task())
    order = [BASE, *(name for name in presets.__all__ if name != BASE)]
    specs = {name: find_preset(name)(task) for name in order}
    order = sorted(order, key=lambda name: type(specs[name].algorithm) is not type(specs[BASE].algorithm))
    parts = []
    for name in order:
        first = next(one for one in order if type(specs[one].algorithm) is type(specs[name].algorithm))
        changes = [
            f"{code(path.removeprefix('algorithm.'))}: {code(format_value(before))} → {code(format_value(after))}"
            for path, before, after in difference(specs[first], specs[name])
        ]
        parts += [heading(2, name), prose(body(find_preset(name)))]
        parts += [f"Differs from {link(first)} in:", bullets(*changes)] if changes else []
    table = _table({name: flat_spec(resolve(specs[name])) for name in order})
    return blocks(*parts, "## Side by side", _note(default_task()), table)


def _note(task: str) -> str:
    return (
        f"Resolved on {link(task, 'environments.md')}: the support of values and the scale of rewards follow from the "
        "task. Marked is what differs from the first."
    )


def _table(specs: dict[str, dict[str, str]]) -> str:
    """All paths, a column a preset. On a narrow screen a path is a block that lists the base and what differs."""
    paths = dict.fromkeys(path for spec in specs.values() for path in spec if not path.startswith("environment"))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in specs)
    rows = []
    for path in sorted(paths, key=_slot_first):
        cells = []
        for name, spec in specs.items():
            value, same = spec.get(path), name != BASE and spec.get(path) == specs[BASE].get(path)
            shown = "-" if value is None else f"<code>{html.escape(value)}</code>"
            kind = "same" if same else "base" if name == BASE else "other"
            cells.append(f'<td class="{kind}" data-preset="{html.escape(name)}">{shown}</td>')
        label = path.removeprefix("algorithm.")
        rows.append(f"<tr><th><code>{html.escape(label)}</code></th>{''.join(cells)}</tr>")
    lines = ['<div class="presets"><table>', f"<thead><tr><th>path</th>{head}</tr></thead>", "<tbody>", *rows]
    return "\n".join([*lines, "</tbody>", "</table></div>"])


def _slot_first(path: str) -> tuple[str, ...]:
    """Sorts what is below a slot behind it, presets together."""
    return tuple(path.split("."))
