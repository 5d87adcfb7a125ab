"""The works that an experiment builds on, as BibTeX.

A docstring or an ablation's `reference` names a work by its number, such as `arXiv 2507.11019`, or its address; the
works of an experiment are those that its components and ablations name.
"""

import dataclasses
import functools
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, final

from reppo.component import Component
from reppo.environments.suites import all_suites
from reppo.spec import list_paths
from reppo.sweep import Experiment


@final
@dataclasses.dataclass(frozen=True)
class Work:
    """A paper or a program.

    Attributes:
        name: how docstrings name it: `arXiv` and a number, or an address.
        key: its BibTeX key.
        title: its title.
        author: its authors, joined by `and`.
        year: when this version of it appeared.
        published: the conference or journal; empty where there is none besides arXiv.
        bibtex: its entry.
    """

    name: str
    key: str
    title: str
    author: str
    year: int
    published: str
    bibtex: str


def read_works(text: str) -> tuple[Work, ...]:
    """The works of a BibTeX file whose entries have a line for each field."""
    works = []
    for entry in re.findall(r"^@\w+\{.*?^\}", text, re.MULTILINE | re.DOTALL):
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", entry, re.MULTILINE))
        name = f"arXiv {fields['eprint']}" if "eprint" in fields else fields["url"].removeprefix("https://")
        key, title = entry[entry.index("{") + 1 : entry.index(",")], fields["title"].strip("{}")
        published = fields.get("booktitle", "")
        works.append(Work(name, key, title, fields["author"], int(fields["year"]), published, entry))
    return tuple(works)


_OWN = read_works(files("reppo.descriptions").joinpath("works.bib").read_text(encoding="utf-8"))

_EVERY_EXPERIMENT = {
    "written in JAX": "github.com/jax-ml/jax",
    "written in Equinox": "arXiv 2111.00254",
    "statistics of the report": "arXiv 2108.13264",
}


def works() -> tuple[Work, ...]:
    """Every work that a docstring of this library, an ablation of its catalog or a suite of environments names."""
    return _OWN + tuple(work for suite in all_suites() if suite.works for work in _works_of(suite.works))


@functools.cache
def _works_of(file: Path) -> tuple[Work, ...]:
    return read_works(file.read_text(encoding="utf-8"))


def works_in(text: str) -> list[Work]:
    """The works that a text names, in the order of `works`."""
    return [work for work in works() if work.name in text.replace("arXiv:", "arXiv ")]


def cite(experiment: Experiment) -> list[tuple[Work, list[str]]]:
    """The works that an experiment builds on, in the order of `works`, each with what it is cited for.

    What names a work is a component, an ablation or, in every experiment, the toolkit and its report.
    """
    named_by: dict[Work, dict[str, None]] = {}

    def add(what: str, text: str) -> None:
        for work in works_in(text):
            named_by.setdefault(work, {})[what] = None

    for what, text in _EVERY_EXPERIMENT.items():
        add(what, text)
    parts = [part for run in experiment.runs() for part in list_paths(run.spec).values()]
    for component in dict.fromkeys(type(part) for part in parts if isinstance(part, Component)):
        add(component.__name__, component.__doc__ or "")
    for arm in experiment.declared_arms():
        for ablation in arm.arm.ablations:
            add(ablation.name, ablation.reference)
    return [(work, list(named_by[work])) for work in works() if work in named_by]


def format_bibtex(cited: list[tuple[Work, list[str]]]) -> str:
    """A BibTeX file; a comment before each entry says what it is cited for."""
    return "\n\n".join(f"% {', '.join(reasons)}\n{work.bibtex}" for work, reasons in cited)


def cited_as_json(cited: list[tuple[Work, list[str]]]) -> list[dict[str, Any]]:
    """Plain data: the fields of each work, with its BibTeX entry, and what it is cited for."""
    return [dataclasses.asdict(work) | {"cited_for": reasons} for work, reasons in cited]
