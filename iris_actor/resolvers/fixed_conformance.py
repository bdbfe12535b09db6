"""What the fixed resolver promises: the rules of a table that does not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from iris_api.resolver import Resolver
from iris_api.testing import Installed, Registry, ResolverConformance

__all__ = ["TestFixed"]


class Tables:
    """What is registered is in the table of the next resolver."""

    def __init__(self, installed: Callable[..., Installed]) -> None:
        self._installed = installed
        self._table: dict[str, list[str]] = {}

    def resolver(self) -> Resolver:
        return self._installed("fixed", names=self._table).resolver()

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
    def registry(self, installed: Callable[..., Installed]) -> Registry:
        return Tables(installed)
