"""The API pages show what is public: each name on exactly one page, with what has to be known to use it."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import griffe
import pytest

import reppo
from reppo.component import concrete_components
from reppo.descriptions.citations import works_in

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "api").glob("*.md"))


@pytest.fixture(scope="module")
def library():
    """The library as its source reads; nothing of it is run."""
    return griffe.load("reppo", search_paths=[str(ROOT)], docstring_parser="google")


def at(library: griffe.Object, path: str) -> griffe.Object:
    found = library
    for name in path.split(".")[1:]:
        found = found[name]
    return found.final_target if found.is_alias else found


def of_the_library(member: griffe.Object | griffe.Alias) -> bool:
    return not member.is_alias or str(member.target_path).startswith("reppo.")


def shown(library: griffe.Object, page: Path) -> Iterator[tuple[str, list[str]]]:
    """The directives of a page, each with the paths of what it shows, by the rules of mkdocstrings.

    Of a module those members are shown that have documentation and are in `__all__`, or, where there is none, defined
    there. A name that is also that of a file of the package stands for the file, and is not shown.
    """
    for directive in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), flags=re.M):
        it = at(library, directive)
        if not it.is_module:
            yield directive, [it.path]
            continue
        names = []
        for member in it.members.values():
            if member.is_public and of_the_library(member):
                target = member.final_target if member.is_alias else member
                names += [target.path] if target.has_docstrings and not target.is_module else []
        yield directive, names


def public(library: griffe.Object) -> set[str]:
    """Where every name is defined that stands in the `__all__` of a module; `reppo`'s own is read by running it."""
    found = {
        f"{module}.{name}" for name, module in reppo._NAMES.items() if not at(library, f"{module}.{name}").is_module
    }
    modules = [library]
    for module in modules:
        modules += [one for one in module.modules.values() if not one.is_alias]
        for name in map(str, module.exports or ()) if module is not library else ():
            it = at(module, f".{name}")
            if it.is_module:  # a function that has the name of its file, or a module that is exported as such
                it = it.members.get(name)
            if it is not None:
                found.add(it.path)
    return {at(library, path).path for path in found}


def test_every_public_name_stands_on_exactly_one_page(library):
    pages = {}
    for page in PAGES:
        for directive, names in shown(library, page):
            assert names, f"{page.name} shows nothing of {directive}: what is imported there needs an `__all__`"
            for name in names:
                pages.setdefault(name, []).append(page.name)
    twice = {name: where for name, where in pages.items() if len(where) > 1}
    assert not twice, f"these stand on several pages: {twice}"
    missing = sorted(public(library) - pages.keys())
    assert not missing, f"these are public and stand on no page, or have no documentation: {missing}"


def test_every_module_that_reppo_offers_says_what_is_public():
    for name in (*reppo._MODULES, "testing"):
        module = importlib.import_module(f"reppo.{name}")
        assert module.__all__ and all(hasattr(module, one) for one in module.__all__)


def test_every_page_is_in_the_navigation_and_the_names_of_reppo_are_in_the_overview():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [page.name for page in PAGES if f"api/{page.name}" not in navigation]
    overview = (ROOT / "docs" / "api" / "public.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\[`(\w+)`\]", overview)) == set(reppo._NAMES)


@pytest.mark.parametrize(
    ("page", "before", "after", "message"),
    [
        ("public.md", "# What", "::: reppo.runtime\n\n# What", "shows nothing of reppo.runtime"),
        (
            "public.md",
            "# What",
            "::: reppo.losses.PerState\n\n# What",
            "several pages.*PerState': .'losses.md', 'public.md'",
        ),
        ("presets.md", "::: reppo.presets.reppo.reppo", "", "on no page.*'reppo.presets.reppo.reppo'"),
        ("numerics.md", "::: reppo.keys", "", "on no page.*'reppo.keys.subkey'"),
    ],
)
def test_a_page_that_shows_too_little_or_too_much_is_noticed(
    library, monkeypatch, tmp_path, page, before, after, message
):
    for one in PAGES:
        text = one.read_text(encoding="utf-8")
        (tmp_path / one.name).write_text(text.replace(before, after) if one.name == page else text, encoding="utf-8")
    monkeypatch.setitem(globals(), "PAGES", sorted(tmp_path.glob("*.md")))
    with pytest.raises(AssertionError, match=message):
        test_every_public_name_stands_on_exactly_one_page(library)


def test_a_package_without_a_list_of_its_names_is_noticed(library, monkeypatch):
    monkeypatch.setattr(library["results"], "exports", None)
    for member in library["results"].members.values():
        monkeypatch.setattr(member, "public", None)
    with pytest.raises(AssertionError, match="results.md shows nothing of reppo.results"):
        test_every_public_name_stands_on_exactly_one_page(library)


RANGE = re.compile(
    r"\d|positive|negative|at least|at most|above|below|between|\bany\b|finite|default|\bsee\b|names?\b|None|as many"
)
NUMBER = re.compile(r"\b(int|float|Scalar)\b")
NO_NUMBER = re.compile(r"Array|ndarray|Mapping|dict|Callable|Iterable|tuple\[(tuple|str)|Sequence\[(tuple|str)")
ARRAY = re.compile(r"\b(Array|ndarray)\b")
TYPED = re.compile(r"\w+\[(?:np\.|jax\.)?(?:Array|ndarray)[^\[\]]*\]")  # such as `Float[Array, batch]`
ASKED_LATER = ("validate", "fits")  # what these raise is said at `Component`, and by the fields


def sections(thing: griffe.Object, kind: str) -> list:
    """What stands in the sections of a kind (`parameters`, `attributes`, `raises`) of a docstring."""
    found = thing.docstring.parsed if thing.docstring else []
    return [one for section in found if section.kind.value == kind for one in section.value]


def described(thing: griffe.Object, kind: str) -> dict[str, str]:
    return {one.name.lstrip("*"): one.description for one in sections(thing, kind)}


def functions(library: griffe.Object) -> list[griffe.Object]:
    """Every public function and method, but for methods that a class below documents already."""
    found = []
    for path in sorted(public(library)):
        thing = at(library, path)
        if thing.is_function:
            found.append(thing)
        for name, member in thing.members.items() if thing.is_class else ():
            known = any(name in base.members and base.members[name].docstring for base in thing.mro())
            if not member.is_alias and member.is_function and not known:
                if not name.startswith("_") or name == "__call__":
                    found.append(member)
    return found


def settings(library: griffe.Object) -> Iterator[tuple[griffe.Object, str]]:
    """Every field that is declared by `hyper` or `static` and holds numbers, with its class."""
    for path in sorted(public(library)):
        cls = at(library, path)
        for name, member in cls.members.items() if cls.is_class else ():
            declared = (
                not member.is_alias and member.is_attribute and str(member.value).startswith(("hyper(", "static("))
            )
            if declared and NUMBER.search(str(member.annotation)):
                yield cls, name


def raises(thing: griffe.Object) -> bool:
    """Whether the code of a function raises something itself that a user can meet."""
    for node in ast.walk(ast.parse(textwrap.dedent("\n".join(thing.lines)))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "require":
            return True
        if isinstance(node, ast.Raise) and node.exc is not None:
            if ast.unparse(node.exc).partition("(")[0] not in ("NotImplementedError", "AttributeError", "error"):
                return True
    return False


def test_every_function_and_method_is_documented(library):
    assert not [thing.path for thing in functions(library) if not thing.docstring]


def test_whoever_raises_says_what(library):
    silent = [
        thing.path
        for thing in functions(library)
        if thing.name not in ASKED_LATER and raises(thing) and not sections(thing, "raises")
    ]
    for path in sorted(public(library)):
        cls = at(library, path)
        for name in ("__init__", "__post_init__", "__check_init__") if cls.is_class else ():
            if name in cls.members and raises(cls.members[name]) and not sections(cls, "raises"):
                silent.append(path)
    assert not silent


def test_numbers_have_a_range_and_arrays_a_shape(library):
    vague = []
    for thing in functions(library):
        said = described(thing, "parameters")
        for parameter in thing.parameters:
            type_ = str(parameter.annotation or "")
            if NUMBER.search(type_) and not NO_NUMBER.search(type_) and not RANGE.search(said.get(parameter.name, "")):
                vague.append(f"{thing.path}({parameter.name})")
            if ARRAY.search(TYPED.sub("", type_)) and "shape" not in said.get(parameter.name, ""):
                vague.append(f"{thing.path}({parameter.name}: {type_})")
    for cls, name in settings(library):
        said = [described(base, "attributes").get(name, "") for base in (cls, *cls.mro())]
        if not RANGE.search(" ".join(said)):
            vague.append(f"{cls.path}.{name}")
    assert not vague


def test_components_of_a_published_work_name_it():
    rooms = ("algorithms", "distributions", "losses", "networks", "normalization", "optimization", "targets")
    silent = []
    for name, component in concrete_components().items():
        said = inspect.getdoc(component) or ""
        borrowed = re.search(r"\b(reference|paper|published|PyTorch)\b", said)
        named = works_in(said) or re.search(r"\b[A-Z]\w+ (et al\. )?[12]\d{3}\b", said)
        if component.__module__.startswith(tuple(f"reppo.{room}." for room in rooms)) and borrowed and not named:
            silent.append(name)
    assert not silent
