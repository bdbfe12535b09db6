"""The fixed resolver keeps the rules of a table that does not change."""

from __future__ import annotations

from typing import ClassVar

import pytest

from iris_actor.resolvers.fixed import FixedResolver
from iris_api.resolver import Resolver
from iris_api.testing import ResolverConformance
from iris_api.testing.conformance.resolver import Registry


class Tables:
    """What is registered is in the table of the next resolver."""

    def __init__(self) -> None:
        self._table: dict[str, list[str]] = {}

    def resolver(self) -> Resolver:
        return FixedResolver({name: list(addresses) for name, addresses in self._table.items()})

    def register(self, name: str, address: str) -> str:
        self._table.setdefault(name, []).append(address)
        return ""

    def unregister(self, uid: str) -> None:
        raise NotImplementedError


class TestFixed(ResolverConformance):
    not_promised: ClassVar = {
        "changes": "the table is that of the configuration",
        "uids": "an address in a table is no registration",
        "outages": "there is nobody to ask",
    }

    @pytest.fixture
    def registry(self) -> Registry:
        return Tables()
