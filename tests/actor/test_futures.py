"""Futures of asynchronous calls."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from pathlib import Path

import pytest

from iris_actor.client import ActorClient
from iris_actor.errors import UnreadResult
from iris_actor.futures import ActorFuture
from iris_actor.server import ActorServer
from iris_api.testing import wait_for_condition

CALL_LINE = "        future = getattr(calc, method).remote(*args)  # the call site"


def test_a_future_gives_the_result(calc: ActorClient) -> None:
    future = calc.add.remote(2, 3)
    assert future.result(timeout=5) == 5
    assert future.done()
    assert future.exception() is None


def test_a_future_raises_the_remote_exception(calc: ActorClient) -> None:
    future = calc.boom.remote("x")
    assert isinstance(future.exception(5), KeyError)
    with pytest.raises(KeyError):
        future.result()


def test_a_future_is_awaitable(calc: ActorClient) -> None:
    async def both() -> list[int]:
        return [
            await calc.add.remote(1, 2),
            *await asyncio.gather(*(_of(calc.add.remote(i, i)) for i in (2, 3))),
        ]

    async def _of(future: ActorFuture) -> int:
        value: int = await future
        return value

    assert asyncio.run(both()) == [3, 4, 6]


def test_a_timeout_of_result_leaves_the_call_alone(server: ActorServer, calc: ActorClient) -> None:
    future = calc.wait.remote()
    with pytest.raises(TimeoutError, match=r"calc\.wait: no result within 0\.1 s; the call goes on"):
        future.result(timeout=0.1)
    server._actors["calc"].actor.release.set()
    assert future.result(5) == 1


def test_a_callback_is_called_once_done(calc: ActorClient) -> None:
    called: list[int] = []
    done = threading.Event()

    def note(future: ActorFuture) -> None:
        called.append(future.result())
        done.set()

    calc.add.remote(1, 2).add_done_callback(note)
    assert done.wait(5)
    assert called == [3]


def drop(calc: ActorClient, server: ActorServer, method: str, *args: object) -> list[str]:
    """The warnings of a future that was dropped once it was done."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        future = getattr(calc, method).remote(*args)  # the call site
        wait_for_condition(future.done)
        del future
        gc.collect()
    assert all(warning.category is UnreadResult for warning in caught)
    return [str(warning.message) for warning in caught]


def test_a_future_that_is_dropped_unread_warns_with_its_call_site(
    server: ActorServer, calc: ActorClient
) -> None:
    (message,) = drop(calc, server, "add", 1, 2)
    line = Path(__file__).read_text().splitlines().index(CALL_LINE) + 1
    assert f"{__file__}:{line}" in message
    assert "calc.add" in message


def test_a_failed_future_that_is_dropped_says_the_exception(server: ActorServer, calc: ActorClient) -> None:
    (message,) = drop(calc, server, "boom", "of the method")
    assert "it failed: KeyError: 'of the method'" in message


def test_a_failure_after_the_drop_is_logged(calc: ActorClient, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        calc.boom.remote("too late")
        gc.collect()
    wait_for_condition(lambda: "too late" in caplog.text or None)


def test_a_future_that_was_read_does_not_warn(calc: ActorClient) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calc.add.remote(1, 2).result(5)
        gc.collect()


def test_thousands_of_calls_come_back_in_their_own_futures(calc: ActorClient) -> None:
    futures = [calc.add.remote(i, 1) for i in range(3000)]
    assert [future.result(20) for future in futures] == [i + 1 for i in range(3000)]
