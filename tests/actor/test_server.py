"""The life of a server: names, ports, stopping."""

from __future__ import annotations

import threading

import pytest

from iris_actor.client import ActorClient
from iris_actor.resolvers.fixed import FixedResolver
from iris_actor.server import ActorServer
from iris_api.errors import ConfigError, InvalidSpec, PlatformError, Refused
from iris_api.testing import wait_for_condition
from iris_api.threads import get_thread_registry
from tests.actor.actors import Calculator, Relay


def test_an_actor_may_come_after_the_start_and_go(server: ActorServer) -> None:
    server.register("late", Calculator())
    late = ActorClient(FixedResolver([server.address]), "late")
    assert late.add(1, 2) == 3
    server.unregister("late")
    with pytest.raises(Refused, match="no actor 'late' here; there is calc"):
        late.add(1, 2)


def test_a_name_is_taken_once(server: ActorServer) -> None:
    with pytest.raises(ValueError, match="'calc' is registered already"):
        server.register("calc", Calculator())


@pytest.mark.parametrize("name", ["", "/", "a b", None])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match="name"):
        ActorServer().register(name, Calculator())


@pytest.mark.parametrize("number", [0, -1, 1.5])
def test_a_bad_concurrency_is_refused(number: int) -> None:
    with pytest.raises(InvalidSpec, match="max_concurrency"):
        ActorServer(max_concurrency=number)


def test_unregistering_what_is_not_there_is_fine(server: ActorServer) -> None:
    server.unregister("nobody")


def test_a_port_in_use_is_a_clear_error(server: ActorServer) -> None:
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(PlatformError, match=f"{port}: the port is in use"):
        ActorServer(port=port).serve_background()


def test_a_server_starts_once(server: ActorServer) -> None:
    with pytest.raises(RuntimeError, match="up already"):
        server.serve_background()


def test_without_a_start_there_is_no_address() -> None:
    with pytest.raises(RuntimeError, match="not up"):
        _ = ActorServer().address


def test_it_listens_on_loopback_unless_told(server: ActorServer) -> None:
    assert server.address.startswith("http://127.0.0.1:")


def test_serve_blocks_until_stop(server: ActorServer) -> None:
    other = ActorServer()
    other.register("calc", Calculator())
    serving = get_thread_registry().container.spawn(lambda _: other.serve(), "serving")
    wait_for_condition(lambda: "not up" not in repr(other))
    assert ActorClient(FixedResolver([other.address]), "calc").add(1, 2) == 3
    other.stop()
    assert serving.join(5)


@pytest.mark.parametrize("serve", [True, False])
def test_a_call_may_stop_its_own_server(serve: bool) -> None:
    server = ActorServer()
    server.register("relay", Relay(server.stop))
    thread = None
    if serve:
        thread = get_thread_registry().container.spawn(lambda _: server.serve(), "serving")
        wait_for_condition(lambda: "not up" not in repr(server))
    else:
        server.serve_background()
    ActorClient(FixedResolver([server.address]), "relay", timeout=5).forward()
    wait_for_condition(lambda: "not up" in repr(server))
    assert thread is None or thread.join(5)


def test_stop_lets_a_running_call_end(server: ActorServer, calc: ActorClient) -> None:
    actor = server._actors["calc"].actor
    future = calc.wait.remote()
    assert actor.entered.acquire(timeout=5)
    stopping = get_thread_registry().container.spawn(lambda _: server.stop(10), "stopping")
    actor.release.set()
    assert future.result(5) == 1
    assert stopping.join(5)


def test_stop_is_bounded_when_a_call_hangs(server: ActorServer, calc: ActorClient) -> None:
    actor = server._actors["calc"].actor
    future = calc.wait.remote()
    assert actor.entered.acquire(timeout=5)
    stopping = get_thread_registry().container.spawn(lambda _: server.stop(0.3), "stopping")
    assert stopping.join(5)
    actor.release.set()
    assert future.exception(5) is not None


def test_a_stopped_server_can_start_again(server: ActorServer) -> None:
    server.stop()
    server.stop()
    server.serve_background()
    assert ActorClient(FixedResolver([server.address]), "calc").add(1, 2) == 3


def test_a_stopped_registry_ends_the_server_without_stop() -> None:
    server = ActorServer(threads=get_thread_registry().container.child("scope"))
    server.register("calc", Calculator())
    server.serve_background()
    assert ActorClient(FixedResolver([server.address]), "calc").add(1, 2) == 3
    assert server._threads is not None
    assert server._threads.stop(5) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("actor-")]


def test_beyond_this_machine_a_token_is_a_must() -> None:
    from iris_actor.http.transport import HttpTransport
    from iris_api.transport import Bind, Reply

    with pytest.raises(ConfigError, match="token"):
        HttpTransport().listen(lambda request: Reply(), Bind(host="0.0.0.0"))
