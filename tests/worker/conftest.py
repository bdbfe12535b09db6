"""Real controllers, one after the other at one port."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iris_api.credentials import Token
from iris_controller.controller import Controller, ControllerConfig, PoolSpec, Rules
from tests.controller.client import TOKEN, Client

__all__ = ["Serve", "port", "serve"]

Serve = Callable[..., Client]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve(port: int, thread_registry: object) -> Iterator[Serve]:
    """Starts a controller at the port, and ends the one that was there."""
    clients: list[Client] = []

    def begin(cluster: str, state: Path | None = None, absence: float = 3600.0) -> Client:
        for client in clients:
            client.stop()
        config = ControllerConfig(
            cluster=cluster,
            port=port,
            state=state,
            token=Token(TOKEN),
            rules=Rules(pools=(PoolSpec("default", None, 2),)),
            absence=absence,
        )
        controller = Controller(config)
        controller.start()
        clients.append(Client(controller))
        return clients[-1]

    yield begin
    for client in clients:
        client.stop()
