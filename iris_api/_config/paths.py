"""How a place in the file and a value in it are written in an error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["join", "quoted", "shown"]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def quoted(key: str) -> str:
    """A key as TOML writes it."""
    if _BARE.fullmatch(key):
        return key
    return json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")


def join(path: str, key: str | int) -> str:
    """``pools`` and ``cpu`` -> ``pools.cpu``; a list's item is ``path[0]``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{quoted(key)}" if path else quoted(key)


def shown(value: Any) -> str:
    """A value in a few words: ``'20'``, ``true``, ``a table``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
