"""Finds iris.toml and reads it; all that is wrong is told at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
from attrs import frozen

from iris_api._config.check import check, without_secrets
from iris_api._config.paths import join, shown
from iris_api._config.structure import structure_table, unknown_key
from iris_api._config.values import (
    DEFAULT_RESOLVER,
    DEFAULT_RUNTIME,
    DEFAULT_TRANSPORT,
    ClusterConfig,
    Config,
    ControllerConfig,
    PluginTable,
    PoolConfig,
    QuotaConfig,
)
from iris_api.errors import ConfigError

__all__ = ["Draft", "find_config", "load_config", "parse_config", "read_draft"]

T = TypeVar("T")
_FILE: Final = "iris.toml"
_SECTIONS: Final = ["cluster", "controller", "platforms", "pools", "quotas", "transport", "resolver"]


def find_config(path: Path | str | None = None) -> Path | None:
    """The file to read: `path`, else what IRIS_CONFIG names, else ./iris.toml, None where that is
    absent. Raises ConfigError when a file that was asked for does not exist."""
    named = path or os.environ.get("IRIS_CONFIG")
    if not named:
        default = Path(_FILE)
        return default.absolute() if default.is_file() else None
    found = Path(named).expanduser().absolute()
    if not found.exists():
        raise ConfigError([f"no such file{'' if path else ' (IRIS_CONFIG names it)'}"], source=str(found))
    return found


@frozen
class Draft:
    """What is right of a file, and all that is wrong. `unusable` are platform tables that are not in
    `config` although the file has them."""

    config: Config
    problems: tuple[str, ...] = ()
    unusable: frozenset[str] = frozenset()

    def checked(self) -> Config:
        """The configuration. Raises ConfigError if anything is wrong with it."""
        if self.problems:
            raise ConfigError(self.problems, source=self.config.source_text)
        return self.config


def load_config(path: Path | str | None = None) -> Config:
    """The configuration of the file that `find_config` finds, the default one where there is none.

    Raises ConfigError with everything that is wrong.
    """
    return read_draft(path).checked()


def parse_config(text: str, source: Path | None = None) -> Config:
    """The configuration that `text` is. Relative paths in it start where `source` is, else here."""
    return parse_draft(text, source).checked()


def read_draft(path: Path | str | None = None) -> Draft:
    """As `load_config`, but raises ConfigError only for a file that is missing or is not TOML."""
    found = find_config(path)
    if found is None:
        return Draft(_located(Config()))
    try:
        text = found.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"cannot be read: {error}"], source=str(found)) from error
    return parse_draft(text, found)


def parse_draft(text: str, source: Path | None = None) -> Draft:
    """As `parse_config`, but raises ConfigError only for what is not TOML."""
    problems: list[str] = []
    raw = without_secrets(_toml(text, "" if source is None else str(source)), "", problems)
    config = _located(attrs.evolve(_sections(raw, problems), source=source))
    platforms = raw.get("platforms")
    named = platforms if isinstance(platforms, dict) else {}
    return Draft(config, (*problems, *check(config)), frozenset(named) - frozenset(config.platforms))


def _located(config: Config) -> Config:
    base = config.source.parent if config.source else Path.cwd()
    state = config.controller.state
    located = attrs.evolve(state, directory=base / state.directory.expanduser())
    return attrs.evolve(config, controller=attrs.evolve(config.controller, state=located))


def _toml(text: str, source: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        lines = text.split("\n")
        end = f"(at line {len(lines)}, column {len(lines[-1]) + 1})"
        message = str(error).replace("(at end of document)", end)
        raise ConfigError([f"not valid TOML: {message}"], source=source) from error
    except RecursionError as error:
        raise ConfigError(["not valid TOML: nested too deeply"], source=source) from error


def _sections(raw: dict[str, Any], problems: list[str]) -> Config:
    """What is right of the file; the rest is left out, and noted in `problems`."""
    problems += [f"{join('', key)}: {unknown_key(key, _SECTIONS)}" for key in raw if key not in _SECTIONS]
    default = Config()

    def section(name: str, parse: Callable[[Any, str], T], otherwise: T) -> T:
        parsed = _parse(parse, raw.get(name, {}), name, problems)
        return otherwise if parsed is None else parsed

    return Config(
        cluster=section("cluster", partial(structure_table, ClusterConfig), default.cluster),
        controller=section("controller", partial(structure_table, ControllerConfig), default.controller),
        platforms=_each(raw, "platforms", _plugin_table, problems),
        pools=_each(raw, "pools", _pool, problems) or default.pools,
        quotas=_each(raw, "quotas", partial(structure_table, QuotaConfig), problems),
        transport=section("transport", partial(_plugin_table, default=DEFAULT_TRANSPORT), default.transport),
        resolver=section("resolver", partial(_plugin_table, default=DEFAULT_RESOLVER), default.resolver),
    )


def _parse(parse: Callable[[Any, str], T], table: Any, path: str, problems: list[str]) -> T | None:
    """The table's value. What is wrong is noted, and the keys that are right still make a value, so
    that what can be wrong with them is found too; None where they do not."""
    try:
        return parse(table, path)
    except ConfigError as error:
        problems += error.problems
    if not isinstance(table, dict):
        return None
    with suppress(ConfigError):
        return parse({key: value for key, value in table.items() if _is_right(parse, key, value)}, path)
    return None


def _is_right(parse: Callable[[Any, str], object], key: str, value: Any) -> bool:
    try:
        parse({key: value}, "")
    except ConfigError:
        return False
    return True


def _each(
    raw: dict[str, Any], section: str, parse: Callable[[Any, str], T], problems: list[str]
) -> dict[str, T]:
    """The tables below a section, by their names."""
    tables = _parse(_table, raw.get(section, {}), section, problems) or {}
    parsed = {name: _parse(parse, table, join(section, name), problems) for name, table in tables.items()}
    return {name: value for name, value in parsed.items() if value is not None}


def _pool(table: Any, path: str) -> PoolConfig:
    if not {"platform", "runtime"} & _table(table, path).keys():
        table = {**table, "runtime": DEFAULT_RUNTIME}  # as the pool of an absent file has
    return structure_table(PoolConfig, table, path)


def _plugin_table(table: Any, path: str, default: str | None = None) -> PluginTable:
    options = dict(_table(table, path))
    kind = options.pop("kind", default)
    if kind is None:
        raise ConfigError([f"{path}.kind: is required"])
    if not isinstance(kind, str):
        raise ConfigError([f"{path}.kind: expected a text, got {shown(kind)}"])
    return PluginTable(kind, options)


def _table(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError([f"{path}: expected a table, got {shown(value)}"])
    return value
