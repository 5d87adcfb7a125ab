"""Suites and their tasks: length of episodes, rewards, sizes."""

import functools
import importlib

from reppo.analysis.curves.published import published, published_variants
from reppo.descriptions.entries import Entry, describe_environment
from reppo.environments.suites import Suite, all_suites
from reppo.text import counted
from writers.markdown import blocks, bullets, code, heading, prose, text


def write() -> str:
    """Every task: a section a suite, one a family within."""
    return blocks(*map(_suite, all_suites()))


def _suite(suite: Suite) -> str:
    entries = [describe_environment(name) for name in suite.tasks]
    packages = ", ".join(code(f"{name}=={version}") for name, version in suite.packages.items())
    says = importlib.import_module(suite.module.rpartition(".")[0]).__doc__ or ""
    parts = [
        f"## {text(suite.name)}",
        prose(says.strip()),
        bullets(
            f"In a file: {code(entries[0]['declared'])}",
            f"Packages: {packages}" if packages else "Needs no package.",
            f"Setting of the time limit: {code(suite.horizon_setting)}" if suite.horizon_setting else "",
            f"Refused: {', '.join(map(code, suite.refused))}" if suite.refused else "",
        ),
    ]
    for family in dict.fromkeys(entry["family"] for entry in entries):
        own = [entry for entry in entries if entry["family"] == family]
        parts += [f"### {text(suite.name)}: {text(family)}", *map(_task, own)]
    return blocks(*parts)


def _task(entry: Entry) -> str:
    rewards = entry["reward_range"]
    facts = [
        counted(entry["horizon"], "step"),
        "range of rewards not known" if rewards is None else "rewards {:.4g} to {:.4g}".format(*rewards),
        text(entry["sizes"]) or "sizes known once it is made",
        "physics can be randomized" if entry["randomizes"] else "",
        f"needs the {text(entry['needs'])}" if entry["needs"] else "",
        "[published curves](../published.md)" if entry["name"] in _published() else "",
    ]
    return blocks(heading(4, entry["name"]), "; ".join(fact for fact in facts if fact) + ".")


@functools.cache
def _published() -> set[str]:
    """The tasks of which curves are published."""
    return {one.environment for variant in published_variants() for one in published(variant)}
