"""A resolver that raises, returns nonsense or hangs ends a call in time, and is named with its plugin."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from attrs import define, frozen

from iris.actor import ActorClient, ActorPool
from iris_actor.errors import ActorUnavailable
from iris_api.config import Selected
from iris_api.context import Context
from iris_api.errors import PluginError, TransportError
from iris_api.hookspecs import hookimpl
from iris_api.plugins import Plugins
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver
from iris_api.threads import get_thread_registry

ACME = "'acme' (registered by the program)"
Answer = Callable[[], Any]


@define(slots=False, eq=False)
class Acme(Resolver):
    """It answers what it was given."""

    answer: Answer
    on_watch: Answer

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        found: tuple[Endpoint, ...] = self.answer()
        return found

    def watch(self, name: str, changed: Callable[[tuple[Endpoint, ...]], None]) -> Any:
        return self.on_watch()


@frozen
class Options:
    """It has none."""


def made(answer: Answer, on_watch: Answer = lambda: lambda: None) -> Resolver:
    """As a plugin makes it."""

    class Plugin:
        @hookimpl
        def iris_resolver(self) -> Provider[Any, Resolver]:
            return Provider(Options, lambda _options, _context: Acme(answer, on_watch), "of a test")

    loaded = Plugins().register(Plugin(), name="acme")
    created: Resolver = Selected(loaded, "resolver", Options()).create(Context())
    return created


def call(resolver: Resolver, timeout: float = 0.3) -> None:
    ActorClient(resolver, "calc", timeout=timeout).add(1, 2)


def post(resolver: Resolver, timeout: float = 0.3) -> None:
    ActorClient(resolver, "calc", timeout=timeout).add.remote(1, 2).result()


def look(resolver: Resolver, timeout: float = 0.3) -> None:
    ActorPool(resolver, "calc", timeout=timeout).endpoints()


def wait(resolver: Resolver, timeout: float = 0.3) -> None:
    ActorPool(resolver, "calc").wait_for_size(1, timeout)


EACH_WAY = pytest.mark.parametrize("ask", [call, post, look, wait])


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What waits for it hangs until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def _raise() -> Any:
    raise KeyError("zone")


@EACH_WAY
def test_what_it_raises_is_named(ask: Callable[[Resolver], None]) -> None:
    with pytest.raises(KeyError) as caught:
        ask(made(_raise))
    assert caught.value.__notes__ == [f"raised by iris plugin {ACME} in resolve()"]


@EACH_WAY
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "resolve() must return a tuple, and returned NoneType"),
        ((7,), "each item of resolve() must return an Endpoint, and returned int"),
    ],
    ids=["None", "an item"],
)
def test_what_it_wrongly_returns_is_named(ask: Callable[[Resolver], None], answer: Any, said: str) -> None:
    with pytest.raises(PluginError) as caught:
        ask(made(lambda: answer))
    assert str(caught.value).startswith(f"plugin {ACME}: {said}")


@EACH_WAY
def test_one_that_hangs_ends_by_the_deadline(ask: Callable[[Resolver], None], gate: threading.Event) -> None:
    began = time.monotonic()
    with pytest.raises(TransportError, match="hangs in resolve") as caught:
        ask(made(lambda: gate.wait() and ()))
    assert time.monotonic() - began < 5
    assert f"plugin {ACME} hangs in resolve(): it has not returned within 0." in str(caught.value)
    assert ", last seen in " in str(caught.value)


def test_one_that_hangs_is_not_asked_again_until_it_is_back(gate: threading.Event) -> None:
    """Else each call would leave a thread behind."""
    asked: list[int] = []

    def hang() -> tuple[Endpoint, ...]:
        asked.append(1)
        gate.wait()
        return (Endpoint("calc", "http://127.0.0.1:9"),)

    resolver = made(hang)
    for _ in range(3):
        with pytest.raises(TransportError, match="hangs in resolve"):
            look(resolver, 0.05)
    assert asked == [1]
    gate.set()
    assert ActorPool(resolver, "calc").size == 1
    assert asked == [1, 1]


@pytest.mark.parametrize("ask", [call, wait])
def test_a_watch_that_returns_something_else_is_named(ask: Callable[[Resolver], None]) -> None:
    with pytest.raises(PluginError) as caught:
        ask(made(tuple, lambda: 7))
    assert str(caught.value).startswith(f"plugin {ACME}: watch() must return a Callable, and returned int")


def test_a_watch_that_hangs_is_named(gate: threading.Event) -> None:
    with pytest.raises(PluginError, match="hangs in watch") as caught:
        call(made(tuple, gate.wait))
    assert str(caught.value).startswith(f"plugin {ACME} hangs in watch(): it has not returned within 0.")


def test_a_watch_that_does_not_end_is_left_behind_and_told(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("iris_actor.asking._BRIEF", 0.05)
    with pytest.raises(ActorUnavailable):
        call(made(tuple, lambda: partial(gate.wait, None)))
    assert f"the watch of calc is left behind: plugin {ACME} hangs in the end of watch()" in caplog.text


def test_one_of_no_plugin_is_named_by_its_class(gate: threading.Event) -> None:
    with pytest.raises(PluginError, match=r"^tests\.actor\.test_broken_resolver\.Acme: resolve\(\) must"):
        call(Acme(lambda: 7, _raise))


def test_its_question_has_the_context_of_the_call() -> None:
    """It is asked in another thread."""
    registry = get_thread_registry()

    def answer() -> tuple[Endpoint, ...]:
        assert get_thread_registry() is registry
        return ()

    assert ActorPool(made(answer), "calc").size == 0
