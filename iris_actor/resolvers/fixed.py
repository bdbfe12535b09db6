"""FixedResolver: names to addresses from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from attrs import field, frozen

from iris_actor.resolvers.base import ActorResolver
from iris_api.context import Context
from iris_api.credentials import Token
from iris_api.errors import InvalidSpec
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver

__all__ = ["FixedConfig", "FixedResolver", "iris_resolver"]

Table: TypeAlias = Mapping[str, str | Sequence[str]] | Sequence[str]


class FixedResolver(ActorResolver):
    """``{"calc": "http://127.0.0.1:1234"}``, ``{"calc": [address, ...]}``, or addresses alone, which
    then have every name. `token` is what to show to them; default: the caller's own."""

    def __init__(self, table: Table, *, token: Token | None = None) -> None:
        self.token = token
        self._named = {}
        self._all: tuple[str, ...] | None = None
        if isinstance(table, Mapping):
            self._named = {name: _addresses(value, f"{name!r}") for name, value in table.items()}
        else:
            self._all = _addresses(table, "the resolver")

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        addresses = self._named.get(name, ()) if self._all is None else self._all
        return tuple(Endpoint(name, address) for address in addresses)

    def __repr__(self) -> str:
        return f"FixedResolver({self._named if self._all is None else list(self._all)!r})"


def _addresses(value: str | Sequence[str], what: str) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value)
    for address in found:
        if not isinstance(address, str) or not all(address.partition("://")):
            raise InvalidSpec(f"address {address!r} of {what} is not allowed: expected scheme://host:port")
    return found


@frozen(kw_only=True)
class FixedConfig:
    """`names` is the table: ``calc = ["http://127.0.0.1:1234"]``."""

    names: dict[str, list[str]] = field(factory=dict)


@hookimpl
def iris_resolver() -> Provider[FixedConfig, Resolver]:
    return Provider(FixedConfig, _create, "names from a table in the configuration")


def _create(config: FixedConfig, context: Context) -> FixedResolver:
    return FixedResolver(config.names, token=context.token)
