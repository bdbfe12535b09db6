"""The public interface of iris_api in words; ``python -m tests.compat.api`` writes them to api.txt."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs

import iris_api
from iris_api.testing import Conformance
from iris_api.testing.conformance import given_by
from tools.plugin_parts import annotation

FILE = Path(__file__).parent / "api.txt"
NOT_PUBLIC = re.compile(
    r"\._|\.rpc(\.|$)|^iris_api\.testing\."
)  # of testing, what the package itself exports
OWN = ("__init__", "__call__", "__enter__", "__exit__")


def lines() -> list[str]:
    """What is exported: modules and names in alphabetical order, fields and methods as they are written."""
    return [line for module in modules() for line in of_module(module)]


def modules() -> Iterator[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(iris_api.__path__, "iris_api.")]
    for name in sorted(name for name in names if not NOT_PUBLIC.search(name)):
        yield importlib.import_module(name)


def of_module(module: ModuleType) -> Iterator[str]:
    for name in sorted(getattr(module, "__all__", ())):
        yield from of_name(f"{module.__name__}.{name}", getattr(module, name))


def of_name(name: str, thing: object) -> Iterator[str]:
    if inspect.isclass(thing):
        bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
        yield f"class {name}({bases})"
        yield from (f"{name}.{line}" for line in of_class(thing))
    elif callable(thing) and not isinstance(thing, str) and hasattr(thing, "__name__"):
        yield f"{name}{signature(thing)}"
    else:
        yield f"{name}: {type(thing).__name__}"


def of_class(thing: type) -> Iterator[str]:
    if issubclass(thing, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in thing)
        return
    if issubclass(thing, Conformance):
        yield from of_kit(thing)
    if attrs.has(thing):
        yield from of_fields(thing)
    for base in [thing, *filter(is_private, thing.__mro__[1:])]:
        if not attrs.has(base):
            yield from of_attributes(base)
        yield from of_members(base)


def of_kit(kit: type[Conformance]) -> Iterator[str]:
    """What an author may leave out, and has to give or may."""
    yield from (f"ability {ability}" for ability in kit.abilities)
    for one in given_by(kit):
        fixture = inspect.unwrap(getattr(kit, one.name))
        returns = inspect.signature(fixture).return_annotation
        yield f"fixture {one.name}: {returns}{' (required)' if one.required else ''}"


def of_fields(thing: type) -> Iterator[str]:
    for field in attrs.fields(thing):
        if field.init:
            optional = "" if field.default is attrs.NOTHING else " = ..."
            keyword = " (keyword)" if field.kw_only else ""
            yield f"{field.alias}: {annotation(thing, field.name)}{optional}{keyword}"


def of_attributes(thing: type) -> Iterator[str]:
    for name, written in inspect.get_annotations(thing).items():
        if not name.startswith("_"):
            told = written if isinstance(written, str) else inspect.formatannotation(written)
            yield f"{name}: {told}{' = ...' if name in vars(thing) else ''}"


def is_private(base: type) -> bool:
    """Whether it is ours and nobody can name it: what it has belongs to who inherits it."""
    return base.__module__.startswith("iris_api.") and "._" in base.__module__


def of_members(thing: type) -> Iterator[str]:
    for name, member in vars(thing).items():
        own = name in OWN and not attrs.has(thing)
        if (name.startswith("_") and not own) or name.startswith("test_"):  # rules have a page of their own
            continue
        plain = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if inspect.isfunction(plain):
            abstract = "abstract " if getattr(plain, "__isabstractmethod__", False) else ""
            yield f"{name}{signature(plain)}{abstract and ' (abstract)'}"
        elif isinstance(member, property):
            yield f"{name} (property)"


def signature(function: object) -> str:
    try:
        text = str(inspect.signature(function))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"
    return re.sub(r" at 0x[0-9a-f]+", "", text.replace("'", ""))


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n")
