"""A plugin that does not come back is named, with its package, its version and where it was last seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_api.config import parse_config, select
from iris_api.context import Context
from iris_api.errors import PluginError, PluginLoadError
from iris_api.plugins import PluginCalls, Plugins
from iris_api.testing import VirtualClock
from tests.plugins.site import PLATFORM, Site

HANG = """
import pathlib, time
def hang():
    while not pathlib.Path({gate!r}).exists():
        time.sleep(0.01)
"""


@pytest.fixture
def hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Source of a function `hang` that comes back only when the test is over."""
    monkeypatch.setenv("IRIS_PLUGIN_TIMEOUT", "0.2")
    gate = tmp_path / "gate"
    yield HANG.format(gate=str(gate))
    gate.touch()


def test_an_import_that_hangs_is_ended_by_a_deadline(site: Site, hang: str) -> None:
    site.add("iris-acme", "1.0", {"acme": f"{hang}\nhang()\n"})
    with pytest.raises(PluginLoadError) as caught:
        Plugins().load("acme")
    said = str(caught.value)
    assert said.startswith("plugin 'acme' from iris-acme 1.0 did not load: it has not returned within 0.2 s")
    assert "iris_acme_acme.py, line 5, in hang; IRIS_PLUGIN_TIMEOUT allows more" in said


def test_a_hook_that_hangs_is_ended_by_a_deadline(site: Site, hang: str) -> None:
    site.add(
        "iris-acme",
        "1.0",
        {"acme": hang + PLATFORM.replace("    return Provider", "    hang(); return Provider")},
    )
    with pytest.raises(PluginLoadError, match=r"plugin 'acme' from iris-acme 1\.0 did not load: it has not"):
        Plugins().load("acme")


def test_a_create_that_hangs_is_ended_by_a_deadline(site: Site, hang: str) -> None:
    source = hang + PLATFORM.replace("        self.options = options", "        hang()")
    site.add("iris-acme", "1.0", {"acme": source})
    config = parse_config('[pools.x]\nplatform = "acme"\nruntime = "process"\n')
    selected = select(config).platforms["acme"]
    with pytest.raises(
        PluginError, match=r"plugin 'acme' \(iris-acme 1\.0\) hangs in create\(\): it has not"
    ):
        selected.create(Context())


def test_a_close_that_hangs_is_named_and_left_behind(
    site: Site, hang: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.add("iris-acme", "1.0", {"acme": hang + PLATFORM.replace("        pass", "        hang()")})
    config = parse_config('[pools.x]\nplatform = "acme"\nruntime = "process"\n')
    selected = select(config).platforms["acme"]
    selected.close(selected.create(Context()), timeout=0.1)
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith("plugin 'acme' (iris-acme 1.0) hangs in close(): it has not returned within 0.1 s")


def test_a_call_is_overdue_after_the_patience() -> None:
    clock = VirtualClock()
    calls = PluginCalls("'acme' (iris-acme 1.0)", clock=clock.now)
    with calls.during("list()"):
        clock.advance(29)
        assert calls.overdue(30) == []
        clock.advance(2)
        assert calls.overdue(30) == ["plugin 'acme' (iris-acme 1.0) has not returned from list() for 31 s"]
    assert calls.overdue(30) == []


def test_a_call_that_is_overdue_is_news_once() -> None:
    clock = VirtualClock()
    calls = PluginCalls("'acme' (iris-acme 1.0)", clock=clock.now)
    with calls.during("list()"):
        clock.advance(31)
        with calls.during("delete()"):
            assert calls.newly_overdue(30) == [
                "plugin 'acme' (iris-acme 1.0) has not returned from list() for 31 s"
            ]
            clock.advance(31)
            assert calls.newly_overdue(30) == [
                "plugin 'acme' (iris-acme 1.0) has not returned from delete() for 31 s"
            ]
            assert calls.newly_overdue(30) == []
