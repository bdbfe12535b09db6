"""What must hold when processes fork, callers are interrupted and resolvers are broken."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from iris_actor.client import ActorClient
from iris_actor.http import sender
from iris_actor.http.flight import Flight, Pending
from iris_actor.resolvers.fixed import FixedResolver
from iris_actor.server import ActorServer
from iris_api.errors import DeadlineExceeded, InvalidSpec, Lost, Refused
from iris_api.resolver import Endpoint, Resolver
from iris_api.rpc.http import HttpPool


class Things:
    def echo(self, value: object) -> object:
        return value

    def bump(self, array: np.ndarray) -> np.ndarray:
        array += 1
        return array

    def missing(self) -> None:
        raise FileNotFoundError("no \udce9 file")

    @property
    def broken(self) -> int:
        raise ValueError("a property that raises")


@pytest.fixture
def server() -> Iterator[ActorServer]:
    with ActorServer(host="127.0.0.1") as server:
        server.register("a", Things())
        server.serve_background()
        yield server


@pytest.fixture
def client(server: ActorServer) -> ActorClient:
    return ActorClient(FixedResolver({"a": server.address}), "a", timeout=20)


def test_a_forked_child_has_connections_of_its_own(client: ActorClient) -> None:
    """Parent and child call through one client object, and each gets its own answers."""
    client.echo(0)
    client.echo.remote(0).result(5)
    child = os.fork()
    if child == 0:
        right = [client.echo(("child", i)) == ("child", i) for i in range(50)]
        right.append(client.echo.remote("later").result(5) == "later")
        os._exit(0 if all(right) else 1)
    for i in range(50):
        assert client.echo(("parent", i)) == ("parent", i)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("size", [1_000, 70_000, 200_000, 2_000_000])
def test_arrays_arrive_writable(client: ActorClient, size: int) -> None:
    """At every size, on both sides."""
    back = client.bump(np.zeros(size, np.uint8))
    back += 1
    assert back.sum() == 2 * size


def test_an_interrupt_in_the_middle_of_a_burst(client: ActorClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls that were in hand fail, and later ones go on."""
    for future in [client.echo.remote(i) for i in range(300)]:
        future.result(10)
    left = [1]
    caller = threading.current_thread()

    def interrupted(pool: HttpPool, calls: Sequence[Pending]) -> Flight:
        if left and threading.current_thread() is caller:
            left.clear()
            raise KeyboardInterrupt
        return Flight(pool, calls)

    monkeypatch.setattr(sender, "Flight", interrupted)
    for _ in range(20):  # until a caller has sent some itself
        futures = []
        for i in range(5_000):
            with contextlib.suppress(KeyboardInterrupt):
                futures.append(client.echo.remote(i))
        errors = [future.exception(20) for future in futures]
        assert all(error is None or isinstance(error, Lost) for error in errors)
        if not left:
            break
    assert not left
    assert client.echo.remote("after").result(5) == "after"


class Broken(Resolver):
    """Fails once in a way that no contract knows."""

    def __init__(self, address: str) -> None:
        self.asked = 0
        self.address = address

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        self.asked += 1
        if self.asked == 1:
            return ()
        if self.asked == 2:
            raise KeyError(name)
        return (Endpoint(name, self.address),)


def test_a_broken_resolver_fails_the_call_and_not_the_client(server: ActorServer) -> None:
    """At once, with its own error; the next call is served."""
    client = ActorClient(Broken(server.address), "a", timeout=5)
    with pytest.raises(KeyError):
        client.echo.remote(1).result(4)
    assert client.echo.remote(2).result(4) == 2


def test_an_undecodable_message_travels(client: ActorClient) -> None:
    """With half a character shown as an escape."""
    with pytest.raises(FileNotFoundError):
        client.missing()


def test_a_property_that_raises_does_not_hide_what_there_is(client: ActorClient) -> None:
    """A misspelt name is refused with the list of those that exist."""
    with pytest.raises(Refused, match="bump, echo, missing"):
        client.ecko(1)


def test_many_lost_futures_are_not_waited_for_one_by_one(client: ActorClient) -> None:
    """A late look at expired calls is answered at once."""
    late = ActorClient(FixedResolver({}), "nobody", timeout=0.2)
    futures = [late.echo.remote(i) for i in range(20)]
    began = time.monotonic()
    assert all(future.exception() is not None for future in futures)
    assert time.monotonic() - began < 5


def test_an_empty_token_file_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server does not start on it, and says which file; one that is missing is told too."""
    (tmp_path / "token").touch()
    for name in ("token", "none"):
        monkeypatch.setenv("IRIS_TOKEN_FILE", str(tmp_path / name))
        with pytest.raises(InvalidSpec, match=name), ActorServer() as server:
            server.serve_background()


class SlowResolver(FixedResolver):
    """Whoever knows takes a while to tell, and who does not wait so long is told nothing."""

    def resolve_within(self, name: str, timeout: float) -> tuple[Endpoint, ...]:
        threading.Event().wait(min(1.5, timeout))
        if timeout < 1.5:
            raise DeadlineExceeded(f"no answer within {timeout:.1f} s")
        return self.resolve(name)


def test_a_slow_resolver_is_given_the_time_of_the_call(server: ActorServer) -> None:
    """The caller is back before, and the call is made once it is known where to."""
    client = ActorClient(SlowResolver([server.address]), "a", timeout=10.0)
    began = time.monotonic()
    future = client.echo.remote(7)
    assert time.monotonic() - began < 1.4
    assert future.result() == 7
