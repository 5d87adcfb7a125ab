"""What an ablation is, and what is checked when one is applied."""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

from reppo.algorithms import AbstractAlgorithm
from reppo.component import as_plain, concrete_components
from reppo.errors import ConfigurationError, require
from reppo.spec import Spec, difference, expand_path, format_value, list_paths, replace_path, validate

EXPECTATIONS = ("worse", "better", "same", "unknown")
_NAME = re.compile(r"[a-z0-9_]+/[a-z0-9_]+")

_registered: dict[str, "Ablation"] = {}


@final
@dataclasses.dataclass(frozen=True)
class Ablation:
    """A named pure function from a spec to a spec, with the question that it asks.

    Attributes:
        name: `theme/variant`.
        question: what running it answers, in one sentence.
        touches: the paths it may change, each with all below it.
        reference: a paper, or "ours".
        expects: what its author expects of it: "worse", "better", "same" or "unknown".
        transform: the function.
        may_be_base: whether the base may already be so, as with one value of a grid; such an arm is then the base's.
        sets: whether all it does is to set the value at the one path that it touches, as `setting` does. Its arms then
            record path and value as data.
    """

    name: str
    question: str
    touches: tuple[str, ...]
    reference: str
    expects: str
    transform: Callable[[Spec], Spec]
    may_be_base: bool = False
    sets: bool = False

    @property
    def theme(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]

    def applies_to(self, spec: Spec) -> bool:
        """Whether the spec has every path that the ablation touches."""
        try:
            return bool([self.expand(spec, path) for path in self.touches])
        except ConfigurationError:
            return False

    def __call__(self, spec: Spec) -> Spec:
        """Applies the ablation and checks what it did.

        Raises:
            ConfigurationError: if the spec lacks a path that it touches, if it changes nothing, changes something that
                it does not say it touches, or gives an invalid spec.
        """
        after = self.changed(spec)
        with _invalid(f"The ablation {self.name!r}"):
            return validate(after)

    def changed(self, spec: Spec) -> Spec:
        """As a call, but that the spec may be invalid: another ablation may follow.

        Raises:
            ConfigurationError: as a call does, but for a spec that is not valid.
        """
        touched = [self.expand(spec, path) for path in self.touches]
        try:
            after = self.transform(spec)
        except ConfigurationError as error:
            raise ConfigurationError(f"The ablation {self.name!r} does not fit this base. {error}") from None
        changed = difference(spec, after)
        require(
            bool(changed) or self.may_be_base,
            f"The ablation {self.name!r} changes nothing in this base: the base is already so.",
        )
        for path, _, _ in changed:
            require(
                any(_within(path, allowed) for allowed in touched),
                f"The ablation {self.name!r} changes {path}, but declares to touch only {', '.join(touched)}. "
                "Add the path to its touches, or do not change it.",
            )
        return after

    def __add__(self, other: "Ablation | Arm") -> "Arm":
        """Both together, as one arm."""
        return Arm((self,)) + other

    def expand(self, spec: Spec, path: str) -> str:
        """The whole path in a spec, for one that the ablation touches.

        Raises:
            ConfigurationError: if the spec lacks it; names the algorithms that have it.
        """
        try:
            return expand_path(spec, path)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"The ablation {self.name!r} touches {path}, which is not a path of {type(spec.algorithm).__name__} "
                f"with these slots. {error} By default {_owners(path)}; otherwise leave the ablation out for this base."
            ) from None


def ablation(
    name: str, *, question: str, touches: Sequence[str], reference: str = "ours", expects: str = "unknown"
) -> Callable[[Callable[[Spec], Spec]], Ablation]:
    """Declares a function from spec to spec as an ablation and registers it.

    Args:
        name: `theme/variant`, in lower case.
        question: what running it answers, in one sentence.
        touches: whole paths that it may change, such as `algorithm.actor_loss.objective`.
        reference: a paper, or "ours".
        expects: "worse", "better", "same" or "unknown".

    Raises:
        ConfigurationError: if one of these is malformed, or the name is taken by another ablation.
    """
    require(bool(_NAME.fullmatch(name)), f"The ablation name {name!r} is not of the form theme/variant, in lower case.")
    require(bool(question.strip()), f"The ablation {name!r} asks no question. Say in one sentence what it answers.")
    require(bool(touches), f"The ablation {name!r} touches nothing. Name the paths that it changes.")
    require(
        expects in EXPECTATIONS, f"The ablation {name!r} expects {expects!r}; give one of {', '.join(EXPECTATIONS)}."
    )

    def declare(transform: Callable[[Spec], Spec]) -> Ablation:
        known = _registered.get(name)
        if known is not None and known.transform.__code__.co_filename != transform.__code__.co_filename:
            raise ConfigurationError(f"The ablation name {name!r} is taken. Choose another one.")
        made = Ablation(name, question, tuple(touches), reference, expects, transform)
        if known is None or not _from_the_same_lines(known, made):
            _registered[name] = made
        return _registered[name]

    return declare


def _from_the_same_lines(known: Ablation, made: Ablation) -> bool:
    """Whether one file was imported under two names, as the catalog's are: `ablations.kl`, `reppo.ablations.kl`."""
    return (
        known.transform.__module__ != made.transform.__module__
        and known.transform.__code__ == made.transform.__code__
        and dataclasses.replace(made, transform=known.transform) == known
    )


def setting(path: str, value: Any) -> Ablation:
    """The base with another value at a path (or at a unique suffix of one); named `path=value`, not registered."""
    value = as_plain(value)
    text = f"{value:.9g}" if isinstance(value, float) else value if isinstance(value, str) else format_value(value)
    text = re.sub(r"(?<=\d)e\+0*(?=\d)", "e", text)  # 1e9 for 1e+09: a plus joins ablations

    def transform(spec: Spec) -> Spec:
        return replace_path(spec, path, value)

    return Ablation(f"{path}={text}", f"What if {path} is {text}?", (path,), "ours", "unknown", transform, sets=True)


@final
@dataclasses.dataclass(frozen=True)
class Arm:
    """The base after one or more ablations, or after none.

    Attributes:
        ablations: what is applied, in the order of their names.
    """

    ablations: tuple[Ablation, ...] = ()

    @property
    def name(self) -> str:
        """`base`, or the names of the ablations, sorted and joined by a plus."""
        return "+".join(sorted(ablation.name for ablation in self.ablations)) or "base"

    @property
    def may_be_base(self) -> bool:
        """Whether one of its ablations may change nothing, so that another arm may be the same."""
        return any(ablation.may_be_base for ablation in self.ablations)

    def settings(self, base: Spec) -> tuple[str, ...]:
        """The whole paths of the values that its ablations set, in the order of their names."""
        return tuple(ablation.expand(base, ablation.touches[0]) for ablation in self.ablations if ablation.sets)

    def __add__(self, other: "Ablation | Arm") -> "Arm":
        """With further ablations."""
        more = other.ablations if isinstance(other, Arm) else (other,)
        return Arm(tuple(sorted({*self.ablations, *more}, key=lambda ablation: ablation.name)))

    def __call__(self, base: Spec) -> Spec:
        """Applies the ablations to the base.

        Raises:
            ConfigurationError: as an ablation does, but that all of them together have to give a valid spec; and if two
                of them touch the same path, because then their order would matter.
        """
        touched: dict[str, str] = {}
        for ablation in self.ablations:
            for path in ablation.touches:
                whole = ablation.expand(base, path)
                for other, name in touched.items():
                    require(
                        name == ablation.name or not (_within(whole, other) or _within(other, whole)),
                        f"The ablations {name!r} and {ablation.name!r} both touch {other}: their order would matter. "
                        "Combine only ablations that touch different paths.",
                    )
                touched[whole] = ablation.name
        if len(self.ablations) < 2:
            return self.ablations[0](base) if self.ablations else base
        spec = base
        for ablation in self.ablations:
            spec = ablation.changed(spec)
        with _invalid(f"The arm {self.name!r}"):
            return validate(spec)


@contextlib.contextmanager
def _invalid(what: str) -> Iterator[None]:
    """Says in an error what made the spec."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{what} gives an invalid spec. {error}") from None


def _owners(path: str) -> str:
    """Which algorithms have a path, with the slots that they have by default, in words."""
    inner = path.removeprefix("algorithm.")
    owners = []
    for name, cls in concrete_components().items():
        build: Callable[..., Any] = cls
        complete = all(field.default is not dataclasses.MISSING for field in dataclasses.fields(cls))
        if issubclass(cls, AbstractAlgorithm) and complete:
            known = list_paths(build())
            owners += [name] if inner in known or any(other.endswith(f".{inner}") for other in known) else []
    return f"it is a path of {', '.join(owners)}" if owners else "no algorithm has it"


def _within(path: str, other: str) -> bool:
    return path == other or path.startswith(other + ".")
