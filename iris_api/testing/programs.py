"""Program: what a task of a test does, in words that a shell, Python and a fake can all follow."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from iris_api.job_info import stop_event

__all__ = ["BULK_LINE", "GOODBYE", "Program"]

BULK_LINE = 49  # digits of a line of `bulk`
GOODBYE = ("bye", 5)  # what is printed, and the exit code, of a program that obeys
_PAUSE = 0.02  # seconds between two looks


@frozen(kw_only=True)
class Program:
    """It does these in order: takes `memory` bytes, prints `lines`, each a source and a text, prints `bulk`
    numbered lines, makes a file `touches` in its workdir, waits until there is a file `until` in it, prints
    `after`, and ends with `code` or by `signal`; or it `stays` until it is stopped.

    `open_end`: the last of `lines` has no newline. `on_stop`: it does at a stop what a program does by
    itself, "die"; or it prints "bye" and exits with 5, "obey"; or nothing, "ignore".
    """

    lines: tuple[tuple[str, str], ...] = ()
    open_end: bool = False
    bulk: int = 0
    memory: int = 0
    touches: str = ""
    until: str = ""
    after: tuple[str, ...] = ()
    code: int = 0
    signal: int = 0
    stays: bool = False
    on_stop: str = "die"

    def argv(self) -> tuple[str, ...]:
        """The same for a POSIX shell."""
        return ("/bin/sh", "-c", "\n".join(self._script()))

    def run(self) -> None:
        """Do it here, in a process or in a thread that heeds `stop_event`."""
        stop = stop_event()
        if stop is None and self.on_stop != "die":
            signal.signal(signal.SIGTERM, lambda *_: self._heed())
        taken = b"x" * self.memory
        for index, (source, text) in enumerate(self.lines):
            end = "" if self.open_end and index == len(self.lines) - 1 else "\n"
            print(text, end=end, file=sys.stderr if source == "stderr" else sys.stdout, flush=True)
        for index in range(self.bulk):
            print(f"{index:0{BULK_LINE}d}")
        if self.touches:
            Path(self.touches).touch()
        while self.until and not Path(self.until).exists():
            self._pause(stop)
        for text in self.after:
            print(text)
        while self.stays:
            self._pause(stop)
        del taken
        if self.signal:
            os.kill(os.getpid(), self.signal)
        sys.exit(self.code)

    def _pause(self, stop: threading.Event | None) -> None:
        time.sleep(_PAUSE)
        if stop is not None and stop.is_set():
            self._heed()

    def _heed(self) -> None:
        """What it does when it is asked to end."""
        word, code = GOODBYE
        if self.on_stop == "obey":
            print(word, flush=True)
        if self.on_stop != "ignore":
            sys.exit(code if self.on_stop == "obey" else 128 + signal.SIGTERM)

    def _script(self) -> Iterator[str]:
        if self.on_stop != "die":
            word, code = GOODBYE
            yield "trap '' TERM" if self.on_stop == "ignore" else f"trap 'echo {word}; exit {code}' TERM"
        if self.memory:
            yield f"taken=$(head -c {self.memory} /dev/zero | tr '\\0' x)"
        for index, (source, text) in enumerate(self.lines):
            form = "%s" if self.open_end and index == len(self.lines) - 1 else "%s\\n"
            yield f"printf '{form}' {shlex.quote(text)}" + (" >&2" if source == "stderr" else "")
        if self.bulk:
            yield f"awk 'BEGIN {{ for (i = 0; i < {self.bulk}; i++) printf \"%0{BULK_LINE}d\\n\", i }}'"
        if self.touches:
            yield f": > {shlex.quote(self.touches)}"
        if self.until:
            yield f"while [ ! -e {shlex.quote(self.until)} ]; do sleep {_PAUSE}; done"
        for text in self.after:
            yield f"printf '%s\\n' {shlex.quote(text)}"
        yield self._end()

    def _end(self) -> str:
        if self.stays:
            return f"while :; do sleep {_PAUSE}; done"
        return f"kill -{self.signal} $$" if self.signal else f"exit {self.code}"
