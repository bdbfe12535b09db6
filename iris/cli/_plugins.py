"""``iris plugins``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click

from iris.cli._config import file_option
from iris_api.errors import ConfigError, PluginError
from iris_api.plugins import LoadedPlugin, PluginInfo, Plugins

__all__ = ["plugins"]


@click.command()
@file_option
@click.option("--check", is_flag=True, help="Import each plugin; exit 1 if any is broken.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins(path: Path | None, check: bool, as_json: bool) -> None:
    """List the installed plugins; * marks those that the configuration selects.

    The list is read from metadata: nothing is imported, and nothing that is installed can break it.

    Example: iris plugins --check
    """
    host = Plugins()
    selected = _selected(path)
    rows = [_row(host, info, info.name in selected, check) for info in host.installed()]
    for line in host.unreadable():
        click.echo(f"iris: metadata that cannot be read: {line}", err=True)
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=2, default=str))
    else:
        _show(rows, check)
    if any(row.get("status") == "broken" for row in rows):
        raise SystemExit(1)


def _selected(path: Path | None) -> frozenset[str]:
    """The plugins that the configuration selects; none, and a word about it, if it is wrong."""
    from iris_api.config import load_config

    try:
        return load_config(path).kinds()
    except (ConfigError, OSError) as error:
        for line in str(error).splitlines():
            click.echo(f"iris: {line}", err=True)
        return frozenset()


def _row(host: Plugins, info: PluginInfo, selected: bool, check: bool) -> dict[str, Any]:
    row = {"name": info.name, "package": info.package, "version": info.version, "selected": selected}
    if not check:
        return row
    try:
        return row | {"status": "ok", "offers": _offers(host.load(info.name))}
    except PluginError as error:
        reason = str(error)
    except Exception as error:  # of a default that cannot be made, say: this reports whatever is broken
        reason = f"{type(error).__name__}: {error}"
    return row | {"status": "broken", "reason": reason}


def _offers(plugin: LoadedPlugin) -> dict[str, Any]:
    offers: dict[str, Any] = {}
    for kind in plugin.offers:
        provider = plugin.provider(kind)
        fields = [_field(field) for field in attrs.fields(provider.config) if field.init]
        offers[kind] = {"summary": provider.summary, "config": fields}
    return offers


def _field(field: attrs.Attribute[Any]) -> dict[str, Any]:
    kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    described = {"name": field.alias, "type": kind, "required": field.default is attrs.NOTHING}
    if described["required"]:
        return described
    return described | {"default": _default(field)}


def _default(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    if field.repr is not True:
        return "<hidden>"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = "<computed>" if default.takes_self else default.factory()
    plain = isinstance(default, str | bool | int | float | list | dict | None)
    return default if plain else str(default)


def _show(rows: list[dict[str, Any]], check: bool) -> None:
    from rich.markup import escape

    from iris.cli._tables import show_table

    columns = ["", "NAME", "PACKAGE", "VERSION", *(["STATUS", "OFFERS"] if check else [])]
    cells = []
    for row in rows:
        head = ["*" if row["selected"] else "", row["name"], row["package"], row["version"]]
        cells.append([escape(cell) for cell in (*head, *(_checked(row) if check else ()))])
    show_table(columns, cells, "no plugins are installed")


def _checked(row: dict[str, Any]) -> tuple[str, str]:
    if row["status"] == "broken":
        return "broken", row["reason"]
    lines = []
    for kind, offer in row["offers"].items():
        lines.append(f"{kind}: {offer['summary']}")
        lines += [f"  {_option(field)}" for field in offer["config"]]
    return "ok", "\n".join(lines)


def _option(field: dict[str, Any]) -> str:
    value = "(required)" if field["required"] else f"= {field['default']!r}"
    return f"{field['name']}: {field['type']} {value}"
