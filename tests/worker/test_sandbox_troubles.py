"""A sandbox or a runtime that raises, returns nonsense or hangs is named, and holds up nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iris_api.errors import PluginError
from iris_api.plugins import PluginCalls
from iris_api.rpc import cluster_pb2 as pb
from iris_api.testing import VirtualClock, wait_for_condition
from iris_worker.attempts import Attempts
from tests.worker.acme import ACME, Acme, attempts_on, desire, fail


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What waits for it hangs until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def ended(attempts: Attempts, count: int = 1) -> pb.ReconcileRequest:
    """What is told once so many attempts have ended."""

    def observed() -> pb.ReconcileRequest | None:
        seen = attempts.observe()
        return seen if sum(one.state == "EXITED" for one in seen.attempts) == count else None

    wait_for_condition(observed, message="the attempts' end")
    return attempts.observe()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (fail, f"ZeroDivisionError: x (raised by iris plugin {ACME} in wait())"),
        (lambda: 7, f"plugin {ACME}: wait() without a timeout must return an Exit, and returned int"),
        (lambda: None, f"plugin {ACME}: wait() without a timeout must return an Exit, and returned NoneType"),
    ],
    ids=["raises", "returns another", "returns None"],
)
def test_a_wait_that_fails_is_the_attempt_s_end(
    answer: Callable[[], Any], message: str, tmp_path: Path
) -> None:
    """And what it may still run is told to stop."""
    stopped = threading.Event()
    attempts = attempts_on(Acme(on_wait=answer, on_stop=stopped.set), tmp_path)
    attempts.act(desire("one"))
    (told,) = ended(attempts).attempts
    assert (told.exit.kind, told.exit.message[: len(message)]) == ("unknown", message)
    assert stopped.wait(5)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (fail, f"ZeroDivisionError: x (raised by iris plugin {ACME} in wants_workdir())"),
        (lambda: None, f"plugin {ACME}: wants_workdir() must return a bool, and returned NoneType"),
    ],
    ids=["raises", "returns another"],
)
def test_a_wants_workdir_that_fails_is_the_attempt_s_end(
    answer: Callable[[], Any], message: str, tmp_path: Path
) -> None:
    attempts = attempts_on(Acme(on_workdir=answer), tmp_path)
    attempts.act(desire("one"))
    (told,) = ended(attempts).attempts
    assert message in told.exit.message


def test_a_stop_that_raises_is_named_and_the_next_one_is_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, gate: threading.Event
) -> None:
    attempts = attempts_on(Acme(on_wait=lambda: gate.wait() and 7, on_stop=fail), tmp_path)
    attempts.act(desire("one", "two"))
    wait_for_condition(lambda: all(one.state == "RUNNING" for one in attempts.observe().attempts))
    attempts.act(desire())
    said = f"cannot be stopped: ZeroDivisionError: x (raised by iris plugin {ACME} in stop())"
    for uid in ("one", "two"):
        wait_for_condition(lambda uid=uid: f"attempt {uid} {said}" in caplog.text)  # type: ignore[misc]


def test_a_stop_that_hangs_is_overdue_and_holds_up_nobody(tmp_path: Path, gate: threading.Event) -> None:
    clock = VirtualClock()
    calls = PluginCalls(ACME, clock=clock.now)
    attempts = attempts_on(Acme(on_wait=lambda: gate.wait() and 7, on_stop=gate.wait), tmp_path, calls)
    attempts.act(desire("one"))
    wait_for_condition(lambda: all(one.state == "RUNNING" for one in attempts.observe().attempts))
    for _ in range(3):  # asked again with every answer of the controller, and not a thread for each
        attempts.act(desire())
    wait_for_condition(lambda: calls.overdue(-1.0))
    clock.advance(130)
    assert calls.overdue() == [f"plugin {ACME} has not returned from stop() for 130 s"]


def test_a_forget_that_raises_costs_no_port_and_no_folder_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iris_worker.sweep._AGAIN", 0.05)
    runtime = Acme(on_forget=fail)
    attempts = attempts_on(runtime, tmp_path)
    attempts.act(desire("one", "two"))
    attempts.forget(ended(attempts, 2))
    wait_for_condition(lambda: not any((tmp_path / "attempts").iterdir()), message="the folders are removed")
    assert attempts._ports._held == {}
    said = f"ZeroDivisionError: x (raised by iris plugin {ACME} in forget())"
    wait_for_condition(lambda: runtime.forgotten.count("one") > 3)
    assert caplog.text.count(f"attempt one is not forgotten yet: {said}") == 1
    assert caplog.text.count(f"attempt two is not forgotten yet: {said}") == 1
    runtime.on_forget = lambda _uid: None
    attempts.wait_swept(5)
    wait_for_condition(lambda: not attempts._sweep._left)


def test_a_forget_that_hangs_is_overdue_and_holds_up_nobody(tmp_path: Path, gate: threading.Event) -> None:
    clock = VirtualClock()
    calls = PluginCalls(ACME, clock=clock.now)
    attempts = attempts_on(Acme(on_forget=lambda _uid: gate.wait()), tmp_path, calls)
    attempts.act(desire("one"))
    attempts.forget(ended(attempts))
    attempts.act(desire("two"))
    attempts.forget(ended(attempts))
    wait_for_condition(lambda: calls.overdue(-1.0))
    clock.advance(130)
    assert calls.overdue() == [f"plugin {ACME} has not returned from forget() for 130 s"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: None, f"plugin {ACME}: adopt() must return a Sequence, and returned NoneType"),
        (lambda: [7], f"plugin {ACME}: each item of adopt() must return a Sandbox, and returned int"),
    ],
    ids=["None", "an item"],
)
def test_an_adopt_that_returns_something_else_is_named(
    answer: Callable[[], Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(PluginError) as caught:
        attempts_on(Acme(on_adopt=answer), tmp_path).adopt()
    assert str(caught.value).startswith(message)


def test_an_adopt_that_raises_is_named(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        attempts_on(Acme(on_adopt=fail), tmp_path).adopt()
    assert caught.value.__notes__ == [f"raised by iris plugin {ACME} in adopt()"]


def test_an_adopt_that_hangs_is_ended_by_a_deadline(
    tmp_path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRIS_PLUGIN_TIMEOUT", "0.2")
    with pytest.raises(PluginError) as caught:
        attempts_on(Acme(on_adopt=gate.wait), tmp_path).adopt()
    said = f"plugin {ACME} hangs in adopt(): it has not returned within 0.2 s, last seen in "
    assert str(caught.value).startswith(said)
    assert str(caught.value).endswith("; IRIS_PLUGIN_TIMEOUT allows more")
