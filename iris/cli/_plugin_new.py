"""The package of a new plugin, from the templates beside this module."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from attrs import frozen

from iris_api.errors import InvalidSpec
from iris_api.ids import check_label
from iris_api.plugins import Plugins

__all__ = ["Package"]

# What is written -> the template, of the kind if it has one, else the common one
_FILES: Final = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "{module}/__init__.py": "plugin.py",
    "{module}/conformance.py": "conformance.py",
    "{module}/py.typed": "",
    "tests/test_{module}.py": "test.py",
}
_SUMMARIES: Final = {
    "platform": "a folder of orders, for whoever owns the machines",
    "transport": "calls within one process",
    "resolver": "names from a folder of files",
}


@frozen
class Package:
    """A package that offers plugin `name` of a kind; `module` is what is imported."""

    name: str
    kind: str

    @classmethod
    def called(cls, name: str, kind: str) -> Package:
        """Raises InvalidSpec for a name that cannot be a plugin's, or is taken."""
        package = cls(check_label(name, "plugin name"), kind)
        for info in Plugins().installed():
            if info.name == name:
                raise InvalidSpec(f"plugin name {name!r} is taken by {info.origin}; choose another one")
        if importlib.util.find_spec(package.module) is not None:
            raise InvalidSpec(f"there is a package {package.module} already; choose another plugin name")
        return package

    @property
    def distribution(self) -> str:
        return f"iris-{self.name}"

    @property
    def module(self) -> str:
        return f"iris_{self.name.replace('-', '_')}"

    def write(self, target: Path) -> Iterator[Path]:
        """Write it to a directory that is not there or is empty; the files as they are written."""
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InvalidSpec(f"{target} is there already; name another place with --directory")
        return (_write(target / name, text) for name, text in self.texts().items())

    def texts(self) -> dict[str, str]:
        """What is in each file, by its path."""
        values = self._values()
        return {
            name.format(module=self.module): _fill(self.kind, template, values)
            for name, template in _FILES.items()
        }

    def _values(self) -> Mapping[str, str]:
        return {
            "name": self.name,
            "kind": self.kind,
            "module": self.module,
            "package": self.distribution,
            "class": "".join(part.capitalize() for part in self.name.split("-")),
            "summary": _SUMMARIES[self.kind],
            "needs": _compatible(),
        }


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise InvalidSpec(f"{path} cannot be written: {error.strerror}") from error
    return path


def _fill(kind: str, template: str, values: Mapping[str, str]) -> str:
    if not template:
        return ""
    folder = files("iris.cli").joinpath("templates")
    own = folder.joinpath(kind, f"{template}.tmpl")
    text = own if own.is_file() else folder.joinpath("common", f"{template}.tmpl")
    return Template(text.read_text()).substitute(values)


def _compatible() -> str:
    """``>=0.1,<0.2``: the versions of Iris that keep what this one offers."""
    from iris_api.rpc.version import VERSION

    major, minor = map(int, VERSION.split(".")[:2])
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"
