"""A PostgreSQL server of the tests' own, from Debian's package, on loopback."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psycopg

from iris_api.testing import wait_for_condition

__all__ = ["PostgresServer", "binaries"]

_SETTINGS = {
    "fsync": "off",  # nobody pulls the plug here
    "listen_addresses": "127.0.0.1",
    "autovacuum": "off",  # it would start processes in the midst of a test
    "max_logical_replication_workers": "0",
    "logging_collector": "off",
    "max_connections": "30",
}


def binaries() -> Path | None:
    """Where the newest server is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class PostgresServer:
    """`start` and `stop` as often as one likes; the port and the data stay."""

    def __init__(self, directory: Path, bin_: Path) -> None:
        self._data, self._bin = directory / "data", bin_
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count()
        self.port = _free_port()
        self._as = _as_postgres(directory) if os.geteuid() == 0 else []
        command = [*self._as, str(bin_ / "initdb"), "-D", str(self._data), "-U", "iris", "-A", "trust", "-N"]
        subprocess.run([*command, "--locale=C.UTF-8"], check=True, capture_output=True, cwd=directory)

    def start(self) -> None:
        options = [f"-c{name}={value}" for name, value in (_SETTINGS | {"port": str(self.port)}).items()]
        command = [*self._as, str(self._bin / "postgres"), "-D", str(self._data), "-k", str(self._data)]
        with (self._data.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, cwd=self._data.parent
            )
        wait_for_condition(self._is_up, timeout=20)

    def stop(self) -> None:
        """At once, as by a crash: connections are cut off, nothing is tidied."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)
            self._process = None

    def freeze(self) -> None:
        """The server and all that serves a connection stand still."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def url(self, database: str, port: int = 0) -> str:
        return f"postgresql://iris@127.0.0.1:{port or self.port}/{database}"

    def create_database(self) -> str:
        """An empty one; returns its name."""
        name = f"d{next(self._names)}"
        self.run("postgres", f"CREATE DATABASE {name}")
        return name

    def run(self, database: str, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _is_up(self) -> bool:
        try:
            self.run("postgres", "SELECT 1")
        except psycopg.OperationalError:
            assert self._process is not None
            assert self._process.poll() is None, (self._data.parent / "log").read_text()
            return False
        return True

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            os.kill(pid, number)


def _as_postgres(directory: Path) -> list[str]:
    """The server refuses to be root; it ends when the tests do, however they end."""
    user = pwd.getpwnam("postgres")
    os.chown(directory, user.pw_uid, user.pw_gid)
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [setpriv, *ids, "--pdeathsig=INT", "--"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
