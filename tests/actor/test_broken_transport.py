"""A transport, a listener or a channel that raises, returns nonsense or hangs is named with its plugin."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from iris.actor import ActorClient, ActorServer
from iris.actor.resolver import FixedResolver
from iris.client.dispatch import Dispatcher, Work
from iris_actor import ambient
from iris_actor.channels import submit_over
from iris_api.errors import DeadlineExceeded, PluginError
from iris_api.resolver import Endpoint
from iris_api.transport import Channel, Listener, Reply, Request
from tests.plugins.site import Site, site

__all__ = ["site"]

ACME = "'acme' (iris-acme 1.0)"
SOURCE = """
from attrs import frozen
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.resolver import Endpoint
from iris_api.transport import Transport

@frozen
class Options:
    pass

class Acme(Transport):
    schemes = ("acme",)
    def listen(self, handler, bind):
        return self.on_listen()
    def connect(self, address, token=None):
        return self.on_connect()

@hookimpl
def iris_transport():
    return Provider(Options, lambda options, context: Acme(), "a transport of a test")
"""


@pytest.fixture
def acme(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The transport that iris.toml selects; a test gives it `on_listen` and `on_connect`."""
    site.add("iris-acme", "1.0", {"acme": SOURCE})
    (tmp_path / "iris.toml").write_text('[transport]\nkind = "acme"\n')
    monkeypatch.chdir(tmp_path)
    yield ambient.transport()
    ambient._transports.pop("acme", None)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What waits for it hangs until the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def client() -> ActorClient:
    return ActorClient(FixedResolver(["acme://127.0.0.1:1"]), "calc", timeout=0.3)


def _raise(*_: Any) -> Any:
    raise ZeroDivisionError("x")


class Odd(Channel):
    """Its `submit` is what a test gives it."""

    def __init__(self, submit: Callable[[Request], Any]) -> None:
        self._submit = submit

    def submit(self, request: Request) -> Any:
        return self._submit(request)

    def close(self) -> None:
        """Nothing is open."""


class OddCall(Odd):
    def call(self, request: Request) -> Any:
        return self._submit(request)


class OddPost(Odd):
    def post(self, request: Request, deliver: Callable[[Any, Any], None]) -> None:
        deliver(self._submit(request), None)


class OddListener(Listener):
    def __init__(self, close: Callable[[], Any], address: Any = "acme://127.0.0.1:1") -> None:
        self.address, self.port, self._close = address, 1, close

    def close(self, timeout: float = 5.0) -> None:
        self._close()


def done(reply: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(reply)
    return future


def failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def call(client: ActorClient) -> None:
    client.add(1, 2)


def post(client: ActorClient) -> None:
    client.add.remote(1, 2).result()


BOTH_WAYS = pytest.mark.parametrize("use", [call, post])


def test_a_listen_that_raises_is_named(acme: Any) -> None:
    acme.on_listen = _raise
    server = ActorServer(host="127.0.0.1")
    with pytest.raises(ZeroDivisionError) as caught:
        server.serve_background()
    assert caught.value.__notes__ == [f"raised by iris plugin {ACME} in listen()"]


@pytest.mark.parametrize(
    ("listener", "said"),
    [
        (7, "listen() must return a Listener, and returned int"),
        (
            OddListener(tuple, address=None),
            "its listener's address must be a str, and is NoneType",
        ),
    ],
    ids=["no listener", "no address"],
)
def test_a_listen_that_returns_something_else_is_named(acme: Any, listener: Any, said: str) -> None:
    acme.on_listen = lambda: listener
    with pytest.raises(PluginError) as caught:
        ActorServer(host="127.0.0.1").serve_background()
    assert str(caught.value).startswith(f"plugin {ACME}: {said}")


def test_a_listen_that_hangs_is_ended_by_a_deadline(
    acme: Any, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRIS_PLUGIN_TIMEOUT", "0.2")
    acme.on_listen = gate.wait
    with pytest.raises(PluginError) as caught:
        ActorServer(host="127.0.0.1").serve_background()
    assert str(caught.value).startswith(f"plugin {ACME} hangs in listen(): it has not returned within 0.2 s")


@pytest.mark.parametrize(
    ("hangs", "said"),
    [(False, "ZeroDivisionError: x (raised by iris plugin"), (True, "hangs in close(): it has not returned")],
    ids=["raises", "hangs"],
)
def test_a_listener_that_does_not_close_is_named_and_left_behind(
    acme: Any,
    gate: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hangs: bool,
    said: str,
) -> None:
    monkeypatch.setattr("iris_actor.server._LATE", 0.1)
    acme.on_listen = lambda: OddListener(gate.wait if hangs else _raise)
    server = ActorServer(host="127.0.0.1")
    server.serve_background()
    server.stop(timeout=0.1)
    (record,) = [one for one in caplog.records if one.name == "iris.actor"]
    assert record.getMessage().startswith("a listener is left behind: ")
    assert said in record.getMessage()
    assert ACME in record.getMessage()


def test_a_connect_that_returns_something_else_is_named(acme: Any) -> None:
    acme.on_connect = lambda: 7
    with pytest.raises(PluginError) as caught:
        ambient.connect("acme://127.0.0.1:1")
    assert str(caught.value).startswith(f"plugin {ACME}: connect() must return a Channel, and returned int")


@BOTH_WAYS
def test_a_connect_that_hangs_ends_by_the_deadline(
    acme: Any, client: ActorClient, gate: threading.Event, use: Callable[[ActorClient], None]
) -> None:
    acme.on_connect = gate.wait
    began = time.monotonic()
    with pytest.raises(PluginError) as caught:
        use(client)
    assert str(caught.value).startswith(f"plugin {ACME} hangs in connect(): it has not returned within 0.")
    assert time.monotonic() - began < 5


@BOTH_WAYS
@pytest.mark.parametrize(
    ("channel", "note"),
    [
        (Odd(_raise), "submit()"),
        (Odd(lambda _: failed(ZeroDivisionError("x"))), "submit()"),
        (OddCall(_raise), "submit()"),
        (OddPost(_raise), "post()"),
    ],
    ids=["submit", "future", "call", "post"],
)
def test_what_a_channel_raises_is_named(
    acme: Any, client: ActorClient, use: Callable[[ActorClient], None], channel: Channel, note: str
) -> None:
    acme.on_connect = lambda: channel
    with pytest.raises(ZeroDivisionError) as caught:
        use(client)
    where = "call()" if use is call else note
    assert caught.value.__notes__ == [f"raised by iris plugin {ACME} in {where}"]


@pytest.mark.parametrize(
    ("use", "channel", "said"),
    [
        (call, Odd(lambda _: 7), "submit() must return a Future, and returned int"),
        (call, Odd(lambda _: done(7)), "call() must return a Reply, and returned int"),
        (call, OddCall(lambda _: 7), "call() must return a Reply, and returned int"),
        (post, Odd(lambda _: 7), "submit() must return a Future, and returned int"),
        (post, Odd(lambda _: done(7)), "a call's reply must be a Reply, and is int"),
        (post, OddPost(lambda _: 7), "a call's reply must be a Reply, and is int"),
        (post, OddPost(lambda _: None), "a call's reply must be a Reply, and is NoneType"),
    ],
)
def test_what_a_channel_wrongly_returns_is_named(
    acme: Any, client: ActorClient, use: Callable[[ActorClient], None], channel: Channel, said: str
) -> None:
    acme.on_connect = lambda: channel
    with pytest.raises(PluginError) as caught:
        use(client)
    assert str(caught.value).startswith(f"plugin {ACME}: {said}")


async def _await(client: ActorClient) -> None:
    await client.add.remote(1, 2)


@pytest.mark.parametrize(
    "use", [call, post, lambda client: asyncio.run(_await(client))], ids=["call", "post", "await"]
)
def test_a_channel_that_never_answers_is_named_at_the_deadline(
    acme: Any, client: ActorClient, monkeypatch: pytest.MonkeyPatch, use: Callable[[ActorClient], None]
) -> None:
    monkeypatch.setattr("iris_api.transport._LATE", 0.0)
    monkeypatch.setattr("iris_actor.futures._SLACK", 0.0)
    acme.on_connect = lambda: Odd(lambda _: Future[Reply]())
    said = r"calc\.add: plugin 'acme' \(iris-acme 1\.0\) has not kept the deadline of 0\.[23]"
    with pytest.raises(DeadlineExceeded, match=said):
        use(client)


def test_a_channel_of_no_plugin_is_named_by_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iris_api.transport._LATE", 0.0)
    said = r"calc\.add: tests\.actor\.test_broken_transport\.Odd has not kept"
    with pytest.raises(DeadlineExceeded, match=said):
        Odd(lambda _: Future()).call(Request("calc", "add", timeout=0.05))


@pytest.mark.parametrize(("submit", "kind"), [(_raise, ZeroDivisionError), (lambda _: 7, PluginError)])
def test_a_channel_that_fails_ends_the_task_of_a_pool(
    submit: Callable[[Request], Any], kind: type[Exception]
) -> None:
    """And not the thread that gave it out."""
    dispatcher = Dispatcher(
        lambda _endpoint: Odd(submit), print, submit_over, method="run", max_retries=0, task_timeout=1.0
    )
    dispatcher.set_workers((Endpoint("pool", "acme://127.0.0.1:1", uid="u"),))
    work = Work((b"", ()))
    dispatcher.submit(work)
    assert isinstance(work.future.exception(5), kind)
    dispatcher.close()
