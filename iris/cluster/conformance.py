"""What the cluster resolver promises: all rules, with a real controller behind a relay that can be cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from iris_actor.registry import EndpointRegistry
from iris_api.credentials import Token, new_token
from iris_api.resolver import Resolver
from iris_api.testing import Installed, Registry, ResolverConformance
from iris_api.testing.relay import Relay, relay_to
from iris_api.threads import ThreadRegistry
from iris_controller.controller import Controller, ControllerConfig

__all__ = ["TestCluster"]


class Names:
    """Registers at the controller itself; its resolvers ask by way of the relay."""

    def __init__(
        self, installed: Callable[..., Installed], controller: Controller, relay: Relay, token: Token
    ) -> None:
        self._plugin = installed("cluster", address=relay.address)
        self._relay = relay
        self._token = token
        self._endpoints = EndpointRegistry(controller.address, token=token)

    def resolver(self) -> Resolver:
        return self._plugin.resolver(token=self._token)

    def register(self, name: str, address: str) -> str:
        return self._endpoints.register(name, address)

    def unregister(self, uid: str) -> None:
        self._endpoints.unregister(uid)

    @contextmanager
    def outage(self) -> Iterator[None]:
        self._relay.silent = True
        self._relay.reset_all()
        yield
        self._relay.silent = False
        self._relay.reset_all()

    def close(self) -> None:
        self._endpoints.close()


class TestCluster(ResolverConformance):
    @pytest.fixture
    def registry(
        self, installed: Callable[..., Installed], thread_registry: ThreadRegistry
    ) -> Iterator[Registry]:
        token = new_token()
        controller = Controller(ControllerConfig(token=token))
        controller.start()
        port = int(controller.address.rpartition(":")[2])
        with relay_to("127.0.0.1", port, thread_registry.container) as relay:
            names = Names(installed, controller, relay, token)
            yield names
            names.close()
        controller.stop()
