"""Calls of one actor at one server."""

from __future__ import annotations

import pickle
import socket
import threading
import time

import numpy as np
import pytest

from iris_actor.client import ActorClient
from iris_actor.errors import ActorUnavailable, RemoteError
from iris_actor.pool import ActorPool
from iris_actor.resolvers.fixed import FixedResolver
from iris_actor.server import ActorServer
from iris_api.credentials import new_token
from iris_api.errors import DeadlineExceeded, InvalidSpec, Lost, NotSent, Refused, UnpicklableError
from iris_api.resolver import Endpoint, Resolver
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadContainer
from tests.actor.actors import Calculator


def test_a_call_is_synchronous(calc: ActorClient) -> None:
    assert calc.add(2, b=3) == 5


def test_async_methods_run_too(calc: ActorClient) -> None:
    assert calc.add_later(2, 3) == 5


def test_an_exception_keeps_its_type_and_tells_where_it_was_raised(calc: ActorClient) -> None:
    with pytest.raises(KeyError, match="nothing here") as caught:
        calc.boom("nothing here")
    note = "".join(caught.value.__notes__)
    assert "Remote traceback of calc.boom at http://127.0.0.1:" in note
    assert "in boom" in note
    assert "dispatch.py" not in note


def test_an_exception_that_cannot_be_pickled_comes_in_words(calc: ActorClient) -> None:
    with pytest.raises(RemoteError, match="Stubborn: cannot travel") as caught:
        calc.stubborn()
    assert caught.value.type == "tests.actor.actors.Stubborn"
    assert caught.value.message == "cannot travel"
    assert "in stubborn" in caught.value.traceback


def test_an_exception_that_cannot_be_unpickled_comes_in_words(calc: ActorClient) -> None:
    with pytest.raises(RemoteError, match="OddError: a-b") as caught:
        calc.odd()
    assert "cannot be unpickled here: TypeError" in "".join(caught.value.__notes__)


def test_a_remote_exit_does_not_end_the_caller(calc: ActorClient) -> None:
    with pytest.raises(RemoteError, match="SystemExit: 3"):
        calc.quit()
    assert calc.add(1, 1) == 2


def test_a_remote_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(RemoteError("a.B", "message", "trace")))
    assert (error.type, error.message, error.traceback) == ("a.B", "message", "trace")


def test_a_return_value_that_cannot_be_pickled_is_named(calc: ActorClient) -> None:
    with pytest.raises(UnpicklableError, match=r"value returned by calc\.lock, item 'inner'"):
        calc.lock()


def test_an_argument_that_cannot_be_pickled_is_named(calc: ActorClient) -> None:
    with pytest.raises(UnpicklableError, match=r"argument 'b' of calc\.add"):
        calc.add(1, b=threading.Lock())


def test_a_method_that_does_not_exist_names_those_that_do(calc: ActorClient) -> None:
    with pytest.raises(
        Refused, match=r"Calculator 'calc' has no method 'nope'; there is add, .*echo"
    ) as caught:
        calc.nope()
    assert caught.value.code == "unimplemented"


def test_what_is_not_callable_is_no_method(calc: ActorClient) -> None:
    with pytest.raises(Refused, match="no method 'not_callable'"):
        calc.not_callable()


def test_private_names_are_no_remote_methods(calc: ActorClient) -> None:
    with pytest.raises(AttributeError, match="start with '_'"):
        calc._private()


def test_private_names_are_refused_by_the_server_too(calc: ActorClient) -> None:
    with pytest.raises(Refused, match="private"):
        calc._caller.call("__init__", (), {})


def test_an_actor_that_does_not_exist_names_those_that_do(server: ActorServer) -> None:
    with pytest.raises(Refused, match=r"no actor 'clac' here; there is calc") as caught:
        ActorClient(FixedResolver([server.address]), "clac", timeout=30).add(1, 2)
    assert caught.value.code == "not_found"


def test_arrays_arrive_and_may_be_written_to(calc: ActorClient) -> None:
    for size in (10, 300_000):
        array = np.arange(size, dtype=np.float64)
        result = calc.fill(array, 7.0)
        assert array[1] == 1.0
        assert result[-1] == 7.0
        result[0] = 1.0


def test_arguments_are_pickled_at_the_time_of_the_call(calc: ActorClient) -> None:
    array = np.zeros(200_000)
    future = calc.echo.remote(array)
    array[:] = 1.0
    assert future.result(5).sum() == 0.0


def test_a_large_value_goes_both_ways(calc: ActorClient) -> None:
    array = np.random.default_rng(1).integers(0, 255, 20_000_000, dtype=np.uint8)
    assert np.array_equal(calc.echo(array), array)
    assert np.array_equal(calc.echo.remote([array, array]).result(20)[1], array)


def test_calls_run_concurrently(server: ActorServer, calc: ActorClient) -> None:
    actor = server._actors["calc"].actor
    futures = [calc.wait.remote() for _ in range(50)]
    wait_for_condition(lambda: actor.at_once == 50)
    actor.release.set()
    assert [future.result(10) for future in futures] == [50] * 50


def test_max_concurrency_is_kept() -> None:
    actor = Calculator()
    with ActorServer(max_concurrency=2) as server:
        server.register("calc", actor)
        server.serve_background()
        calc = ActorClient(FixedResolver([server.address]), "calc")
        futures = [calc.wait.remote() for _ in range(6)]
        assert actor.entered.acquire(timeout=5)
        assert actor.entered.acquire(timeout=5)
        assert not actor.entered.acquire(timeout=0.2)
        actor.release.set()
        assert max(future.result(10) for future in futures) <= 6


def test_a_slow_call_does_not_hold_back_later_ones(server: ActorServer, calc: ActorClient) -> None:
    slow = [calc.wait.remote() for _ in range(20)]
    assert [calc.add.remote(i, i).result(5) for i in range(100)] == [2 * i for i in range(100)]
    server._actors["calc"].actor.release.set()
    assert len([future.result(5) for future in slow]) == 20


def test_a_deadline_is_kept_and_says_what_for(server: ActorServer) -> None:
    calc = ActorClient(FixedResolver([server.address]), "calc", timeout=0.2)
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=rf"{server.address}.*0\.(1[5-9]|2)"):
        calc.wait()
    with pytest.raises(DeadlineExceeded, match=rf"{server.address}: calc\.wait: no reply within 0\.2"):
        calc.wait.remote().result()
    assert time.monotonic() - started < 5
    server._actors["calc"].actor.release.set()


def test_an_async_method_ends_with_the_deadline(server: ActorServer) -> None:
    with pytest.raises(DeadlineExceeded):
        ActorClient(FixedResolver([server.address]), "calc", timeout=0.2).never()


def test_the_token_is_on_by_default(server: ActorServer) -> None:
    stranger = ActorClient(FixedResolver([server.address], token=new_token()), "calc")
    with pytest.raises(Refused, match="wrong token") as caught:
        stranger.add(1, 2)
    assert caught.value.code == "unauthenticated"
    with pytest.raises(Refused, match="wrong token"):
        stranger.add.remote(1, 2).result(5)


def test_nobody_at_the_address_is_an_error_within_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    calc = ActorClient(FixedResolver({"calc": address}), "calc", timeout=0.5)
    with pytest.raises(
        ActorUnavailable, match=rf"calc\.add: nobody took the call .* last seen: {address}.*refused"
    ):
        calc.add(1, 2)
    with pytest.raises(ActorUnavailable, match=r"last seen: .*refused"):
        calc.add.remote(1, 2).result()


def test_an_unknown_name_is_waited_for_until_the_deadline() -> None:
    calc = ActorClient(FixedResolver({}), "calc", timeout=0.3)
    with pytest.raises(ActorUnavailable, match=r"within 0\.3 s; last seen: nobody is registered as 'calc'"):
        calc.add(1, 2)
    with pytest.raises(NotSent, match="nobody is registered as 'calc'"):
        calc.add.remote(1, 2).result()


class Changing(Resolver):
    """Of a third party: cannot watch, and knows no pools."""

    def __init__(self) -> None:
        self.known: tuple[Endpoint, ...] = ()

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        return self.known


def test_a_server_that_comes_later_gets_the_calls(server: ActorServer) -> None:
    resolver = Changing()
    future = ActorClient(resolver, "calc", timeout=10).add.remote(1, 2)
    assert not future.done()
    resolver.known = (Endpoint("calc", server.address),)
    assert future.result(5) == 3
    assert ActorPool(resolver, "calc").call().add(1, 2) == 3


@pytest.fixture
def threads() -> ThreadContainer:
    return ThreadContainer("test")


def test_a_server_that_was_restarted_is_found_again(server: ActorServer, calc: ActorClient) -> None:
    assert calc.add(1, 1) == 2
    port = int(server.address.rpartition(":")[2])
    server.stop()
    with ActorServer(port=port) as other:
        other.register("calc", Calculator())
        other.serve_background()
        assert calc.add(2, 2) == 4
        assert calc.add.remote(3, 3).result(5) == 6


def test_an_address_of_another_scheme_is_a_clear_error() -> None:
    with pytest.raises(InvalidSpec, match=r"'grpc://a:1': the transport in use .* serves http://"):
        ActorClient(FixedResolver(["grpc://a:1"]), "calc").add(1, 2)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), "5", None, True])
def test_a_bad_timeout_is_refused(timeout: float) -> None:
    with pytest.raises(InvalidSpec, match="timeout"):
        ActorClient(FixedResolver({}), "calc", timeout=timeout)


def test_a_client_travels_by_resolver_and_name(calc: ActorClient) -> None:
    twin = pickle.loads(pickle.dumps(calc))
    assert twin.add(1, 2) == 3
    assert calc.echo(calc).add(1, 2) == 3


def test_a_call_that_was_running_at_the_stop_is_lost_not_repeated(
    server: ActorServer, calc: ActorClient
) -> None:
    actor = server._actors["calc"].actor
    future = calc.wait.remote()
    assert actor.entered.acquire(timeout=5)
    server.stop(timeout=0.2)
    with pytest.raises(Lost):
        future.result(5)
    actor.release.set()


def test_many_threads_share_a_client(calc: ActorClient, threads: ThreadContainer) -> None:
    def work(base: int) -> list[int]:
        return [calc.add(base, i) for i in range(50)]

    with threads, threads.spawn_executor(8, "callers") as executor:
        results = list(executor.map(work, range(8)))
    assert results == [[base + i for i in range(50)] for base in range(8)]
