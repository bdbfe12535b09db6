"""A table of the file into the attrs class that describes it, or all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import attrs

from iris_api._closest import did_you_mean
from iris_api._config.paths import join
from iris_api.errors import ConfigError

__all__ = ["structure_table"]

T = TypeVar("T")


def structure_table(cls: type[T], table: Any, path: str) -> T:
    """`table` as an instance of the attrs class `cls`: no unknown key, no value converted.

    `path` is where the table is in the file, such as ``pools.cpu.template``. Raises ConfigError with
    a line for each thing that is wrong, its dotted path in front.
    """
    if table == {} and not _has_required(cls):
        return cls()  # cattrs, whose import takes longer than all the rest, is not needed for this
    from iris_api._config.strict import converter

    try:
        return converter.structure(table, cls)
    except Exception as error:  # also what the class's own validators and converters raise
        raise ConfigError(list(_problems(error, path, cls))) from error


def _has_required(cls: Any) -> bool:
    return any(field.init and field.default is attrs.NOTHING for field in attrs.fields(cls))


def _problems(error: Exception, path: str, cls: type) -> Iterator[str]:
    from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

    if isinstance(error, ClassValidationError):
        fields, others = error.group_exceptions()
        for inner, field in fields:
            where = join(path, field.name.lstrip("_"))
            missing = isinstance(inner, KeyError)
            yield from [f"{where}: is required"] if missing else _problems(inner, where, error.cl)
        for inner in others:
            yield from _problems(inner, path, error.cl)
    elif isinstance(error, IterableValidationError):
        items, others = error.group_exceptions()
        for inner, item in items:
            yield from _problems(inner, join(path, item.index), error.cl)
        for inner in others:
            yield from _problems(inner, path, error.cl)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [field.alias or field.name for field in attrs.fields(error.cl) if field.init]
        for key in sorted(error.extra_fields):
            yield f"{join(path, key)}: {unknown_key(key, known)}"
    else:
        yield _sentence(error, path)


def unknown_key(key: str, known: list[str]) -> str:
    """What to say of a key that a table may not have."""
    hint = did_you_mean(key, known)
    return f"unknown key{hint or '; known here: ' + (', '.join(known) or 'none')}"


def _sentence(error: Exception, path: str) -> str:
    """One line. Validators of attrs tell the attribute and more beside their message."""
    message, *more = error.args or ("",)
    if more and isinstance(more[0], attrs.Attribute):
        path = join(path, more[0].alias or more[0].name)
    text = " ".join((message if isinstance(message, str) else str(error)).split())
    return f"{path}: {text or type(error).__name__}"
