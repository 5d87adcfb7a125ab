"""What there is, in words and as data: ablations, components, environments, metrics, presets.

Behind `reppo list` and `show`, and the catalog pages of the documentation.
"""

import dataclasses
import inspect
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from reppo import presets
from reppo.ablation import Ablation, Arm, all_ablations, find_ablation, setting
from reppo.ablation.registry import DECLARED
from reppo.component import Component, concrete_components, is_hyper
from reppo.descriptions import documentation
from reppo.descriptions.contracts import CONTRACTS, asked, find_class, offered, own_tasks, subclasses
from reppo.descriptions.metrics import all_metrics, find_metric
from reppo.environments import AbstractEnvironmentSpec, AbstractTask
from reppo.environments.suites import TaskEntry, all_suites, default_task, suite_of_task
from reppo.errors import ConfigurationError, unknown_name
from reppo.results.formatting import arm_parts
from reppo.spec import Difference, Spec, format_value, list_paths, parse_value, resolve, to_json
from reppo.text import counted

if TYPE_CHECKING:
    from reppo.sweep import Experiment

Entry = dict[str, Any]
"""What is said of one thing, as plain data."""


def list_entries(kind: str, theme: str | None = None) -> list[Entry]:
    """Describes everything of a kind, as plain data: at least `name`, `theme` and `summary`.

    Args:
        kind: `"ablations"`, `"components"`, `"environments"`, `"metrics"` or `"presets"`.
        theme: only the entries of this theme: that of an ablation, the part of the library that a component belongs to,
            the suite of an environment, the first part of a metric's name.

    Raises:
        ConfigurationError: if there is no such kind or theme.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    entries = KINDS[kind]()
    if theme is None:
        return entries
    themes = {entry["theme"] for entry in entries}
    if theme not in themes:
        raise unknown_name(f"theme of {kind}", theme, themes)
    return [entry for entry in entries if entry["theme"] == theme]


def _ablations() -> list[Entry]:
    return [describe_ablation(name) for name in all_ablations()]


def _components() -> list[Entry]:
    known = concrete_components().items()
    return [describe_component(name) for name, cls in known if not issubclass(cls, AbstractEnvironmentSpec)]


def _environments() -> list[Entry]:
    return [describe_environment(name) for suite in all_suites() for name in suite.tasks]


def _metrics() -> list[Entry]:
    return [describe_metric(name) for name in all_metrics()]


def _presets() -> list[Entry]:
    return [describe_preset(name) for name in sorted(presets.__all__)]


KINDS: dict[str, Callable[[], list[Entry]]] = {
    "ablations": _ablations,
    "components": _components,
    "environments": _environments,
    "metrics": _metrics,
    "presets": _presets,
}
"""What can be listed."""


def describe_ablation(name: str) -> Entry:
    """The question, the paths, the reference and the expectation of an ablation."""
    ablation = find_ablation(name)
    return {
        "name": ablation.name,
        "theme": ablation.theme,
        "summary": ablation.question,
        "question": ablation.question,
        "does": " ".join((ablation.transform.__doc__ or "").split()),
        "touches": list(ablation.touches),
        "reference": ablation.reference,
        "expects": ablation.expects,
    }


def describe_component(name: str) -> Entry:
    """The slot that a component fills, its documentation, its fields with their defaults, and the laws it is held to.

    Of an abstract class: also what there is of it, what a subclass must have (`attributes`, `methods`), what it may
    have anew (`optional`), and the laws that check it.
    """
    cls = find_class(name)
    must = asked(cls)
    bases = [base.__name__ for base in cls.__mro__[1:] if issubclass(base, Component) and base is not Component]
    texts = documentation.field_texts(cls)
    fields = [
        {
            "name": field.name,
            "kind": "scalar" if is_hyper(field) else "static" if field.metadata.get("static") else "slot",
            "default": None if field.default is dataclasses.MISSING else format_value(field.default),
            "allowed": documentation.allowed(cls, field),
            "takes": _slot_of(field),
            "says": texts.get(field.name, ""),
        }
        for field in (dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ())
    ]
    return {
        "name": name,
        "theme": cls.__module__.split(".")[1] if cls.__module__.startswith("reppo.") else cls.__module__,
        "summary": _first_line(cls),
        "fills": bases[0] if bases else None,
        "documentation": inspect.getdoc(cls) or "",
        "fields": fields,
        "filled_by": [other.__name__ for other in subclasses(cls)],
        "attributes": [one for one in must if one["signature"].startswith(":")],
        "methods": [one for one in must if not one["signature"].startswith(":")],
        "optional": offered(cls),
        "laws": documentation.laws_of(cls),
    }


def describe_environment(name: str) -> Entry:
    """Suite, family, time limit and range of rewards of a task, and how an experiment file names it."""
    spec = find_environment(name)
    if isinstance(spec, AbstractTask) and name in own_tasks():
        entry = TaskEntry(_first_line(type(spec)).rstrip("."), spec.horizon, randomizes=spec.randomizes)
        declared = f"{name}()"
    else:
        entry = suite_of_task(name).tasks[name]
        declared = f'environments.{spec.suite}("{name}")'
    needs = f", needs the {entry.needs}" if entry.needs else ""
    reward = "rewards unknown" if spec.reward_range is None else "rewards {:g} to {:g}".format(*spec.reward_range)
    return {
        "name": name,
        "theme": spec.suite,
        "summary": f"{entry.family}, {spec.horizon} steps, {reward}{needs}",
        "family": entry.family,
        "horizon": spec.horizon,
        "reward_range": None if spec.reward_range is None else list(spec.reward_range),
        "observation": entry.observation,
        "privileged": entry.privileged,
        "action": entry.action,
        "sizes": _sizes(entry),
        "randomizes": entry.randomizes,
        "needs": entry.needs or None,
        "declared": declared,
    }


def describe_preset(name: str) -> Entry:
    """The first line of a preset's documentation, and all of it."""
    function = find_preset(name)
    return {
        "name": name,
        "theme": function.__module__.rpartition(".")[2],
        "summary": _first_line(function),
        "documentation": inspect.getdoc(function) or "",
    }


def describe_metric(name: str) -> Entry:
    """What a metric is, what it looks like when all is well, and when a report warns of it."""
    metric = find_metric(name)
    watched = metric.watched
    return {
        "name": metric.name,
        "theme": metric.group,
        "summary": metric.says,
        "healthy": metric.healthy,
        "watched": watched is not None,
        "limit": watched.limit if watched else None,
        "warn_above": watched.warn_above if watched else None,
        "warning": watched.warning if watched else "",
    }


def find_preset(name: str) -> Callable[[AbstractEnvironmentSpec], Spec]:
    """The preset of that name.

    Raises:
        ConfigurationError: if there is none; names close matches.
    """
    if name not in presets.__all__:
        raise unknown_name("preset", name, presets.__all__, "List them by: reppo list presets")
    return getattr(presets, name)


def find_environment(name: str, study: "Experiment | None" = None) -> AbstractEnvironmentSpec:
    """The spec of the task of that name: that of a study if it has one, else with default settings.

    A task of one's own is named by its class.

    Raises:
        ConfigurationError: if there is none; names close matches.
    """
    of_study = {environment.name: environment for environment in study.environments} if study else {}
    if name in of_study:
        return of_study[name]
    own = own_tasks().get(name)
    return suite_of_task(name).declare(name) if own is None else own()  # pyright: ignore[reportCallIssue]


def find_arm(text: str, starts: Collection[str] = presets.__all__) -> Arm:
    """The arm that a text names: ablations and `path=value` settings, joined by `+`; `base` is none of them.

    What arms start from may come first: the ablations are then applied to it, as those of a rival are.

    Args:
        text: the text.
        starts: the names of what arms may start from.

    Raises:
        ConfigurationError: if a name is not known.
    """
    arm, parts = Arm(), arm_parts(text)
    for part in parts[1:] if parts[0].strip() in starts else parts:
        path, equals, value = part.partition("=")
        if equals:
            arm += setting(path.strip(), parse_value(value.strip()))
        elif part.strip() != "base":
            arm += find_ablation(part.strip())
    return arm


def named_arm(text: str, study: "Experiment | None" = None) -> tuple[str, tuple[Ablation, ...]]:
    """The name of the arm that a text names, with what it starts from if that comes first, and its ablations."""
    starts = _start_names(study)
    first, arm = arm_parts(text)[0].strip(), find_arm(text, starts)
    if first not in starts or first == "base":
        return arm.name, arm.ablations
    return f"{first}+{arm.name}" if arm.ablations else first, arm.ablations


def find_spec(name: str, base: str, environment: str, study: "Experiment | None" = None) -> Spec:
    """The resolved spec of a preset, of ablations of one (`preset+ablation`), or of the base, on an environment.

    Args:
        name: what is asked for.
        base: what ablations change: a preset; of a study, `"base"` is its own base, and a rival is named as there.
        environment: a task; that of the study if it has one of this name.
        study: whose base, rivals and tasks these names stand for, with what was set in the study for all its arms.

    Raises:
        ConfigurationError: if a name is not known, or the spec is not valid.
    """
    known = _start_names(study)
    if name in known:
        return resolve(find_start(name, environment, study))
    try:
        arm = find_arm(name, known)
    except ConfigurationError:
        if "/" in name or "=" in name or "+" in name:
            raise
        cure = f"{DECLARED} List them by: reppo list presets, ablations"
        raise unknown_name("preset or ablation", name, [*known, *all_ablations()], cure) from None
    first = arm_parts(name)[0].strip()
    return resolve(arm(find_start(first if first in known else base, environment, study)))


def default_base(names: Collection[str]) -> str:
    """The preset that ablations change where none is given: `reppo`, or the first that they can be applied to.

    Args:
        names: what is asked for. A preset among them, or one that ablations start from, is beside one of its algorithm.
    """
    task = find_environment(default_task())
    specs = {name: find_preset(name)(task) for name in ("reppo", *presets.__all__)}
    for name in names:
        first = arm_parts(name)[0].strip()
        try:
            arm = None if first in specs else find_arm(name)
        except ConfigurationError:
            continue
        for base, spec in specs.items():
            of_its_algorithm = first not in specs or type(spec.algorithm) is type(specs[first].algorithm)
            if of_its_algorithm and (arm is None or _takes(spec, arm)):
                return base
    return "reppo"


def _takes(spec: Spec, arm: Arm) -> bool:
    try:
        arm(spec)
    except ConfigurationError:
        return False
    return True


def find_start(name: str, environment: str, study: "Experiment | None" = None) -> Spec:
    """The spec, not resolved, that arms start from: a preset on a task, or a study's base or rival (see `find_spec`).

    Raises:
        ConfigurationError: if there is no such preset, rival or task.
    """
    task, known = find_environment(environment, study), _start_names(study)
    if name not in known:
        raise unknown_name("preset", name, known, "List them by: reppo list presets")
    own = study.starts(task) if study else {}
    return own[name] if name in own else find_preset(name)(task)


def _start_names(study: "Experiment | None") -> list[str]:
    """The names of what arms may start from."""
    own = {arm.rival or "base" for arm in study.declared_arms()} if study else set()
    return sorted({*presets.__all__, *own})


def kind_of(name: str, study: "Experiment | None" = None) -> str:
    """Which kind of thing a name stands for: a key of `KINDS`.

    Raises:
        ConfigurationError: if nothing has that name; names close matches among everything.
    """
    if name in own_tasks() or any(name in suite for suite in all_suites()):  # first: a task may have any name
        return "environments"
    if name in presets.__all__:
        return "presets"
    if "=" in name or "+" in name or name in all_ablations() or name == "base" or name in _start_names(study):
        return "ablations"
    if name in Component.registry or name in CONTRACTS:
        return "components"
    if name in all_metrics():
        return "metrics"
    if "/" in name:
        find_ablation(name)
    cure = f"{DECLARED} List what there is by: reppo list ablations (or components, ...)"
    raise unknown_name("name", name, all_names(), cure)


def all_names() -> list[str]:
    """The names that can be shown."""
    return [entry["name"] for kind in KINDS for entry in list_entries(kind)]


def flat_spec(spec: Spec) -> dict[str, str]:
    """Every slot and field of a spec by its path: a slot by the name of its component."""
    paths = list_paths(spec).items()
    return {
        path: type(value).__name__ if isinstance(value, Component) else format_value(value) for path, value in paths
    }


def format_differences(changes: list[Difference], indent: str = "") -> list[str]:
    """Lines that say what stands where in the first spec (`-`) and in the second (`+`)."""
    lines = []
    for path, before, after in changes:
        lines += [f"{indent}{path}", f"{indent}  - {format_value(before)}", f"{indent}  + {format_value(after)}"]
    return lines


def differences_as_json(changes: list[Difference]) -> list[Entry]:
    """Differences as plain data."""
    return [{"path": path, "before": to_json(before), "after": to_json(after)} for path, before, after in changes]


def _sizes(entry: TaskEntry) -> str:
    """What a task observes and acts with, as far as it is known."""
    seen = "" if entry.observation is None else f"observes {counted(entry.observation, 'number')}"
    if entry.image is not None:
        seen = f"observes an image of {' x '.join(map(str, entry.image))}"
    critic = "" if entry.privileged is None else f"the critic {entry.privileged}"
    action = "" if entry.action is None else f"acts with {entry.action}"
    if entry.discrete:
        action = f"chooses among {counted(entry.action or 0, 'action')}"
    return ", ".join(filter(None, (seen, critic, action)))


def _slot_of(field: dataclasses.Field[Any]) -> str | None:
    """The abstract class of what a slot takes; None of a field that is no slot."""
    slot = field.type
    return slot.__name__ if inspect.isclass(slot) and issubclass(slot, Component) else None


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]
