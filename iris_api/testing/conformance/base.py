"""What the conformance classes share: rules, and what a plugin says it does not promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import pytest
from attrs import frozen

__all__ = ["Conformance", "Rule", "needs", "override", "rules_of"]

F = TypeVar("F", bound=Callable[..., Any])

_NEEDS = "iris_needs"


@frozen
class Rule:
    """A rule of a contract: `name` such as ``machines.delete_twice``, what it says, and the ability that it
    needs, or an empty string where every plugin has to keep it."""

    name: str
    sentence: str
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
        unknown = sorted(set(self.not_promised) - set(self.abilities))
        if unknown:
            known = ", ".join(sorted(self.abilities)) or "none"
            pytest.fail(
                f"not_promised names {', '.join(unknown)}; abilities of {self.kind}: {known}", pytrace=False
            )
        reason = self.not_promised.get(getattr(request.function, _NEEDS, ""))
        if reason is not None:
            pytest.skip(f"not promised: {reason}")


def needs(ability: str) -> Callable[[F], F]:
    """Mark a rule as one that only plugins with this ability have to keep."""

    def mark(test: F) -> F:
        setattr(test, _NEEDS, ability)
        return test

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
