"""Every work that the sources name can be cited, and an experiment cites what it is made of."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ablations
import reppo
from ablations.normalization import layer_norm
from ablations.value import two_hot
from reppo import environments, presets
from reppo.descriptions.citations import cite, format_bibtex, works, works_in
from reppo.sweep import Experiment

ROOT = Path(reppo.__path__[0]).parent

SOURCES = {path: path.read_text() for package in (reppo, ablations) for path in Path(package.__path__[0]).rglob("*.py")}

WORKS = works()


def study(*arms, task="Pendulum-v1"):
    task = environments.gymnax(task) if task == "Pendulum-v1" else environments.playground(task)
    return Experiment(name="study", base=presets.reppo_small, environments=[task], arms=arms, steps=1000)


def cited(experiment):
    return {work.key: reasons for work, reasons in cite(experiment)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_number_in_the_sources_can_be_cited(path):
    numbers = set(re.findall(r"arXiv[: ]([0-9]{4}\.[0-9]{4,5})", SOURCES[path]))
    assert numbers <= {work.name.removeprefix("arXiv ") for work in WORKS}


def test_no_work_is_listed_in_vain():
    named = {work.key for work in works_in("\n".join(SOURCES.values()))}
    assert {work.key for work in WORKS} == named | set(cited(study()))


def test_keys_and_names_are_unique():
    assert len({work.key for work in WORKS}) == len({work.name for work in WORKS}) == len(WORKS)


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.key)
def test_entries_are_well_formed(work):
    entry = work.bibtex
    assert entry.count("{") == entry.count("}")
    assert re.fullmatch(r"@(misc|inproceedings)\{" + work.key + r",\n(  [a-z]+ = \{.+\},\n)+\}", entry)
    assert work.key.startswith(re.sub("[^a-z]", "", work.author.split(",")[0].lower()))


def test_both_spellings_name_a_work():
    assert [work.key for work in works_in("Kingma & Ba 2015, arXiv 1412.6980")] == ["kingma2015adam"]
    assert works_in("(arXiv:1412.6980)") == works_in("arXiv 1412.6980")


def test_an_experiment_cites_its_components_its_suite_and_its_ablations():
    base = cited(study())
    assert "SoftLambda" in base["voelcker2026relative"]
    assert base["imani2018improving"] == ["HLGauss"]
    assert base["lange2022gymnax"] == ["GymnaxTask"]
    assert "ba2016layer" not in base
    assert "zakka2025mujoco" not in base
    assert cited(study(task="CartpoleBalance"))["zakka2025mujoco"] == ["PlaygroundTask"]
    arms = cited(study(layer_norm, two_hot))
    assert arms["ba2016layer"] == ["LayerNorm"]
    assert arms["schrittwieser2019mastering"] == ["TwoHot"]
    assert "value/two_hot" in arms["farebrother2024stop"]


def test_every_experiment_cites_its_tools_and_statistics():
    assert {"bradbury2018jax", "kidger2021equinox", "agarwal2021deep"} <= set(cited(study()))


def test_the_command_prints_bibtex_or_json():
    file = str(ROOT / "experiments/quickstart.py")
    command = [sys.executable, "-m", "reppo.cli", "cite", file]
    printed, data = (
        subprocess.run(command + options, capture_output=True, text=True, check=True).stdout
        for options in ([], ["--json"])
    )
    entries = json.loads(data)
    assert printed.strip() == "\n\n".join(f"% {', '.join(one['cited_for'])}\n{one['bibtex']}" for one in entries)
    assert "value/mse" in entries[0]["cited_for"]


def test_a_comment_says_what_a_work_is_cited_for():
    assert format_bibtex(cite(study())).startswith("% Reppo, ")
