"""The stream of a container's output, from a daemon whose every byte is known."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iris_backends.docker.errors import DaemonDown, DaemonFault, DockerError, Gone
from iris_backends.docker.logs import LogStream
from iris_backends.docker.output import Frame
from tests.docker.frames import chunked, framed, stamp

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Daemon:
    """Answers each connection with the next of what it was given, and hangs up. `asked` has the requests."""

    def __init__(self, path: Path, answers: tuple[bytes, ...]) -> None:
        self.url, self.asked = f"unix://{path}", list[str]()
        self._answers = answers
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, name="daemon")
        self._thread.start()

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as wake:
            wake.connect(self._socket.getsockname())
            self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        for answer in (*self._answers, None):
            with self._socket.accept()[0] as connection:
                if answer is None:
                    return
                self.asked.append(connection.recv(4096).decode())
                connection.sendall(answer)


Serve = Callable[..., Daemon]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    made: list[Daemon] = []

    def serve(*answers: bytes) -> Daemon:
        made.append(Daemon(tmp_path / "sock", answers))
        return made[-1]

    yield serve
    for daemon in made:
        daemon.close()


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[LogStream]:
    made = LogStream(f"unix://{tmp_path}/sock", "1.41", "c" * 64)
    yield made
    made.close()


def read(stream: LogStream) -> list[Frame]:
    """All of one connection."""
    found, more = list[Frame](), True
    while more:
        select.select([stream], [], [], 10)
        frames, more = stream.read()
        found += frames
    return found


def out(number: int) -> Frame:
    return Frame("stdout", stamp(number * 10**9), b"%d\n" % number)


def error(number: int) -> Frame:
    return Frame("stderr", stamp(number * 10**9), b"%d\n" % number)


def test_it_goes_on_where_it_was_cut_off(serve: Serve, stream: LogStream) -> None:
    """In the midst of a frame; the daemon tells some of it again."""
    first = chunked(framed([out(1), error(2), out(3)])[:-5], whole=False)
    second = chunked(framed([out(1), error(2), out(3), out(4)]))
    daemon = serve(_HEAD + first, _HEAD + second)
    stream.open()
    assert read(stream) == [out(1), error(2)]
    assert not stream.whole
    stream.open()
    assert read(stream) == [out(3), out(4)]
    assert stream.whole
    assert "since=" not in daemon.asked[0]
    assert "follow=1&since=" in daemon.asked[1]


def test_an_end_in_good_order_is_one_though_the_connection_stays(serve: Serve, stream: LogStream) -> None:
    serve(_HEAD + chunked(framed([out(1)])))
    stream.open()
    assert read(stream) == [out(1)]
    assert stream.whole
    stream.close()


def test_what_the_daemon_says_itself_comes_once(serve: Serve, stream: LogStream) -> None:
    """It would say it again whenever it is asked."""
    own = Frame("", b"", b"Error grabbing logs: unexpected EOF\n")
    serve(*[_HEAD + chunked(framed([out(1), own]))] * 2)
    stream.open()
    assert read(stream) == [out(1), own]
    stream.open()
    assert read(stream) == []


def test_the_last_frames(serve: Serve, stream: LogStream) -> None:
    daemon = serve(_HEAD + chunked(framed([out(1), out(2)])))
    assert stream.last(50) == [out(1), out(2)]
    assert "tail=50" in daemon.asked[0]
    assert "follow" not in daemon.asked[0]


def refusal(status: int, message: str) -> bytes:
    body = f'{{"message":"{message}"}}\n'.encode()
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (b"", DaemonDown, "hung up"),
        (_HEAD[:-20], DaemonDown, "hung up"),
        (refusal(404, "No such container: ccc"), Gone, "No such container: ccc"),
        (refusal(409, "can not get logs from container which is dead"), DockerError, "which is dead"),
        (refusal(500, "out of order"), DaemonFault, "out of order"),
        (b"220 smtp.example.com ready\r\n\r\n", DaemonFault, "is no Docker daemon"),
        (b"HTTP/1.1 200 OK\r\n\r\n", DaemonFault, "does not tell where they end"),
    ],
)
def test_what_else_may_answer(
    serve: Serve, stream: LogStream, answer: bytes, kind: type[DockerError], said: str
) -> None:
    serve(answer)
    with pytest.raises(kind, match=said) as raised:
        stream.open()
    assert type(raised.value) is kind
    assert stream.fileno() == -1


def test_nobody_is_there(stream: LogStream) -> None:
    with pytest.raises(DaemonDown, match="no Docker daemon answers at unix://"):
        stream.open()
