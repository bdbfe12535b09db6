"""The dependencies that a workspace's pyproject.toml names."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from iris_api.errors import InvalidSpec
from iris_api.requirements import check_requirement, file_of
from iris_worker.errors import BadEnvironment

__all__ = ["Pyproject"]

_NAME: Final = "pyproject.toml"


class Pyproject:
    """Of its [project] table, the dependencies. The project itself is not installed: it is the working
    directory of the tasks already."""

    def __init__(self, project: Mapping[str, Any]) -> None:
        self._project = project
        self._own_name = canonicalize_name(str(project.get("name", "")))

    @classmethod
    def read(cls, workspace: Path) -> Pyproject:
        """Raises BadEnvironment where there is none that can be read."""
        try:
            project = tomllib.loads((workspace / _NAME).read_text(encoding="utf-8")).get("project")
        except FileNotFoundError:
            raise BadEnvironment(f"the job's workspace has no {_NAME} in its root") from None
        except (OSError, ValueError) as error:
            raise BadEnvironment(f"{_NAME} cannot be read: {error}") from error
        if not isinstance(project, Mapping):
            raise BadEnvironment(f"{_NAME} has no [project] table")
        return cls(project)

    def lines(self, extras: Iterable[str]) -> list[tuple[str, str]]:
        """Origin and text of each dependency, and of each that an extra adds. Raises BadEnvironment."""
        self._refuse_dynamic("dependencies")
        found = list(self._checked("project.dependencies", self._project.get("dependencies", [])))
        for extra in self._with_those_inside(extras, found):
            found += self._of_extra(extra)
        return [(origin, text) for origin, text in found if self._own_extras(text) is None]

    def _with_those_inside(self, extras: Iterable[str], base: list[tuple[str, str]]) -> Iterator[str]:
        """The extras, and those that they name by naming the project itself, each once."""
        waiting = [*extras, *(extra for _, text in base for extra in self._own_extras(text) or ())]
        seen = set()
        while waiting:
            extra = waiting.pop(0)
            if canonicalize_name(extra) not in seen:
                seen.add(canonicalize_name(extra))
                yield extra
                waiting += [one for _, text in self._of_extra(extra) for one in self._own_extras(text) or ()]

    def _of_extra(self, extra: str) -> list[tuple[str, str]]:
        self._refuse_dynamic("optional-dependencies")
        table = self._project.get("optional-dependencies", {})
        names = list(table) if isinstance(table, Mapping) else []
        for name in names:
            if canonicalize_name(name) == canonicalize_name(extra):
                return list(self._checked(f"project.optional-dependencies.{name}", table[name]))
        known = f"; it has {', '.join(names)}" if names else ""
        raise BadEnvironment(f"{_NAME} has no optional dependencies {extra!r}{known}")

    def _checked(self, where: str, texts: Any) -> Iterator[tuple[str, str]]:
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise BadEnvironment(f"{_NAME} {where} is no list of texts")
        for index, text in enumerate(texts):
            origin = f"{_NAME} {where}[{index}]"
            try:
                check_requirement(text, origin)
            except InvalidSpec as error:
                raise BadEnvironment(str(error)) from error
            yield origin, text

    def _refuse_dynamic(self, key: str) -> None:
        if key in self._project.get("dynamic", ()):
            raise BadEnvironment(
                f"{_NAME} leaves its {key} to the project's build (dynamic), which is not run: "
                "write them down there, or give pip_packages"
            )

    def _own_extras(self, text: str) -> set[str] | None:
        """A project may name itself, for its extras; None for any other line."""
        if not self._own_name or file_of(text) is not None or "://" in text:
            return None
        found = Requirement(text)
        return found.extras if canonicalize_name(found.name) == self._own_name else None
