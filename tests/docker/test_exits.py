"""How a container ended, from what the daemon and a runner tell of it."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from iris_api.platform import Exit, ExitKind
from iris_backends.docker.exits import exit_of
from iris_backends.docker.folder import Order

MEMORY = 64 * 2**20
ORDER = Order(container="c", image="img:1", memory=MEMORY)
CALL = Order(container="c", image="img:1", is_call=True)


def ended(
    code: int,
    *,
    oom: bool = False,
    order: Order = ORDER,
    note: tuple[ExitKind | None, str] = (None, ""),
    peak: int | None = None,
    last: str = "",
    **told: Any,
) -> Exit:
    return exit_of(
        {"ExitCode": code, "OOMKilled": oom}, order, note, peak, last, **{"stopped": False, **told}
    )


@pytest.mark.parametrize("code", [0, 1, 7, 125, 126, 127, 128, 128 + 65, 255])
def test_a_code_is_told_as_it_is(code: int) -> None:
    end = ended(code, peak=5)
    assert end == Exit(kind=ExitKind.EXITED, code=code, memory_peak=5)
    assert end.success is (code == 0)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, 64])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_signal_is_told_as_one(number: int, stopped: bool) -> None:
    assert ended(128 + number, stopped=stopped) == Exit(
        kind=ExitKind.SIGNALED, signal=number, stopped=stopped
    )


def test_out_of_memory_has_limit_and_peak() -> None:
    end = ended(137, oom=True, peak=MEMORY + 4096)
    assert (end.kind, end.signal, end.memory_peak) == (
        ExitKind.OUT_OF_MEMORY,
        signal.SIGKILL,
        MEMORY + 4096,
    )
    assert "its limit is 67.1MB" in end.message


@pytest.mark.parametrize("peak", [None, 1000])
def test_what_was_killed_at_its_limit_has_had_all_of_it(peak: int | None) -> None:
    """The look at it came before, or never."""
    assert ended(137, oom=True, peak=peak).memory_peak == MEMORY


def test_out_of_the_machines_memory() -> None:
    end = ended(137, oom=True, order=Order())
    assert (end.kind, end.memory_peak) == (ExitKind.OUT_OF_MEMORY, None)
    assert "machine" in end.message


def test_a_kill_is_no_lack_of_memory() -> None:
    assert ended(137).kind is ExitKind.SIGNALED


@pytest.mark.parametrize(("code", "success"), [(0, True), (1, False)])
def test_a_child_that_was_killed_for_memory(code: int, success: bool) -> None:
    """The task went on, so its end is its own; where it failed the message says what may be why."""
    end = ended(code, oom=True)
    assert (end.kind, end.code, end.success) == (ExitKind.EXITED, code, success)
    assert ("killed for memory" in end.message) is not success


def test_the_runners_note_says_what_a_code_means() -> None:
    assert ended(1, note=(ExitKind.RAISED, "ValueError: x")) == Exit(
        kind=ExitKind.RAISED, code=1, message="ValueError: x"
    )


def test_a_note_of_what_has_succeeded_is_not_believed() -> None:
    assert ended(0, note=(ExitKind.RAISED, "no")).success


def test_memory_goes_before_the_note() -> None:
    assert ended(137, oom=True, note=(ExitKind.RAISED, "MemoryError")).kind is ExitKind.OUT_OF_MEMORY


NOT_FOUND = "[FATAL tini (7)] exec nope failed: No such file or directory"


def test_a_program_that_is_not_in_the_image() -> None:
    end = ended(127, last=NOT_FOUND)
    assert (end.kind, end.code) == (ExitKind.EXITED, 127)
    assert end.message == "cannot run nope: No such file or directory"


def test_an_interpreter_that_is_not_in_the_image() -> None:
    end = ended(127, order=CALL, last="[FATAL tini (7)] exec python3 failed: No such file or directory")
    assert end.kind is ExitKind.ENVIRONMENT
    assert end.message == "image img:1 cannot run a call: python3: No such file or directory"


def test_a_program_that_may_not_be_run() -> None:
    end = ended(126, last="[FATAL tini (8)] exec /etc/passwd failed: Permission denied")
    assert end.message == "cannot run /etc/passwd: Permission denied"


@pytest.mark.parametrize("last", ["", "sh: nope: not found", f"before {NOT_FOUND}"])
def test_a_shell_that_did_not_find_a_program(last: str) -> None:
    assert ended(127, order=CALL, last=last) == Exit(kind=ExitKind.EXITED, code=127)


@pytest.mark.parametrize("code", [1, 137, 143])
def test_what_another_daemon_has_stopped_is_nobodys_failure(code: int) -> None:
    end = ended(code, restarted=True, note=(ExitKind.RAISED, "Terminated"))
    assert (end.kind, end.stopped) == (ExitKind.UNKNOWN, False)
    assert f"the Docker daemon was restarted, which has ended it (exit code {code})" in end.message


def test_what_ended_well_while_the_daemon_was_restarted_has_succeeded() -> None:
    assert ended(0, restarted=True).success


def test_what_was_stopped_by_order_was_stopped_also_when_the_daemon_was_restarted() -> None:
    assert ended(143, restarted=True, stopped=True) == Exit(
        kind=ExitKind.SIGNALED, signal=signal.SIGTERM, stopped=True
    )
