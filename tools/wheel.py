"""Check that a built wheel holds what it should: every package with its type marker, and the entry points."""

from __future__ import annotations

import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main(wheel: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (table,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        entry_points = archive.read(table).decode()
    problems = [*missing_files(project, names), *wrong_entry_points(project, entry_points)]
    if problems:
        sys.exit("\n".join([f"{Path(wheel).name} is not complete:", *problems]))
    print(f"{Path(wheel).name}: {len(names)} files")


def missing_files(project: dict[str, Any], names: set[str]) -> list[str]:
    packages: list[str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    wanted = {f"{package}/py.typed" for package in packages}
    for package in packages:
        for pattern in ("*.py", "*.tmpl"):
            wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob(pattern)}
    foreign = {name for name in names if name.split("/")[0] not in packages and ".dist-info/" not in name}
    return [f"  missing: {name}" for name in sorted(wanted - names)] + [
        f"  not ours: {name}" for name in sorted(foreign)
    ]


def wrong_entry_points(project: dict[str, Any], text: str) -> list[str]:
    found = ConfigParser(delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(text)
    wanted = {"console_scripts": project["project"]["scripts"], **project["project"]["entry-points"]}
    return [
        f"  entry points of {group}: {dict(found[group]) if group in found else None}, not {table}"
        for group, table in wanted.items()
        if group not in found or dict(found[group]) != table
    ]


if __name__ == "__main__":
    main(sys.argv[1])
