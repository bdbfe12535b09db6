"""What a job wants installed, line by line, and where each line was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

from attrs import frozen

from iris_api.requirements import PYPROJECT, file_of
from iris_api.rpc import cluster_pb2 as pb
from iris_worker.environments.pyproject import Pyproject
from iris_worker.errors import BadEnvironment

__all__ = ["Wanted", "asks_for_packages", "wanted"]


@frozen
class Wanted:
    """A requirement as it was written. `origin` is where, such as ``pip_packages[1]``; `file` is the wheel or
    sdist of the workspace that it leads to. `line` is what an installer is told: of a file, a place below its
    directory by the content that the file has."""

    text: str
    origin: str
    line: str
    file: Path | None = None

    def __str__(self) -> str:
        return f"{self.origin} {self.text!r}"


def asks_for_packages(environment: pb.Environment) -> bool:
    return bool(environment.pip_packages or environment.python_packages_from)


def wanted(environment: pb.Environment, workdir: Path) -> tuple[Wanted, ...]:
    """All lines of a job whose workspace is unpacked in `workdir`. Raises BadEnvironment."""
    found = [(f"pip_packages[{index}]", text) for index, text in enumerate(environment.pip_packages)]
    if environment.python_packages_from == PYPROJECT:
        found += Pyproject.read(workdir).lines(environment.extras)
    return tuple(_located(origin, text, workdir) for origin, text in found)


def _located(origin: str, text: str, workdir: Path) -> Wanted:
    path = file_of(text)
    if path is None:
        return Wanted(text, origin, text)
    root = workdir.resolve()
    file = (root / path).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        raise BadEnvironment(
            f"{origin} {text!r}: the job's workspace has no such file (what git ignores does not travel)"
        )
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    extras = text[len(path) :]
    return Wanted(text, origin, f"./files/{digest}/{file.name}{extras}", file)
