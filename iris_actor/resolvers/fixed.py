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
        self._found: dict[str, tuple[Endpoint, ...]] = {}
        self._all: tuple[str, ...] = ()
        if isinstance(table, Mapping):
            for name, value in table.items():
                self._found[name] = _endpoints(name, _addresses(value, f"{name!r}"))
        else:
            self._all = _addresses(table, "the resolver")

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        found = self._found.get(name)
        if found is None:
            found = _endpoints(name, self._all)
            if found:
                self._found[name] = found
        return found

    def resolve_within(self, name: str, timeout: float) -> tuple[Endpoint, ...]:
        """It never waits."""
        return self.resolve(name)

    def __getstate__(self) -> dict[str, object]:
        """The token stays where it is: whoever unpickles shows their own."""
        return self.__dict__ | {"token": None}

    def __repr__(self) -> str:
        table = {name: [one.address for one in found] for name, found in self._found.items()}
        return f"FixedResolver({list(self._all) or table!r})"


def _endpoints(name: str, addresses: tuple[str, ...]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(name, address) for address in addresses)


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
    summary = "names from a table in the configuration"
    return Provider(FixedConfig, _create, summary, "iris_actor.resolvers.fixed_conformance")


def _create(config: FixedConfig, context: Context) -> FixedResolver:
    return FixedResolver(config.names, token=context.token)
