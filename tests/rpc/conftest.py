from __future__ import annotations

from collections.abc import Iterator

import pytest

from iris_api.credentials import Token, new_token
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.app import RpcApp, service_methods
from iris_api.rpc.client import RpcClient
from iris_api.rpc.direct import DirectProtocol
from iris_api.rpc.fallback import connect_fallback
from iris_api.rpc.protocol import BoundedProtocol
from iris_api.rpc.serving import Server, serve
from iris_api.threads import ThreadContainer
from tests.rpc.service import Endpoints, health


@pytest.fixture
def threads() -> Iterator[ThreadContainer]:
    with ThreadContainer("test") as container:
        yield container


@pytest.fixture
def token() -> Token:
    return new_token()


@pytest.fixture
def service() -> Endpoints:
    return Endpoints()


@pytest.fixture
def app(service: Endpoints) -> RpcApp:
    return RpcApp(
        service_methods("Endpoints", service, pb.DESCRIPTOR),
        connect_fallback("iris_api.rpc.cluster_connect", {"Endpoints": service}),
        routes={"/health": health},
    )


@pytest.fixture(params=[DirectProtocol, BoundedProtocol])
def server(app: RpcApp, threads: ThreadContainer, token: Token, request: pytest.FixtureRequest) -> Server:
    """Each test with and without the short way for the usual calls."""
    return serve(
        app,
        host="127.0.0.1",
        port=0,
        threads=threads,
        name="rpc",
        token=token,
        grace=0.2,
        protocol=request.param,
    )


@pytest.fixture
def client(server: Server, token: Token) -> Iterator[RpcClient]:
    client = RpcClient(server.address, token)
    yield client
    client.close()
