"""PostgreSQL: the connection that writes holds an advisory lock, so that who cannot write has no lock."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from iris_api.errors import MissingDependency
from iris_controller.store.backend import Backend

__all__ = ["Postgres"]

_CHECK_EVERY: Final = 5.0
_CLASS: Final = 0x49524953  # "IRIS": the first half of the lock's key; the second is of the schema
_DISK_FULL: Final = "53100"
# Both ends notice within half a minute that the other one is gone without a word.
_CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "application_name": "iris-controller",
}
_SETTINGS: Final = (
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET tcp_user_timeout = 25000",
    "SET statement_timeout = 0",
)
_LOCK: Final = text("SELECT pg_try_advisory_lock(:class, hashtext(coalesce(current_schema(), '')))")
_EVICT: Final = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid = :pid"
    " AND classid = :class AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Postgres(Backend):
    """`url` is libpq's, without a password; libpq finds that in PGPASSFILE, ~/.pgpass or PGPASSWORD."""

    check_every = _CHECK_EVERY

    def __init__(self, url: str) -> None:
        """Raises MissingDependency."""
        try:
            import psycopg
        except ImportError as error:
            raise MissingDependency("psycopg", extra="postgres") from error
        self._connect = psycopg.connect
        self._url = url
        self.where = url
        self._owner = 0  # the server's process that has, or had, the lock for us
        self._guard = threading.Lock()
        self._socket: socket.socket | None = None

    def engine(self) -> Engine:
        engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: self._connect(self._url, **_CONNECT),
            poolclass=NullPool,
            hide_parameters=True,
            use_native_hstore=False,
        )
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "close", self._closed)
        return engine

    def lock(self, connection: Connection) -> bool:
        with connection.begin():
            held = bool(connection.execute(_LOCK, {"class": _CLASS}).scalar())
            if held:
                self._owner = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        return held

    def evict(self, connection: Connection) -> None:
        with connection.begin():
            connection.execute(_EVICT, {"class": _CLASS, "pid": self._owner})

    def interrupt(self) -> None:
        with self._guard, contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def sentence(self, error: SQLAlchemyError) -> str:
        found = super().sentence(error)
        full = getattr(getattr(error, "orig", None), "sqlstate", None) == _DISK_FULL
        return f"the disk of the database server is full: {found}" if full else found

    def _opened(self, connection: Any, _record: object) -> None:
        """A descriptor of our own, which is not another file's by the time that it is shut down."""
        self._closed(None, None)
        with self._guard:
            self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        with connection.cursor() as cursor:
            for setting in _SETTINGS:
                cursor.execute(setting)
        connection.commit()

    def _closed(self, _connection: object, _record: object) -> None:
        with self._guard:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
