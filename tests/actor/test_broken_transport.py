"""A transport that raises, returns nonsense or hangs is named with its plugin, or at least by its class."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from iris.actor import ActorServer
from iris_actor import ambient
from iris_api.errors import DeadlineExceeded, PluginError
from iris_api.transport import Channel, Reply, Request
from tests.plugins.site import Site, site

__all__ = ["site"]

SOURCE = """
from attrs import frozen
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.transport import Transport

@frozen
class Options:
    pass

class Broken(Transport):
    schemes = ("acme",)
    def listen(self, handler, bind):
        raise ZeroDivisionError("x")
    def connect(self, address, token=None):
        return 7

@hookimpl
def iris_transport():
    return Provider(Options, lambda options, context: Broken(), "a transport of a test")
"""


@pytest.fixture
def acme(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """iris.toml selects it."""
    site.add("iris-acme", "1.0", {"acme": SOURCE})
    (tmp_path / "iris.toml").write_text('[transport]\nkind = "acme"\n')
    monkeypatch.chdir(tmp_path)
    yield
    ambient._transports.pop("acme", None)


def test_a_listen_that_raises_is_named(acme: None) -> None:
    server = ActorServer(host="127.0.0.1")
    with pytest.raises(ZeroDivisionError) as caught:
        server.serve_background()
    assert caught.value.__notes__ == ["raised by iris plugin 'acme' (iris-acme 1.0) in listen()"]


def test_a_connect_that_returns_something_else_is_named(acme: None) -> None:
    with pytest.raises(PluginError) as caught:
        ambient.connect("acme://127.0.0.1:1")
    assert (
        str(caught.value)
        == "plugin 'acme' (iris-acme 1.0): connect() must return a Channel, and returned int"
    )


class Mute(Channel):
    """It never answers."""

    def submit(self, request: Request) -> Future[Reply]:
        return Future()

    def close(self) -> None:
        """Nothing is open."""


def test_a_channel_that_hangs_is_ended_by_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iris_api.transport._LATE", 0.0)
    with pytest.raises(
        DeadlineExceeded, match=r"calc\.add: tests\.actor\.test_broken_transport\.Mute has not kept"
    ):
        Mute().call(Request("calc", "add", timeout=0.05))
