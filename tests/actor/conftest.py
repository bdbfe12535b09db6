from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_actor.client import ActorClient
from iris_actor.resolvers.fixed import FixedResolver
from iris_actor.server import ActorServer
from iris_api.credentials import Token, new_token
from tests.actor.actors import Calculator
from tests.actor.cluster import Cluster


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's token is made in a directory of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[ActorServer]:
    with ActorServer() as server:
        server.register("calc", Calculator())
        server.serve_background()
        yield server


@pytest.fixture
def calc(server: ActorServer) -> ActorClient:
    return ActorClient(FixedResolver({"calc": server.address}), "calc", timeout=10)


@pytest.fixture
def token() -> Token:
    return new_token()


@pytest.fixture
def cluster(token: Token) -> Iterator[Cluster]:
    with Cluster(token) as cluster:
        yield cluster
