"""The pages of the documentation that are written from the code: whole, not empty, and without a link to nowhere."""

import dataclasses
import html
import importlib
import re
import types
from pathlib import Path

import pytest

from reppo import presets
from reppo.ablation import all_ablations
from reppo.component import Component, concrete_components
from reppo.descriptions.documentation import laws
from reppo.descriptions.entries import find_environment, find_preset, flat_spec
from reppo.descriptions.metrics import all_metrics
from reppo.environments import AbstractEnvironmentSpec as EnvironmentSpec
from reppo.environments.suites import all_suites, default_task
from reppo.spec import resolve

DOCS = Path(__file__).parents[2] / "docs"
HEADING = re.compile(r"^#{2,4} `(.+)` \{ #(\S+) \}$", re.MULTILINE)


@pytest.fixture(scope="module")
def hooks():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        return importlib.import_module("hooks")


@pytest.fixture(scope="module")
def markdown(hooks):
    return importlib.import_module("writers.markdown")


@pytest.fixture(scope="module")
def pages(hooks):
    """Each page as the site has it, by its place in the folder."""

    def written(uri):
        page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri=uri))
        return hooks.on_page_markdown((DOCS / uri).read_text(), page=page, config=None, files=None)

    assert written("index.md") == (DOCS / "index.md").read_text()
    return {uri: written(uri) for uri in hooks.PAGES}


def library(cls):
    return cls.__module__.startswith("reppo.") and not issubclass(cls, EnvironmentSpec)


CONTENTS = {
    "ablations": lambda: all_ablations(),
    "components": lambda: {name for name, cls in Component.registry.items() if library(cls)} | set(laws()),
    "environments": lambda: [name for suite in all_suites() for name in suite.tasks],
    "metrics": lambda: all_metrics(),
    "presets": lambda: presets.__all__,
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_every_entry_has_one_heading_and_its_name_for_an_anchor(pages, markdown, kind):
    found = HEADING.findall(pages[f"catalog/{kind}.md"])
    names = [name for name, _ in found]
    assert sorted(names) == sorted(CONTENTS[kind]()) and len(names) == len(set(names))
    for name, anchor in found:
        assert anchor == markdown.anchor(name) and (anchor == name or "<" in name)


def test_nothing_is_empty(pages):
    for uri, page in pages.items():
        assert "<!--" not in page and len(page) > 2000, uri
        parts = re.split(r"^#+ .*$", re.sub(r"^```.*?^```$", "code", page, flags=re.M | re.S), flags=re.MULTILINE)
        headings = re.findall(r"^(#+) .*$", re.sub(r"^```.*?^```$", "code", page, flags=re.M | re.S), re.MULTILINE)
        for i, level in enumerate(headings):
            only_a_title = i + 1 < len(headings) and len(headings[i + 1]) > len(level)
            assert parts[i + 1].strip() or only_a_title, (uri, i)
        lines = page.splitlines()
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            assert not re.match(r"\s*- .*:\s*$", line) or following.startswith("    - "), (uri, line)
            assert "****" not in line and "``" not in line.replace("```", ""), (uri, line)


def anchors_of(uri, pages):
    text = pages.get(uri) or (DOCS / uri).read_text()
    titles = re.findall(r"^#+ (.*?)(?: \{ #\S+ \})?$", text, re.MULTILINE)
    slugs = {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}
    return slugs | {anchor for _, anchor in HEADING.findall(text)}


def test_every_link_within_the_documentation_leads_somewhere(pages):
    for uri in [*pages, "catalog.md"]:
        text = pages.get(uri) or (DOCS / uri).read_text()
        links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("https://")]
        assert links, uri
        for link in links:
            place, _, anchor = link.partition("#")
            target = (DOCS / uri).parent / place if place else DOCS / uri
            assert target.is_file(), (uri, link)
            inside = target.resolve().relative_to(DOCS.resolve()).as_posix()
            assert not anchor or anchor in anchors_of(inside, pages), (uri, link)


def test_what_the_reference_is_asked_for_is_public(pages):
    asked = re.findall(r"\]\[([\w.]+)\]", pages["catalog/components.md"])
    assert len(asked) > 100
    for name in asked:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def entry(page, name):
    return page.split(f"` {{ #{name} }}\n")[1].split("\n#")[0]


def test_an_ablation_says_what_it_changes_where_and_what_was_found(pages):
    page = pages["catalog/ablations.md"]
    for name, one in all_ablations().items():
        text = html.unescape(entry(page, name))
        assert one.question in text and f"Expected: {one.expects}" in text and "- Found: " in text
        assert all(path.removeprefix("algorithm.") in text or "does not fit" in text for path in one.touches), name
    text = entry(page, "kl/no_kl")
    assert (
        "On every preset of [`Reppo`](components.md#Reppo):" in text
        and "from reppo.ablations import kl`, then `kl.no_kl`" in text
    )
    assert "`actor_loss.objective`: [`ClippedKL`](components.md#ClippedKL) → `Unconstrained()`" in text
    assert "reppo-large/no-kl: 541; reppo-large: 876 (23 tasks)" in text
    text = entry(page, "kl/sampled")
    assert "not measured yet" in text and "reppo-large" not in text
    assert "[`reppo_reference`](presets.md#reppo_reference): nothing to change, it is so already" in entry(
        page, "policy/floor"
    )
    assert re.search(r"\(presets\.md#reppo_humanoid\)[^\n]*: does not fit\.", entry(page, "value/tight_support"))


def test_a_component_says_its_slot_its_fields_and_its_laws(pages):
    page = pages["catalog/components.md"]
    for name, cls in concrete_components().items():
        if library(cls):
            assert all(f"- `{field.name}` (" in entry(page, name) for field in dataclasses.fields(cls)), name
    gate = html.unescape(entry(page, "AbstractGate"))
    assert "[`NoGate`](#NoGate), [`PerBatch`](#PerBatch), [`PerState`](#PerState)" in gate
    assert "[`PathwiseLoss`](#PathwiseLoss) as `gate`" in gate
    assert "- **monotone**: a higher bound closes no state" in gate
    loss = html.unescape(entry(page, "SoftLambda"))
    assert "- `lam` (scalar, traced; in [0, 1]; default `0.95`): lambda" in loss
    assert "- `width` (static; at least 1; default `512`)" in entry(page, "Actor")
    assert "(slot of [`AbstractGate`](#AbstractGate); default `PerState()`)" in entry(page, "PathwiseLoss")


def test_a_task_says_its_length_rewards_and_sizes(pages):
    page = pages["catalog/environments.md"]
    assert "200 steps; rewards -16.27 to 0; observes 3 numbers, acts with 1." in entry(page, "Pendulum-v1")
    assert "the critic 2" in entry(page, "PrivilegedValue")
    assert "observes 4 numbers, chooses among 2 actions." in entry(page, "CartPole-v1")
    assert "observes an image of 10 x 10 x 4, chooses among 3 actions." in entry(page, "Breakout-MinAtar")
    assert "sizes known once it is made" in entry(page, "Go1Getup") and "needs the robots' models" in entry(
        page, "Go1Getup"
    ).replace("&#39;", "'")
    assert "[published curves](../published.md)" in entry(page, "CheetahRun")


def test_presets_stand_side_by_side_and_differences_are_marked(pages):
    page = pages["catalog/presets.md"]
    task = find_environment(default_task())
    specs = {name: flat_spec(resolve(find_preset(name)(task))) for name in presets.__all__}
    rows = dict(re.findall(r"^<tr><th><code>(.*?)</code></th>(.*)</tr>$", page, re.MULTILINE))
    paths = {path for spec in specs.values() for path in spec if not path.startswith("environment")}
    assert {path.removeprefix("algorithm.") for path in paths} == rows.keys()
    for path in paths:
        cells = re.findall(
            r'<td class="(\w+)" data-preset="(\w+)">(?:<code>)?(.*?)(?:</code>)?</td>',
            rows[path.removeprefix("algorithm.")],
        )
        assert {preset for _, preset, _ in cells} == specs.keys()
        for kind, preset, value in cells:
            assert html.unescape(value) == specs[preset].get(path, "-")
            differs = specs[preset].get(path) != specs["reppo"].get(path)
            assert kind == ("base" if preset == "reppo" else "other" if differs else "same")


def test_a_metric_says_what_is_healthy_and_when_a_report_warns(pages):
    page = pages["catalog/metrics.md"]
    for name, metric in all_metrics().items():
        assert "- Healthy: " in entry(page, name.replace("<name>", "-name-"))
        assert ("- Watched: " in entry(page, name.replace("<name>", "-name-"))) == (metric.watched is not None)
    assert "above 0.01" in entry(page, "targets/outside_support") and "`kl_bound`" in entry(page, "actor/kl")


@pytest.mark.parametrize(
    "words", ["a|b", "*a* _b_ [c](d) <e> &amp; \\f", "`", "# g", "$h$", "!!! note", "{ #i }", "~~j~~ ==k==", "plain"]
)
def test_names_and_questions_are_text(markdown, words):
    written = markdown.text(words)
    assert html.unescape(written) == words
    assert not re.search(r"[*_\[\]<>`|$\\~^{}]", written) and not re.search(r"&(?!#\d+;)|#(?!\d+;)", written)


def test_code_holds_backticks_and_prose_keeps_code_and_links(markdown):
    assert markdown.code("a") == "`a`" and markdown.code("a`b") == "``a`b``" and markdown.code("`a") == "`` `a ``"
    assert markdown.code("a\n\n# b") == "`a # b`"
    assert markdown.prose("the `a_b` of c_d") == "the `a_b` of c&#95;d"
    assert markdown.prose("arXiv 2507.11019, p. 3") == "[arXiv 2507.11019](https://arxiv.org/abs/2507.11019), p. 3"
    assert markdown.prose("(github.com/a/b_c)") == "([github.com/a/b&#95;c](https://github.com/a/b_c))"
    assert markdown.anchor("kl/no_kl") == "kl/no_kl" and markdown.anchor('a b"}<c>') == "a-b---c-"
