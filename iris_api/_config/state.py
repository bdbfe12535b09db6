"""``[controller.state]``: where a cluster keeps what must outlive its controller, and for how long."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from iris_api.resources import parse_memory

__all__ = ["StateConfig", "check_state", "state_of"]

_PASSWORDS: Final = ("password", "sslpassword")
_LEAST_BUNDLES: Final = 60.0  # seconds; a job is submitted after its bundle was asked for
_USERINFO: Final = re.compile(r"//[^/?#]*@")


@frozen(kw_only=True)
class StateConfig:
    """`directory` has logs, bundles, lock and, unless `database` is the URL of a PostgreSQL database,
    SQLite's file; of a file that was read it is absolute. Ended jobs are forgotten, with their logs, beyond
    `keep_ended` of them, `keep_tasks` tasks of theirs, and `keep_for` seconds after their end. Bundles are
    kept for `keep_bundles` seconds after their last use, and logs up to `max_logs` bytes in all."""

    directory: Path = Path("iris-state")
    database: str = ""
    keep_ended: int = 10_000
    keep_tasks: int = 200_000
    keep_for: float = 7 * 86_400.0
    keep_bundles: float = 86_400.0
    max_logs: int = field(default=20 * 10**9, converter=parse_memory)


def state_of(given: Path | StateConfig) -> StateConfig:
    """A path alone is that of the directory."""
    return given if isinstance(given, StateConfig) else StateConfig(directory=given)


def check_state(state: StateConfig, path: str) -> Iterator[str]:
    """All that is wrong with the values, a line each."""
    yield from _database(state.database, f"{path}.database")
    for key, value in (("keep_ended", state.keep_ended), ("keep_tasks", state.keep_tasks)):
        if value < 0:
            yield f"{path}.{key}: expected 0 or more, got {value}"
    if not 0 <= state.keep_for < math.inf:
        yield f"{path}.keep_for: expected seconds, 0 or more, got {state.keep_for:g}"
    if not _LEAST_BUNDLES <= state.keep_bundles < math.inf:
        yield f"{path}.keep_bundles: expected seconds, {_LEAST_BUNDLES:g} or more, got {state.keep_bundles:g}"


def _database(url: str, path: str) -> Iterator[str]:
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme != "postgresql" or not url.startswith("postgresql://"):
        shown = _USERINFO.sub("//...@", url)
        yield (
            f"{path}: {shown!r} is not allowed: give 'postgresql://user@host/database', or leave it out for "
            "SQLite in the state directory"
        )
    elif parts.password is not None or any(name in _PASSWORDS for name, _ in parse_qsl(parts.query)):
        yield (
            f"{path}: a password does not belong in this file: put it in ~/.pgpass, in a file that "
            "PGPASSFILE names, or in the variable PGPASSWORD"
        )
