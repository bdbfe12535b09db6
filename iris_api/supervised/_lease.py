"""How long an attempt goes on without its worker. Runs in the supervisor, where a worker may come back."""

import os
import time

from iris_api.supervised import _files as files

_LOOK = 2.0  # seconds between looks for the controller, at most
_CONNECT = 1.0  # seconds


class Watch:
    """The lease of one attempt, and the worker that holds it.

    While the worker lives nothing happens. Then the attempt goes on for `grace` seconds in which the
    controller was there, since that gives it to another worker, and for `absence` seconds in all.
    `controller` is host and port; None: it is never there.
    """

    def __init__(self, grace: float, absence: float, controller: "tuple[str, int] | None") -> None:
        self._grace, self._absence, self._controller = grace, absence, controller
        self.fd: int | None = None  # readable once the worker has ended
        self._gone = time.monotonic()  # since when it has no worker
        self._there: float | None = self._gone  # since when the controller is there, None: it is away
        self._next = 0.0

    def serve(self, pid: bytes, started: bytes) -> None:
        """This process is the attempt's worker now; one that has ended already is fine."""
        self.release()
        try:
            fd = os.pidfd_open(int(pid))
        except ProcessLookupError:
            return
        try:
            if files.start_time(int(pid)) == int(started):
                self.fd = fd
                return
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
        os.close(fd)

    def release(self) -> None:
        """It has no worker now."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
        self._gone = self._there = time.monotonic()
        self._next = self._gone + min(_LOOK, self._grace)

    def left(self) -> "float | None":
        """Seconds until the next look; None: there is nothing to look for."""
        return None if self.fd is not None else max(0.0, self._next - time.monotonic())

    def look(self) -> str:
        """Why the attempt is to end; empty: it may go on."""
        now = time.monotonic()
        if self.fd is not None or now < self._next:
            return ""
        if not self._answers():
            self._there = None
        elif self._there is None:
            self._there = now  # one that comes back gives the workers their time anew
        given_away = None if self._there is None else self._there + self._grace
        ends = [at for at in (given_away, self._gone + self._absence) if at is not None]
        self._next = min(now + _LOOK, *ends)
        return f"its worker was gone for {now - self._gone:.0f} s" if now >= min(ends) else ""

    def _answers(self) -> bool:
        import socket

        if self._controller is None:
            return False
        try:
            socket.create_connection(self._controller, _CONNECT).close()
        except OSError:
            return False
        return True
