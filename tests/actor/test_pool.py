"""Pools: everybody who has a name."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator

import pytest

from iris_actor.errors import ActorUnavailable
from iris_actor.pool import ActorPool
from iris_actor.resolvers.cluster import ClusterResolver
from iris_actor.resolvers.fixed import FixedResolver
from iris_actor.server import ActorServer
from iris_api.errors import InvalidSpec, NotSent
from iris_api.job_info import job_info_scope
from iris_api.threads import get_thread_registry
from tests.actor.actors import Calculator
from tests.actor.cluster import Cluster


@pytest.fixture
def servers() -> Iterator[list[ActorServer]]:
    servers = [ActorServer() for _ in range(3)]
    for server in servers:
        server.register("calc", Calculator())
        server.serve_background()
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def pool(servers: list[ActorServer]) -> ActorPool:
    return FixedResolver({"calc": [server.address for server in servers]}).lookup("calc")


def counts(servers: list[ActorServer]) -> list[int]:
    return [len(server._actors["calc"].actor.calls) for server in servers]


def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_calls_go_round(pool: ActorPool, servers: list[ActorServer]) -> None:
    assert [pool.call().add(i, 1) for i in range(6)] == [1, 2, 3, 4, 5, 6]
    assert counts(servers) == [2, 2, 2]


def test_asynchronous_calls_go_round(pool: ActorPool, servers: list[ActorServer]) -> None:
    futures = [pool.call().add.remote(i, 1) for i in range(6)]
    assert [future.result(5) for future in futures] == [1, 2, 3, 4, 5, 6]
    assert counts(servers) == [2, 2, 2]


def test_who_cannot_be_reached_is_skipped(servers: list[ActorServer]) -> None:
    pool = ActorPool(FixedResolver([nowhere(), servers[0].address, nowhere()]), "calc", timeout=10)
    assert [pool.call().add(i, 1) for i in range(5)] == [1, 2, 3, 4, 5]
    assert [pool.call().add.remote(i, 1).result(5) for i in range(5)] == [1, 2, 3, 4, 5]


def test_a_broadcast_reaches_everybody_in_order(pool: ActorPool, servers: list[ActorServer]) -> None:
    results = pool.broadcast().add(2, 3).wait_all()
    assert [result.value for result in results] == [5, 5, 5]
    assert [result.endpoint.address for result in results] == [server.address for server in servers]
    assert counts(servers) == [1, 1, 1]


def test_a_broadcast_tells_who_failed(servers: list[ActorServer]) -> None:
    pool = ActorPool(FixedResolver([servers[0].address, nowhere()]), "calc")
    good, bad = pool.broadcast().add(2, 3).wait_all(timeout=10)
    assert (good.success, good.value, good.exception) == (True, 5, None)
    assert (bad.success, bad.value) == (False, None)
    assert isinstance(bad.exception, NotSent)


def test_a_broadcast_keeps_the_exceptions(pool: ActorPool) -> None:
    results = pool.broadcast().boom("x").wait_all()
    assert [type(result.exception) for result in results] == [KeyError] * 3


def test_who_is_late_for_a_broadcast_has_failed(pool: ActorPool, servers: list[ActorServer]) -> None:
    results = pool.broadcast().wait().wait_all(timeout=0.1)
    assert [type(result.exception) for result in results] == [TimeoutError] * 3
    for server in servers:
        server._actors["calc"].actor.release.set()


def test_an_empty_pool_is_a_pool() -> None:
    pool = FixedResolver({}).lookup("nobody")
    assert pool.size == 0
    assert pool.endpoints() == ()
    assert pool.broadcast().add(1, 2).wait_all() == []


def test_waiting_for_a_size_is_bounded_and_says_what_it_saw(pool: ActorPool) -> None:
    pool.wait_for_size(3)
    with pytest.raises(
        ActorUnavailable, match=r"'calc' did not reach size 4 within 0\.2 s; it last was 3: .*http"
    ):
        pool.wait_for_size(4, timeout=0.2)


def test_waiting_for_a_size_sees_who_comes(cluster: Cluster) -> None:
    resolver = ClusterResolver(cluster.address, job="root", token=cluster.token)
    pool = resolver.lookup("calc")
    waiting = get_thread_registry().container.spawn(lambda _: pool.wait_for_size(2, timeout=20), "waiting")
    with ActorServer() as one, ActorServer() as two:
        for number, server in enumerate((one, two)):
            server.register("calc", Calculator())
            with job_info_scope(cluster.job("root", f"attempt-{number}")):
                server.serve_background()
        assert waiting.join(10)
        assert waiting.failure is None
    resolver.close()


def test_a_pool_travels_by_resolver_and_name(pool: ActorPool) -> None:
    assert pickle.loads(pickle.dumps(pool)).call().add(1, 2) == 3


@pytest.mark.parametrize("table", [["127.0.0.1:80"], {"calc": ""}, {"calc": [None]}])
def test_a_bad_table_is_refused(table: list[str]) -> None:
    with pytest.raises(InvalidSpec, match="scheme://host:port"):
        FixedResolver(table)
