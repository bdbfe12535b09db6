"""Retention: for how long what has ended is kept."""

from __future__ import annotations

from typing import Final

from attrs import frozen

__all__ = ["Retention"]

_DAY: Final = 86_400.0


@frozen(kw_only=True)
class Retention:
    """Ended root jobs are remembered with their logs: `ended` of them, for `age` seconds. A bundle that no
    unfinished job names is kept for `bundles` seconds after its last use; logs up to `log_bytes` in all."""

    ended: int = 10_000
    age: float = 7 * _DAY
    bundles: float = _DAY
    log_bytes: int = 20 * 10**9
