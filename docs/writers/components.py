"""Components by slot: what fills it, which laws it is held to, and the fields of each."""

import importlib
import inspect
from collections.abc import Collection

from reppo.component import Component, concrete_components
from reppo.descriptions.documentation import body, laws
from reppo.descriptions.entries import Entry, describe_component, list_entries
from reppo.environments import AbstractEnvironmentSpec
from writers.markdown import blocks, bullets, code, heading, link, prose, text

KINDS = {"scalar": "scalar, traced", "static": "static", "slot": "slot"}


def write() -> str:
    """Every slot with what fills it, by the part of the library that it belongs to."""
    library = {name for name, cls in Component.registry.items() if cls.__module__.startswith("reppo.")}
    components = {entry["name"]: entry for entry in list_entries("components") if entry["name"] in library}
    slots = {name: describe_component(name) for name in _slots()}
    parts = []
    themes = dict.fromkeys(entry["theme"] for entry in [*slots.values(), *components.values()])
    for theme in sorted(themes, key=lambda theme: theme != "algorithms"):
        parts.append(f"## {theme}")
        for name, slot in slots.items():
            if slot["theme"] == theme:
                parts.append(_slot(slot, components))
                parts += [_component(one, slots) for one in components.values() if one["fills"] == name]
        parts += [_component(one, slots) for one in components.values() if one["theme"] == theme and not one["fills"]]
    others = [blocks(heading(3, name), _laws(held)) for name, held in laws().items() if name not in slots]
    return blocks(*parts, "## What fills no slot", *others)


def _slots() -> list[str]:
    """The library's slots, by the names of their abstract classes."""
    built = concrete_components()
    return [
        name
        for name, cls in Component.registry.items()
        if name not in built and not issubclass(cls, AbstractEnvironmentSpec) and cls.__module__.startswith("reppo.")
    ]


def _slot(entry: Entry, components: dict[str, Entry]) -> str:
    name = entry["name"]
    stands = [
        f"{link(other)} as {code(field['name'])}"
        for other, one in components.items()
        for field in one["fields"]
        if field["takes"] == name
    ]
    return blocks(
        heading(3, name),
        _documentation(name),
        bullets(
            f"Filled by {', '.join(link(other) for other in entry['filled_by'] if other in components)}",
            f"A slot of {', '.join(stands)}" if stands else "",
            f"Methods: {_reference(name)}",
        ),
        _laws(entry["laws"]),
    )


def _laws(held: dict[str, str]) -> str:
    """The laws of a slot, as a list."""
    items = [f"**{text(law)}**: {prose(says)}" for law, says in held.items()]
    return blocks("Laws, to which `reppo.testing` holds it:", bullets(*items)) if items else ""


def _component(entry: Entry, slots: Collection[str]) -> str:
    name = entry["name"]
    return blocks(
        heading(4, name),
        _documentation(name),
        bullets(
            *(_field(field, slots) for field in entry["fields"]), f"Source: {_reference(name)} in {code(_file(name))}"
        ),
    )


def _field(field: Entry, slots: Collection[str]) -> str:
    kind = f"slot of {link(field['takes'])}" if field["takes"] in slots else KINDS[field["kind"]]
    default = "no default" if field["default"] is None else f"default {code(field['default'])}"
    facts = [kind, prose(field["allowed"]), default]
    return f"{code(field['name'])} ({'; '.join(fact for fact in facts if fact)}): {prose(field['says'])}"


def _documentation(name: str) -> str:
    return prose(body(Component.registry[name]))


def _reference(name: str) -> str:
    """A component in the reference, or its name where that does not have it."""
    cls = Component.registry[name]
    public = ".".join(cls.__module__.split(".")[:2])
    has = getattr(importlib.import_module(public), name, None) is cls
    return f"[{code(name)}][{public}.{name}]" if has else code(name)


def _file(name: str) -> str:
    """The file of a component, from the folder of its package's."""
    cls = Component.registry[name]
    package = cls.__module__.partition(".")[0]
    file = inspect.getfile(cls)
    return file[file.rindex(f"/{package}/") + 1 :]
