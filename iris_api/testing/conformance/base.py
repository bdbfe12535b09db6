"""What the conformance classes share: rules, and what a plugin says it does not promise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import pytest
from attrs import frozen

__all__ = [
    "Conformance",
    "Given",
    "Rule",
    "fault_of",
    "given",
    "given_by",
    "needs",
    "override",
    "rules_of",
]

F = TypeVar("F", bound=Callable[..., Any])

_NEEDS, _GIVEN = "iris_needs", "iris_given"


@frozen
class Rule:
    """A rule of a contract: `name` such as ``machines.delete_twice``, what it says, and the ability that it
    needs, or an empty string where every plugin has to keep it."""

    name: str
    sentence: str
    ability: str = ""


@frozen
class Given:
    """A fixture that is a plugin's to override. `required`: it must be, unless the class leaves out
    `ability`, if that is named. All other fixtures are the kit's own."""

    name: str
    sentence: str
    required: bool = False
    ability: str = ""


class Conformance:
    """The base of the kit's classes. Each test of one is a rule; its docstring is what the rule says.

    A plugin that cannot do something says so, with the reason, for its users to read::

        not_promised = {"kill": "a thread cannot be killed"}

    The rules that need the ability are skipped then, and listed. Only `abilities` can be left out.
    """

    kind: ClassVar[str] = ""
    abilities: ClassVar[Mapping[str, str]] = {}
    not_promised: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture(autouse=True)
    def promised(self, request: pytest.FixtureRequest) -> None:
        """Skips a rule that needs what the plugin does not promise. Not to be overridden."""
        reason = self.not_promised.get(getattr(request.function, _NEEDS, ""))
        if reason is not None:
            pytest.skip(f"not promised: {reason}")


def needs(ability: str) -> Callable[[F], F]:
    """Mark a rule as one that only plugins with this ability have to keep."""

    def mark(test: F) -> F:
        setattr(test, _NEEDS, ability)
        return test

    return mark


def given(*, required: bool = False, ability: str = "") -> Callable[[F], F]:
    """Mark what is below ``@pytest.fixture`` as one for subclasses to override, as :class:`Given` says."""

    def mark(fixture: F) -> F:
        told = " ".join((fixture.__doc__ or "").split())
        setattr(fixture, _GIVEN, Given(fixture.__name__, told, required, ability))
        return fixture

    return mark


def override(fixture: str) -> Any:
    """What a fixture that a subclass must override does until then."""
    pytest.fail(f"override the fixture {fixture!r} in your subclass", pytrace=False)


def rules_of(kit: type[Conformance]) -> Iterator[Rule]:
    """The rules that a class of the kit tests, in the order in which they are written."""
    tests = {
        name: test
        for base in reversed(kit.__mro__)
        for name, test in vars(base).items()
        if name.startswith("test_") and callable(test)
    }
    for name, test in tests.items():
        sentence = " ".join((test.__doc__ or "").split())
        yield Rule(f"{kit.kind}.{name.removeprefix('test_')}", sentence, getattr(test, _NEEDS, ""))


def given_by(kit: type[Conformance]) -> Sequence[Given]:
    """The fixtures of a class of the kit that a plugin may override, those first that it must."""
    found = {
        name: getattr(fixture, _GIVEN)
        for base in reversed(kit.__mro__)
        for name, fixture in vars(base).items()
        if _is_fixture(fixture) and hasattr(fixture, _GIVEN)
    }
    return sorted(found.values(), key=lambda one: (not one.required, bool(one.ability)))


def fault_of(kit: type[Conformance], *, collected: bool) -> str:
    """What is wrong with how a class is written, empty if nothing is; `collected`: pytest runs it."""
    if not collected:
        unused = not kit.__subclasses__() and not kit.__name__.startswith("_")
        return "it is not run: call it Test..., or _... if it is a base of others" if unused else ""
    return _fault_of_promises(kit) or _fault_of_fixtures(kit)


def _fault_of_promises(kit: type[Conformance]) -> str:
    left_out: object = kit.not_promised
    if not isinstance(left_out, Mapping):
        return f"not_promised must be a dict of ability and reason, and is a {type(left_out).__name__}"
    if unknown := sorted(str(one) for one in left_out if one not in kit.abilities):
        known = ", ".join(sorted(kit.abilities)) or "none"
        return f"not_promised names {', '.join(unknown)}; abilities of {kit.kind}: {known}"
    mute = [one for one, reason in left_out.items() if not (isinstance(reason, str) and reason.strip())]
    return f"not_promised must say why for {', '.join(mute)}: users read it" if mute else ""


def _fault_of_fixtures(kit: type[Conformance]) -> str:
    """A method that stands where the kit has a fixture is never asked."""
    for base in kit.__mro__[1:]:
        for name, fixture in vars(base).items():
            own = getattr(kit, name)
            if _is_fixture(fixture) and callable(own) and not _is_fixture(own):
                return f"{name} must be a fixture: write @pytest.fixture above it"
    return ""


def _is_fixture(value: object) -> bool:
    return isinstance(value, type(Conformance.promised)) and not inspect.isfunction(value)
