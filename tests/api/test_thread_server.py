"""uvicorn servers on managed threads, with real sockets, on both event loops."""

import asyncio
import contextlib
import contextvars
import http.client
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvicorn

from iris_api.testing import wait_for_condition
from iris_api.threads import ManagedThread, ThreadContainer

WHO = contextvars.ContextVar("who", default="nobody")
POLLING = 0.09  # seconds; uvicorn alone takes up to 0.1 to see a stop, and 0.1 for what is open
App = Callable[[Any, Any, Any], Awaitable[None]]
Connect = Callable[[uvicorn.Server], http.client.HTTPConnection]


@pytest.fixture
def container() -> Iterator[ThreadContainer]:
    with ThreadContainer("test") as container:
        yield container


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make_server(app: App, loop: str = "uvloop", **options: Any) -> uvicorn.Server:
    options = {"port": 0, "lifespan": "off", "log_config": None, **options}
    return uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", loop=loop, **options))


def port_of(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes connections that are closed after the test."""
    with contextlib.ExitStack() as stack:

        def connect(server: uvicorn.Server) -> http.client.HTTPConnection:
            connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)
            stack.callback(connection.close)
            return connection

        yield connect


def get(connection: http.client.HTTPConnection) -> str:
    connection.request("GET", "/")
    return connection.getresponse().read().decode()


async def answer(send: Any, text: str) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]}
    )
    await send({"type": "http.response.body", "body": text.encode()})


async def who(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, f"{WHO.get()} {await asyncio.to_thread(WHO.get)}")


def stop_seconds(thread: ManagedThread) -> float:
    start = time.monotonic()
    assert thread.stop(10)
    return time.monotonic() - start


def test_server_listens_when_spawn_returns(container: ThreadContainer, connect: Connect, loop: str) -> None:
    """The first connection after spawn_server is accepted."""
    server = make_server(who, loop)
    container.spawn_server(server, "web")
    connection = connect(server)
    assert get(connection)


def test_handler_sees_the_context_of_who_spawned_the_server(
    container: ThreadContainer, connect: Connect, loop: str
) -> None:
    """A handler and its asyncio.to_thread see the variables of the spawner."""
    WHO.set("spawner")
    server = make_server(who, loop)
    container.spawn_server(server, "web")
    connection = connect(server)
    assert get(connection) == "spawner spawner"


def test_request_does_not_see_what_the_one_before_it_has_set(
    container: ThreadContainer, connect: Connect, loop: str
) -> None:
    """Two requests on one connection have a copy each of the spawner's context."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen = WHO.get()
        WHO.set("earlier request")
        while (await receive()).get("more_body"):
            pass
        await answer(send, seen)

    WHO.set("spawner")
    server = make_server(app, loop)
    container.spawn_server(server, "web")
    connection = connect(server)
    large = b"x" * 3_000_000  # large enough for uvicorn to pause the transport, which is what leaks
    for _ in range(2):
        connection.request("POST", "/", body=large)
        assert connection.getresponse().read() == b"spawner"


def test_stop_does_not_wait_for_idle_connections(
    container: ThreadContainer, connect: Connect, loop: str
) -> None:
    """An idle keep-alive connection is closed, and the stop takes no polling interval of uvicorn."""

    def once() -> float:
        server = make_server(who, loop)
        thread = container.spawn_server(server, "web")
        connection = connect(server)
        get(connection)
        return stop_seconds(thread)

    assert min(once() for _ in range(5)) < POLLING


def test_stop_of_a_container_stops_its_servers(container: ThreadContainer, loop: str) -> None:
    """After the stop nobody listens any more."""
    server = make_server(who, loop)
    container.spawn_server(server, "web")
    port = port_of(server)
    assert container.stop() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_request_in_flight_is_answered(container: ThreadContainer, connect: Connect, loop: str) -> None:
    """A request that ends within the grace gets its answer although the server stops."""
    begun, go = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await asyncio.to_thread(go.wait, 5)
        await answer(send, "done")

    server = make_server(app, loop, timeout_graceful_shutdown=5)
    thread = container.spawn_server(server, "web")
    connection = connect(server)
    connection.request("GET", "/")
    assert begun.wait(5)
    thread._request_stop()
    go.set()
    assert connection.getresponse().read() == b"done"
    assert thread.join(5)


def test_request_that_does_not_end_is_cut_off(
    container: ThreadContainer, connect: Connect, loop: str
) -> None:
    """A request in flight delays the stop by the configured grace and no more."""
    begun = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    server = make_server(app, loop, timeout_graceful_shutdown=0)
    thread = container.spawn_server(server, "web")
    connection = connect(server)
    connection.request("GET", "/")
    assert begun.wait(5)
    assert stop_seconds(thread) < 2


def test_blocked_handler_thread_does_not_hang_the_stop(
    container: ThreadContainer, connect: Connect, loop: str
) -> None:
    """A thread of asyncio.to_thread that does not return is named by the container's stop."""
    begun, release = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        release.wait()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(block)

    server = make_server(app, loop, timeout_graceful_shutdown=0)
    thread = container.spawn_server(server, "web")
    connection = connect(server)
    connection.request("GET", "/")
    assert begun.wait(5)
    try:
        assert stop_seconds(thread) < 2
        assert container.stop(timeout=0.05) == ["web-handlers-0"]
    finally:
        release.set()


def test_client_that_reads_nothing_does_not_hang_the_stop(
    container: ThreadContainer, connect: Connect, loop: str
) -> None:
    """A response that the client does not take is cut off after the grace."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, "x" * 16_000_000)

    server = make_server(app, loop, timeout_graceful_shutdown=0)
    thread = container.spawn_server(server, "web")
    connection = connect(server)
    connection.request("GET", "/")
    wait_for_condition(lambda: server.server_state.total_requests or server.server_state.tasks)
    assert stop_seconds(thread) < 2


def test_used_port_raises_the_error_of_the_bind(container: ThreadContainer, loop: str) -> None:
    """A failed bind comes out as OSError that names the server, not as SystemExit."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = make_server(who, loop, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use") as caught:
            container.spawn_server(server, "web")
    assert "server 'web' could not start" in caught.value.__notes__
    assert container.unhealthy() == []


def test_failed_lifespan_raises_a_clear_error(container: ThreadContainer, loop: str) -> None:
    """An application that fails to start up makes spawn_server raise."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no database")

    with pytest.raises(RuntimeError, match="server 'web' did not start: its application's start-up"):
        container.spawn_server(make_server(app, loop, lifespan="on"), "web")


def test_unknown_application_raises_the_import_error(container: ThreadContainer) -> None:
    """An application that cannot be imported makes spawn_server raise what uvicorn hid."""
    with pytest.raises(Exception, match="no_such_module"):
        container.spawn_server(make_server("no_such_module:app"), "web")  # type: ignore[arg-type]


def test_start_up_that_hangs_times_out(container: ThreadContainer, loop: str) -> None:
    """spawn_server gives up after its ready_timeout, says why, and leaves nothing behind."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"'web' did not listen within 0.05 s: its application's start-up"):
        container.spawn_server(make_server(app, loop, lifespan="on"), "web", ready_timeout=0.05)
    assert container.stop(timeout=2) == []


def test_lifespan_is_shut_down(container: ThreadContainer, loop: str) -> None:
    """A stop lets the application end what it began at start-up."""
    ended = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        ended.set()
        await send({"type": "lifespan.shutdown.complete"})

    container.spawn_server(make_server(app, loop, lifespan="on"), "web").stop()
    assert ended.is_set()


def test_date_header_is_sent(container: ThreadContainer, connect: Connect) -> None:
    """The header that uvicorn's ticks make is there from the first response on."""
    server = make_server(who)
    container.spawn_server(server, "web")
    connection = connect(server)
    connection.request("GET", "/")
    response = connection.getresponse()
    response.read()
    assert response.getheader("date")


def test_limit_of_requests_ends_the_server(container: ThreadContainer, connect: Connect) -> None:
    """The ticks still see limit_max_requests."""
    server = make_server(who, limit_max_requests=1)
    thread = container.spawn_server(server, "web")
    connection = connect(server)
    get(connection)
    assert thread.join(5)
    assert thread.failure is None


def test_server_that_breaks_is_unhealthy(container: ThreadContainer) -> None:
    """An error in the server's own loop is recorded and ends the server."""

    async def notify() -> None:
        raise ValueError("boom")

    server = make_server(who, callback_notify=notify, timeout_notify=0)
    thread = container.spawn_server(server, "web")
    assert thread.join(5)
    assert container.unhealthy() == ["thread 'web' died once, last of ValueError: boom"]


def test_server_without_ticks_stops_at_once(container: ThreadContainer, loop: str) -> None:
    """With no date header and no limit there is nothing to wake for, yet a stop is seen."""

    def once() -> float:
        return stop_seconds(container.spawn_server(make_server(who, loop, date_header=False), "web"))

    assert min(once() for _ in range(5)) < POLLING


def test_server_after_stop_is_refused(container: ThreadContainer) -> None:
    """A stopped container starts no server and leaves nothing behind."""
    container.stop()
    with pytest.raises(RuntimeError, match="thread container 'test' is stopped"):
        container.spawn_server(make_server(who), "web")
