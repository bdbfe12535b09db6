"""HttpTransport: a listener and a channel, real sockets between them."""

from __future__ import annotations

import contextvars
import os
import socket
import threading
from collections.abc import Callable

import pytest

from iris_actor.http import workers
from iris_actor.http.transport import HttpTransport
from iris_api.credentials import Token
from iris_api.errors import DeadlineExceeded, Lost, NotSent, PlatformError, Refused
from iris_api.testing import wait_for_condition
from iris_api.threads import get_thread_registry
from iris_api.transport import Bind, Channel, Listener, Reply, Request
from tests.transport.handlers import Handlers

Of = Callable[..., Request]
KINDS = ["call", "submit"]


def do(channel: Channel, kind: str, request: Request) -> Reply:
    return channel.call(request) if kind == "call" else channel.submit(request).result(20)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, 200, 70_000, 3_000_000])
def test_heads_and_buffers_arrive_as_they_were(
    channel: Channel, request_of: Of, kind: str, size: int
) -> None:
    buffers = (memoryview(os.urandom(size)), memoryview(b""), memoryview(os.urandom(size)))
    reply = do(channel, kind, request_of("echo", b"head" * 10, buffers))
    assert bytes(reply.head) == b"head" * 10
    assert [bytes(buffer) for buffer in reply.buffers] == [bytes(buffer) for buffer in buffers]
    assert all(not buffer.readonly for buffer in reply.buffers)


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_head_arrives_whole(channel: Channel, request_of: Of, kind: str) -> None:
    assert bytes(do(channel, kind, request_of("echo", b"h" * 500_000)).head) == b"h" * 500_000


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_the_request_arrive(channel: Channel, handlers: Handlers, kind: str) -> None:
    do(channel, kind, Request("actor", "echo", b"h", endpoint_uid="uid", timeout=7))
    (seen,) = handlers.seen
    assert (seen.actor, seen.method, seen.head, seen.endpoint_uid) == ("actor", "echo", b"h", "uid")
    assert 6 < seen.timeout < 7.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_of_the_application_is_a_reply(channel: Channel, request_of: Of, kind: str) -> None:
    failure = do(channel, kind, request_of("fail")).failure
    assert failure is not None
    assert (failure.type, failure.message, failure.traceback) == ("a.Error", "message", "trace")


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_keeps_its_code(channel: Channel, request_of: Of, kind: str) -> None:
    with pytest.raises(Refused, match="no nothing") as caught:
        do(channel, kind, request_of("nothing"))
    assert caught.value.code == "unimplemented"


@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_that_fails_may_have_run(channel: Channel, request_of: Of, kind: str) -> None:
    with pytest.raises(Lost, match="ZeroDivisionError: in the handler"):
        do(channel, kind, request_of("bug"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_deadline_holds(channel: Channel, handlers: Handlers, request_of: Of, kind: str) -> None:
    with pytest.raises(DeadlineExceeded, match=r"0\.\d+ s"):
        do(channel, kind, request_of("wait", timeout=0.2))
    handlers.release.set()


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_listens_is_not_sent(request_of: Of, kind: str, token: Token) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    channel = HttpTransport().connect(address, token)
    with pytest.raises(NotSent, match="cannot connect"):
        do(channel, kind, request_of("echo"))
    channel.close()


@pytest.mark.parametrize("kind", KINDS)
def test_close_ends_what_waits(channel: Channel, handlers: Handlers, request_of: Of, kind: str) -> None:
    caught: list[BaseException] = []

    def work(stop: threading.Event) -> None:
        try:
            do(channel, kind, request_of("wait"))
        except Lost as error:
            caught.append(error)

    thread = get_thread_registry().container.spawn(work, "caller")
    assert handlers.entered.acquire(timeout=5)
    channel.close()
    assert thread.join(5)
    assert len(caught) == 1
    handlers.release.set()
    with pytest.raises(NotSent, match="closed"):
        do(channel, kind, request_of("echo"))


def test_replies_come_as_calls_end(channel: Channel, handlers: Handlers, request_of: Of) -> None:
    slow = channel.submit(request_of("wait"))
    quick = [channel.submit(request_of("echo", b"%d" % i)) for i in range(500)]
    assert [bytes(future.result(10).head) for future in quick] == [b"%d" % i for i in range(500)]
    assert not slow.done()
    handlers.release.set()
    assert bytes(slow.result(5).head) == b"waited"


def test_slow_calls_one_by_one_do_not_hold_back_others(
    channel: Channel, handlers: Handlers, request_of: Of
) -> None:
    slow = []
    for _ in range(30):
        slow.append(channel.submit(request_of("wait")))
        assert handlers.entered.acquire(timeout=5)
    assert bytes(channel.submit(request_of("echo")).result(5).head) == b"x"
    handlers.release.set()
    assert [bytes(future.result(5).head) for future in slow] == [b"waited"] * 30


def test_a_cancelled_call_is_not_sent(channel: Channel, handlers: Handlers, request_of: Of) -> None:
    channel.submit(request_of("echo")).result(5)
    futures = [channel.submit(request_of("echo", b"%d" % i)) for i in range(100)]
    cancelled = [future.cancel() for future in futures]
    sent = [future for future, gone in zip(futures, cancelled, strict=True) if not gone]
    assert all(future.result(5) for future in sent)
    wait_for_condition(lambda: len(handlers.seen) == 1 + len(sent))


def test_concurrency_is_bounded(listen: Callable[..., tuple[Listener, Channel]], request_of: Of) -> None:
    handlers = Handlers()
    _, channel = listen(handlers, max_concurrency=3)
    futures = [channel.submit(request_of("wait")) for _ in range(10)]
    for _ in range(3):
        assert handlers.entered.acquire(timeout=5)
    assert not handlers.entered.acquire(timeout=0.1)
    handlers.release.set()
    assert [future.result(10).failure for future in futures] == [None] * 10
    assert handlers.most == 3


def test_overload_is_refused(
    listen: Callable[..., tuple[Listener, Channel]], request_of: Of, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "QUEUE_LIMIT", 5)
    handlers = Handlers()
    _, channel = listen(handlers, max_concurrency=1)
    first = channel.submit(request_of("wait"))
    assert handlers.entered.acquire(timeout=5)
    futures = [channel.submit(request_of("echo")) for _ in range(20)]
    errors: list[BaseException | None] = []
    while len(errors) < 15:
        errors = [future.exception(0) for future in futures if future.done()]
    assert all(isinstance(error, Refused) and error.code == "resource_exhausted" for error in errors)
    handlers.release.set()
    assert first.result(5).failure is None
    assert len([future for future in futures if future.exception(5) is None]) == 5


def test_handlers_run_in_the_context_of_who_listened(
    listen: Callable[..., tuple[Listener, Channel]], request_of: Of
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    def handler(request: Request) -> Reply:
        found = variable.get()
        variable.set("changed by a call")
        return Reply(found.encode())

    variable.set("of the listener")
    _, channel = listen(handler)
    variable.set("later")
    for kind in KINDS * 3:
        assert bytes(do(channel, kind, request_of("x")).head) == b"of the listener"


def test_close_lets_running_calls_end(
    listener: Listener, channel: Channel, handlers: Handlers, request_of: Of
) -> None:
    future = channel.submit(request_of("wait"))
    assert handlers.entered.acquire(timeout=5)
    closing = get_thread_registry().container.spawn(lambda _: listener.close(10), "closing")
    handlers.release.set()
    assert bytes(future.result(5).head) == b"waited"
    assert closing.join(5)
    listener.close()


def test_close_refuses_new_calls_unrun(
    listener: Listener, channel: Channel, handlers: Handlers, request_of: Of
) -> None:
    channel.call(request_of("echo"))
    future = channel.submit(request_of("wait"))
    assert handlers.entered.acquire(timeout=5)
    closing = get_thread_registry().container.spawn(lambda _: listener.close(10), "closing")

    def refused() -> bool:
        try:
            channel.call(request_of("echo"))
        except (Refused, NotSent):
            return True
        return False

    wait_for_condition(refused)
    handlers.release.set()
    future.result(5)
    assert closing.join(5)


def test_a_listener_is_not_closed_by_its_own_call(
    listen: Callable[..., tuple[Listener, Channel]], request_of: Of
) -> None:
    listeners: list[Listener] = []

    def handler(request: Request) -> Reply:
        with pytest.raises(PlatformError, match="its own calls"):
            listeners[0].close()
        return Reply(b"refused")

    listener, channel = listen(handler)
    listeners.append(listener)
    assert bytes(channel.call(request_of("x")).head) == b"refused"


def test_no_thread_is_left(token: Token, request_of: Of) -> None:
    listener = HttpTransport().listen(lambda request: Reply(b"x"), Bind(token=token))
    channel = HttpTransport().connect(listener.address, token)
    channel.submit(request_of("x")).result(5)
    channel.close()
    listener.close()
    wait_for_condition(
        lambda: not [t for t in threading.enumerate() if t.name.startswith(("actor-", "sender-"))]
    )
