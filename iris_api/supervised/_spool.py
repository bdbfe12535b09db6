"""From a task's pipes to the spool file: lines, their time, a limit. Runs in the supervisor."""

import os
import time

MAX_LINE = 64 * 1024  # a longer line becomes several
TAIL_LINES = 50  # kept whatever the limit: the last lines say why a task failed
TAIL_BYTES = 64 * 1024
_CHUNK = 256 * 1024


class Spool:
    """The file of output lines. Of what goes over the limit only the last lines are kept."""

    def __init__(self, path: str, limit: int, wake: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._wake = wake
        self._limit = limit
        self._tail_bytes = min(TAIL_BYTES, limit // 4)
        self._room = limit - self._tail_bytes
        self._full = False
        self._tail: list[tuple[bytes, int]] = []
        self._held = 0  # bytes in the tail
        self._dropped = 0
        self._torn = b""  # the rest of a record that is in the file in part

    def add(self, source: bytes, lines: list[bytes]) -> None:
        head = b"%d %s " % (time.time_ns() // 1000, source)
        size = sum(map(len, lines)) + len(lines)
        if not self._full and size <= self._room:
            self._room -= size
            self._write(b"".join([head + line + b"\n" for line in lines]))
            return
        for line in lines:
            self._add_one(head, line)

    def finish(self) -> None:
        if self._dropped:
            self._mark(b"%d lines dropped here" % self._dropped)
        self._write(b"".join([record for record, _ in self._tail]))
        os.close(self._fd)

    def _add_one(self, head: bytes, line: bytes) -> None:
        size, record = len(line) + 1, head + line + b"\n"
        if not self._full and size <= self._room:
            self._room -= size
            self._write(record)
            return
        if not self._full:
            self._full = True
            self._mark(b"output truncated after %s; its last lines follow at the end" % _size(self._limit))
        self._hold(record, size)

    def _hold(self, record: bytes, size: int) -> None:
        self._tail.append((record, size))
        self._held += size
        while self._held > self._tail_bytes or len(self._tail) > TAIL_LINES:
            self._held -= self._tail.pop(0)[1]
            self._dropped += 1

    def _mark(self, text: bytes) -> None:
        self._write(b"%d e [iris: %s]\n" % (time.time_ns() // 1000, text))

    def _write(self, data: bytes) -> None:
        data = left = self._torn + data
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:  # the disk is full: go on as if over the limit, the task is not to stop for that
            self._full = True
        self._keep_torn(data, left)
        self._poke()

    def _keep_torn(self, data: bytes, left: bytes) -> None:
        """Of what could not be written, the rest of a record that has begun goes before any other; the
        records after it are dropped."""
        written = len(data) - len(left)
        begun = data[written - 1 : written] != b"\n" if written else bool(self._torn)
        end = left.find(b"\n") + 1 if begun else 0
        self._torn = left[:end]
        self._dropped += left.count(b"\n", end)

    def _poke(self) -> None:
        try:
            os.write(self._wake, b"\n")
        except BlockingIOError:  # so many unread ones there: one more says nothing
            return


class Stream:
    """One of the task's two pipes."""

    def __init__(self, fd: int, source: bytes, spool: Spool) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._source = source
        self._spool = spool
        self._rest = b""

    def pump(self) -> bool:
        """Take a piece of what is there; False when there is none. So after a poll: at the end."""
        try:
            data = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._take(data)
        return bool(data)

    def finish(self) -> None:
        """Take all that is left. Nobody writes any more, though somebody outside may hold the pipe open."""
        while self.pump():
            continue
        if self._rest:
            self._spool.add(self._source, [self._rest])
            self._rest = b""

    def _take(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        if len(rest) > MAX_LINE or any(len(line) > MAX_LINE for line in lines):
            lines = [piece for line in lines for piece in pieces(line)]
            *full, rest = pieces(rest)
            lines += full
        self._rest = rest
        if lines:
            self._spool.add(self._source, lines)


def pieces(line: bytes) -> list[bytes]:
    """A long line in parts that cut no UTF-8 character; at least one."""
    found = []
    while len(line) > MAX_LINE:
        end = MAX_LINE
        while end > MAX_LINE - 3 and line[end] & 0xC0 == 0x80:
            end -= 1
        found.append(line[:end])
        line = line[end:]
    return [*found, line]


def _size(count: int) -> bytes:
    return b"%dMB" % (count // 2**20) if count >= 2**20 else b"%d bytes" % count
