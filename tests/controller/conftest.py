"""Real controllers for tests, on ports of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iris_api.credentials import Token
from iris_controller.controller import Controller, ControllerConfig, PoolSpec, Rules
from tests.controller.client import TOKEN, Client

Start = Callable[..., Client]
RULES = Rules(pools=(PoolSpec("default", None, 2),))


@pytest.fixture
def start(thread_registry: object) -> Iterator[Start]:
    """Starts a controller and returns a client of it; all are stopped at the end of the test."""
    clients: list[Client] = []

    def begin(state: Path | None = None, **changes: Any) -> Client:
        parts = {key: changes.pop(key) for key in ("store", "clock", "lost") if key in changes}
        config = ControllerConfig(**{"state": state, "token": Token(TOKEN), "rules": RULES} | changes)
        controller = Controller(config, **parts)
        controller.start()
        clients.append(Client(controller))
        return clients[-1]

    yield begin
    for client in clients:
        client.stop()


@pytest.fixture
def client(start: Start) -> Client:
    """Of a controller that keeps nothing."""
    return start()
