"""Write the generated parts of docs/plugins/ from the code: signatures, rules, and with --transcripts what
`iris plugin check` prints for each plugin that comes along. With --check: fail where pages and code differ.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import argparse
import enum
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from iris_api import hookspecs, transport
from iris_api.context import Context, RunningWorker, WorkerSpec
from iris_api.credentials import Token
from iris_api.job_info import JobInfo
from iris_api.jobs import Entry
from iris_api.platform import (
    Exit,
    ExitKind,
    Interpreter,
    Launch,
    Lease,
    LogSink,
    Machines,
    Mount,
    Platform,
    Runtime,
    Sandbox,
    Slice,
    SliceRequest,
    SliceState,
    Stats,
    SupportsOnEnd,
)
from iris_api.plugins import Plugins
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver, SupportsWatch
from iris_api.resources import ResourceSpec
from iris_api.testing import (
    Conformance,
    MachinesConformance,
    Registry,
    ResolverConformance,
    RuntimeConformance,
    TransportConformance,
)
from iris_api.testing.conformance.resolver import SupportsOutage
from iris_api.transport import Bind, Channel, Listener, RemoteFailure, Reply, Request, SupportsPost, Transport
from tools.plugin_parts import (
    alias_of,
    fields_of,
    fixtures_of,
    members_of,
    methods_of,
    prose,
    rules_table,
    signature,
)

PAGES = Path(__file__).resolve().parent.parent / "docs" / "plugins"
CONTRACTS = (
    *(Platform, Machines, Runtime, Sandbox, SupportsOnEnd, LogSink, RunningWorker, Token),
    *(Transport, Listener, Channel, SupportsPost),
    *(Resolver, SupportsWatch, Registry, SupportsOutage),
)
VALUES = (
    *(Provider, Context, WorkerSpec, SliceRequest, Slice, Launch, Interpreter, Lease, Exit, Stats),
    *(Mount, Entry, JobInfo, ResourceSpec),
    *(Bind, Request, Reply, RemoteFailure, Endpoint),
)
ENUMS: tuple[type[enum.Enum], ...] = (SliceState, ExitKind)
ALIASES = ((transport, "Handler"), (transport, "Deliver"))
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
        for name in first_party():
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
    members = {one.__name__: partial(members_of, one) for one in ENUMS}
    aliases = {name: partial(alias_of, module, name) for module, name in ALIASES}
    rules = {f"{kit.kind}-rules": partial(rules_table, kit) for kit in KITS}
    fixtures = {f"{kit.kind}-fixtures": partial(fixtures_of, kit) for kit in KITS}
    return {**methods, **fields, **members, **aliases, **rules, **fixtures, "hooks": hooks}


def hooks() -> str:
    specs = (hookspecs.iris_platform, hookspecs.iris_transport, hookspecs.iris_resolver)
    return "\n" + "\n".join(f"#### `{signature(spec)}`\n\n{prose(spec)}\n" for spec in specs) + "\n"


def first_party() -> tuple[str, ...]:
    """The plugins that come along, but for those that say themselves that they are not built."""
    plugins = Plugins()
    names = sorted(info.name for info in plugins.installed() if info.package == "iris-cluster")
    return tuple(name for name in names if not _is_missing(plugins, name))


def table_of(name: str, folder: Path) -> tuple[str, ...]:
    """The options of a check, as the arguments that name them: docker needs an image that is here."""
    if name != "docker":
        return ()
    import docker

    from tests.docker.image import ensure_image

    with closing(docker.from_env()) as client:
        image = ensure_image(client)
    (folder / "iris.toml").write_text(f'[platforms.docker]\nkind = "docker"\nimage = "{image}"\n')
    return "--config", "iris.toml", "--table", "platforms.docker"


def _is_missing(plugins: Plugins, name: str) -> bool:
    plugin = plugins.load(name)
    return any("not built in this version" in plugin.provider(kind).summary for kind in plugin.offers)


def write_transcript(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        argv = ["plugin", "check", name, *table_of(name, Path(folder))]
        ran = subprocess.run(
            [sys.executable, "-m", "iris", *argv],
            cwd=folder,
            capture_output=True,
            text=True,
            env=os.environ | {"NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
    output = "\n".join(line.rstrip() for line in ran.stdout.splitlines())
    page = PAGES / "checks" / f"{name}.txt"
    page.parent.mkdir(exist_ok=True)
    page.write_text(f"$ iris {' '.join(argv)}\n{output}\n")
    print(f"wrote checks/{page.name}, exit code {ran.returncode}")


if __name__ == "__main__":
    sys.exit(main())
