"""What types cannot say: which values make sense, and what has no place in the file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from iris_api._config.paths import join
from iris_api._config.state import check_state
from iris_api._config.values import Config, ControllerConfig, PoolConfig, QuotaConfig
from iris_api.errors import InvalidSpec
from iris_api.ids import check_label

__all__ = ["check", "without_secrets"]

_SECRET: Final = re.compile(r"(.*[_-])?(token|password|passwd|secret)", re.IGNORECASE)
_LEAST_GRACE: Final = 1.0  # seconds
_LISTEN: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")


def check(config: Config) -> Iterator[str]:
    """All that is wrong with the values, a line each."""
    yield from _label(config.cluster.name, "cluster.name", "cluster name")
    yield from _listen(config.controller.listen)
    yield from _spans(config.controller)
    yield from check_state(config.controller.state, "controller.state")
    for name in config.platforms:
        yield from _label(name, join("platforms", name), "platform name")
    for name, pool in config.pools.items():
        yield from _label(name, join("pools", name), "pool name")
        yield from _numbers(pool, join("pools", name))
    for name, quota in config.quotas.items():
        yield from _quota(quota, join("quotas", name))


def _quota(quota: QuotaConfig, path: str) -> Iterator[str]:
    for key, value in (("running", quota.running), ("pending", quota.pending)):
        if value is not None and value < 0:
            yield f"{path}.{key}: expected 0 or more, got {value}"


def without_secrets(table: Any, path: str, problems: list[str]) -> Any:
    """`table` without the keys that name a secret, each of which is noted in `problems`."""
    if isinstance(table, list):
        return [without_secrets(item, join(path, i), problems) for i, item in enumerate(table)]
    if not isinstance(table, dict):
        return table
    kept = {}
    for key, value in table.items():
        if _SECRET.fullmatch(key):
            problems.append(
                f"{join(path, key)}: secrets do not belong in this file: the cluster's token goes in a "
                "file that IRIS_TOKEN_FILE names, a platform's credentials where its SDK looks for them"
            )
        else:
            kept[key] = without_secrets(value, join(path, key), problems)
    return kept


def _label(value: str, path: str, what: str) -> Iterator[str]:
    try:
        check_label(value, what)
    except InvalidSpec as error:
        yield f"{path}: {error}"


def _listen(listen: str) -> Iterator[str]:
    match = _LISTEN.fullmatch(listen)
    if match is None or int(match[2]) > 65535:
        yield (
            f"controller.listen: expected 'host:port' with a port from 0 (any) to 65535, "
            f"such as '127.0.0.1:10000', got {listen!r}"
        )


def _spans(controller: ControllerConfig) -> Iterator[str]:
    for key, value, least, why in (
        ("worker_grace", controller.worker_grace, _LEAST_GRACE, ""),
        ("absence", controller.absence, controller.worker_grace, " (worker_grace)"),
    ):
        if not least <= value < math.inf:
            yield f"controller.{key}: expected seconds, {least:g}{why} or more, got {value:g}"


def _numbers(pool: PoolConfig, path: str) -> Iterator[str]:
    for key, value, least in (("min", pool.min, 0), ("max", pool.max, 0), ("size", pool.size, 1)):
        if value < least:
            yield f"{path}.{key}: expected {least} or more, got {value}"
    if pool.min > pool.max >= 0:
        yield f"{path}.max: {pool.max} is less than min ({pool.min})"
