"""Write the generated parts of docs/plugins/ from the code: signatures, rules, and with --transcripts what
`iris plugin check` prints for each plugin that comes along. With --check: fail where pages and code differ.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import attrs

from iris_api import hookspecs
from iris_api.context import Context
from iris_api.platform import (
    Exit,
    Interpreter,
    Launch,
    Lease,
    Machines,
    Platform,
    Runtime,
    Sandbox,
    Slice,
    SliceRequest,
    Stats,
)
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver, SupportsWatch
from iris_api.testing import (
    Conformance,
    MachinesConformance,
    ResolverConformance,
    RuntimeConformance,
    TransportConformance,
)
from iris_api.testing.conformance import rules_of
from iris_api.transport import Bind, Channel, Listener, Reply, Request, SupportsPost, Transport

PAGES = Path(__file__).resolve().parent.parent / "docs" / "plugins"
PLUGINS = ("local", "process", "http", "fixed", "cluster")
CONTRACTS = (
    *(Platform, Machines, Runtime, Sandbox),
    *(Transport, Listener, Channel, SupportsPost),
    *(Resolver, SupportsWatch),
)
VALUES = (
    *(Provider, Context, SliceRequest, Slice, Launch, Interpreter, Lease, Exit, Stats),
    *(Bind, Request, Reply, Endpoint),
)
KITS: tuple[type[Conformance], ...] = (
    *(MachinesConformance, RuntimeConformance, TransportConformance, ResolverConformance),
)
PART = re.compile(r"(<!-- generated: ([a-zA-Z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name what is stale")
    parser.add_argument("--transcripts", action="store_true", help="run iris plugin check, some minutes")
    arguments = parser.parse_args()
    fresh = {page: filled(page.read_text()) for page in sorted(PAGES.glob("*.md"))}
    stale = [page for page, text in fresh.items() if page.read_text() != text]
    if arguments.check and stale:
        print("not what the code says (run `make docs`):", *(page.name for page in stale), sep="\n  ")
        return 1
    for page in stale:
        page.write_text(fresh[page])
        print(f"wrote {page.name}")
    if arguments.transcripts:
        for name in PLUGINS:
            write_transcript(name)
    print(f"{len(fresh)} pages, {len(stale)} changed")
    return 0


def filled(page: str) -> str:
    """The page with its generated parts made anew. Raises KeyError for a part that nobody makes."""
    return PART.sub(lambda found: f"{found[1]}{parts()[found[2]]()}{found[3]}", page)


def parts() -> dict[str, Callable[[], str]]:
    """What is generated, by name."""
    methods = {one.__name__: partial(methods_of, one) for one in CONTRACTS}
    fields = {one.__name__: partial(fields_of, one) for one in VALUES}
    rules = {f"{kit.kind}-rules": partial(table_of, kit) for kit in KITS}
    return {**methods, **fields, **rules, "hooks": hooks}


def methods_of(contract: type) -> str:
    """What holds of all of it; each public method with its exact arguments and what must hold of that."""
    shown = [f"#### `{signature(one)}`\n\n{duty(one)}{prose(one)}\n" for one in public(contract)]
    return "\n".join(["", f"{prose(contract)}\n", *shown, ""])


def duty(method: Callable[..., object]) -> str:
    return "*To be written.* " if getattr(method, "__isabstractmethod__", False) else ""


def public(contract: type) -> Iterable[Callable[..., object]]:
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
    return re.sub(r"``(.+?)``", r"`\1`", inspect.getdoc(thing) or "")


def table_of(kit: type[Conformance]) -> str:
    """The rules of a class of the kit, and what a plugin may leave out."""
    rows = [f"| `{rule.name}` | {cell(rule.sentence)} | {rule.ability} |" for rule in rules_of(kit)]
    lines = ["| rule | what it says | only with |", "|---|---|---|", *rows]
    if kit.abilities:
        lines += ["", "| ability | means |", "|---|---|"]
        lines += [f"| `{ability}` | {cell(meaning)} |" for ability, meaning in kit.abilities.items()]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def hooks() -> str:
    specs = (hookspecs.iris_platform, hookspecs.iris_transport, hookspecs.iris_resolver)
    return "\n" + "\n".join(f"#### `{signature(spec)}`\n\n{prose(spec)}\n" for spec in specs) + "\n"


def fields_of(value: type) -> str:
    """A value's fields, with their types and defaults."""
    rows = [
        f"| `{one.name}` | `{cell(annotation(value, one.name))}` | {default_of(one)} |"
        for one in attrs.fields(value)
    ]
    return "\n".join(["", prose(value), "", "| field | type | default |", "|---|---|---|", *rows, "", ""])


def annotation(value: type, field: str) -> str:
    """As it is written; that of the attrs field may have been resolved meanwhile."""
    found = next(one.__annotations__[field] for one in value.__mro__ if field in inspect.get_annotations(one))
    return found if isinstance(found, str) else inspect.formatannotation(found)


def default_of(one: attrs.Attribute[object]) -> str:
    if one.default is attrs.NOTHING:
        return ""
    return "made anew" if hasattr(one.default, "factory") else f"`{cell(repr(one.default))}`"


def write_transcript(name: str) -> None:
    argv = ["plugin", "check", name]
    ran = subprocess.run(
        [sys.executable, "-m", "iris", *argv],
        capture_output=True,
        text=True,
        env=os.environ | {"NO_COLOR": "1"},
        check=False,
    )
    output = "\n".join(line.rstrip() for line in ran.stdout.splitlines())
    page = PAGES / "checks" / f"{name}.txt"
    page.parent.mkdir(exist_ok=True)
    page.write_text(f"$ iris {' '.join(argv)}\n{output}\n")
    print(f"wrote checks/{page.name}, exit code {ran.returncode}")


if __name__ == "__main__":
    sys.exit(main())
