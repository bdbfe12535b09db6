"""What the reference pages say about one class of the interface, as the code says it."""

from __future__ import annotations

import ast
import enum
import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

import attrs

from iris_api.testing import Conformance
from iris_api.testing.conformance import given_by, rules_of

__all__ = [
    "alias_of",
    "annotation",
    "attributes",
    "cell",
    "fields_of",
    "fixtures_of",
    "members_of",
    "methods_of",
    "prose",
    "public",
    "rules_table",
    "signature",
]

_COMMENT = re.compile(r"  # (.*)$")


def methods_of(contract: type) -> str:
    """What holds of all of it; its attributes; each public method with its exact arguments."""
    told = [f"#### `{text}`\n\n{comment}".rstrip() + "\n" for text, comment in attributes(contract)]
    return "\n".join(["", f"{prose(contract)}\n", *told, *_shown(contract), ""])


def attributes(contract: type) -> Iterator[tuple[str, str]]:
    """Those of a class that is no value: ``uid: str``, as they are written, and the comment beside each."""
    if attrs.has(contract):
        return
    source = inspect.getsource(contract)
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            found = _COMMENT.search(source.splitlines()[node.lineno - 1])
            duty = "" if node.value is not None else "*To be set.* "
            yield ast.unparse(node), f"{duty}{found[1] if found else ''}".strip()


def fields_of(value: type) -> str:
    """A value's fields, with their types and defaults, and its methods."""
    rows = [
        f"| `{one.name}` | `{cell(annotation(value, one.name))}` | {_default(one)} |"
        for one in attrs.fields(value)
    ]
    table = ["| field | type | default |", "|---|---|---|", *rows, ""]
    return "\n".join(["", prose(value), "", *table, *_shown(value), ""])


def members_of(enumeration: type[enum.Enum]) -> str:
    """The members of an enum, and the comment beside each."""
    source = inspect.getsource(enumeration)
    rows = []
    for member in enumeration:
        (line,) = re.findall(rf"^    {member.name} = .*$", source, re.MULTILINE)
        found = _COMMENT.search(line)
        rows.append(f"| `{member.name}` | `{member.value}` | {found[1] if found else ''} |")
    return "\n".join(["", "| member | value | means |", "|---|---|---|", *rows, "", ""])


def alias_of(module: ModuleType, name: str) -> str:
    """A type that has no class: what it is, and the words below it."""
    nodes = ast.parse(inspect.getsource(module)).body
    for node, after in itertools.pairwise(nodes):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            assert isinstance(after, ast.Expr)
            assert isinstance(after.value, ast.Constant)
            return f"\n`{ast.unparse(node.value)}`\n\n{inspect.cleandoc(str(after.value.value))}\n\n"
    raise KeyError(name)


def fixtures_of(kit: type[Conformance]) -> str:
    """The fixtures of a class of the kit that are the plugin's to override."""
    rows = [
        f"| `{one.name}` | {cell(_plain(one.sentence))} | {_when(one.required, one.ability)} |"
        for one in given_by(kit)
    ]
    return "\n".join(["| fixture | what it is | to be overridden |", "|---|---|---|", *rows]) + "\n"


def rules_table(kit: type[Conformance]) -> str:
    """The rules of a class of the kit, and what a plugin may leave out."""
    rows = [f"| `{rule.name}` | {cell(rule.sentence)} | {rule.ability} |" for rule in rules_of(kit)]
    lines = ["| rule | what it says | only with |", "|---|---|---|", *rows]
    if kit.abilities:
        lines += ["", "| ability | means |", "|---|---|"]
        lines += [f"| `{ability}` | {cell(meaning)} |" for ability, meaning in kit.abilities.items()]
    return "\n".join(lines) + "\n"


def public(contract: type) -> Sequence[Callable[..., object]]:
    return [
        method
        for name, method in vars(contract).items()
        if inspect.isfunction(method) and not name.startswith("_")
    ]


def signature(function: Callable[..., object]) -> str:
    """As it is written: ``create(self, request: SliceRequest) -> Slice``."""
    text = str(inspect.signature(function)).replace("'", "")
    return f"{function.__name__}{text}"


def prose(thing: object) -> str:
    return _plain(inspect.getdoc(thing) or "")


def annotation(value: type, field: str) -> str:
    """As it is written; that of the attrs field may have been resolved meanwhile."""
    found = next(one.__annotations__[field] for one in value.__mro__ if field in inspect.get_annotations(one))
    return found if isinstance(found, str) else inspect.formatannotation(found)


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def _shown(thing: type) -> list[str]:
    return [f"#### `{signature(one)}`\n\n{_duty(one)}{prose(one)}".rstrip() + "\n" for one in public(thing)]


def _duty(method: Callable[..., object]) -> str:
    return "*To be written.* " if getattr(method, "__isabstractmethod__", False) else ""


def _default(one: attrs.Attribute[object]) -> str:
    if one.default is attrs.NOTHING:
        return ""
    return "made anew" if hasattr(one.default, "factory") else f"`{cell(repr(one.default))}`"


def _when(required: bool, ability: str) -> str:
    if not required:
        return "may be"
    return f"must be, unless `{ability}` is not promised" if ability else "**must be**"


def _plain(text: str) -> str:
    """Markup of docstrings in that of the pages."""
    return re.sub(r":class:`~?(?:\w+\.)*(\w+)`", r"`\1`", re.sub(r"``(.+?)``", r"`\1`", text))
