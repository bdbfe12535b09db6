"""Session: the one connection that writes, the claim on the state that it holds, and a count of commits.

The row of table `controller` names who writes. Every transaction counts up in it, as its first statement
and only while the row names this session: so nobody writes who has been replaced, and after a connection
was lost in the middle of a COMMIT the count tells whether that was carried out.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, bindparam, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from iris_api.errors import PlatformError
from iris_api.ids import new_uid
from iris_controller.store.backend import Backend
from iris_controller.store.base import StateLost
from iris_controller.store.migrations import prepare
from iris_controller.store.tables import controller

__all__ = ["Session"]

_PATIENCE: Final = 3.0  # seconds for a predecessor that was killed to be noticed by the server
_CLAIM: Final = controller.update().where(controller.c.id == 1)
_COUNT: Final = _CLAIM.where(controller.c.session == bindparam("own")).values(commits=bindparam("next"))


class Session:
    """For one thread at a time. Raises PlatformError as a Store does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._id = new_uid()
        self._commits = 0
        self._engine = backend.engine()
        self._connection: Connection | None = None
        try:
            self._connection = self._start()
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that counts as a commit."""
        connection = self._connected()
        with self._named("the state could not be stored in"), connection.begin():
            if connection.execute(_COUNT, {"own": self._id, "next": self._commits + 1}).rowcount != 1:
                raise self._lost(connection)
            yield connection
        self._commits += 1

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        connection = self._connected()
        with self._named("the state cannot be read from"), connection.begin():
            yield connection

    def check(self) -> None:
        """Raises StateLost where the row names another."""
        with self.reading() as connection:
            self._own(connection)

    def note(self, address: str) -> None:
        with self._named("the state could not be stored in"), self._connected().begin():
            self._connected().execute(_CLAIM.values(address=address))

    def settle(self) -> bool:
        """Connect anew; tells whether a transaction is stored that raised."""
        self._disconnect()
        with self._named("the state cannot be had back from"):
            self._connection = connection = self._engine.connect()
            if not self._backend.lock(connection):
                self._await_own_end(connection)
            with connection.begin():
                found = self._own(connection)["commits"]
        if found not in (self._commits, self._commits + 1):
            raise StateLost(
                f"{self._backend.where} was put back to an earlier state: it has had {found} commits, "
                f"this controller made {self._commits}; start the controller again"
            )
        stored: bool = found == self._commits + 1
        self._commits = found
        return stored

    def close(self) -> None:
        """Idempotent."""
        self._disconnect()
        self._engine.dispose()

    def _start(self) -> Connection:
        with self._named("the state cannot be had from"):
            connection = self._connection = self._engine.connect()
            deadline = time.monotonic() + _PATIENCE
            while not self._backend.lock(connection):
                if time.monotonic() > deadline:
                    raise self._taken(connection)
                time.sleep(0.05)
            with connection.begin():
                prepare(connection, self._backend.where)
                me = {"session": self._id, "host": socket.gethostname(), "pid": os.getpid(), "address": ""}
                connection.execute(_CLAIM.values(**me))
                self._commits = _row(connection)["commits"]
        return connection

    def _await_own_end(self, connection: Connection) -> None:
        """Who has the lock? If the row names us, it is our earlier connection, which the server still
        takes for alive, or somebody who has not got further: the next try will show."""
        with connection.begin():
            self._own(connection)
        self._backend.evict(connection)
        raise PlatformError(f"an earlier connection still holds the state in {self._backend.where}")

    def _own(self, connection: Connection) -> Any:
        row = _row(connection)
        if row["session"] != self._id:
            raise self._lost(connection)
        return row

    def _lost(self, connection: Connection) -> StateLost:
        return StateLost(f"the state in {self._backend.where} was taken over by {_holder(connection)}")

    def _taken(self, connection: Connection) -> PlatformError:
        with connection.begin():
            known = inspect(connection).has_table(controller.name)
            who = _holder(connection) if known else "another controller"
        return PlatformError(f"the state in {self._backend.where} is in use by {who}")

    def _connected(self) -> Connection:
        if self._connection is None:
            raise PlatformError(f"there is no connection to {self._backend.where}")
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):  # it may be broken, which is why it is let go
                connection.close()

    @contextlib.contextmanager
    def _named(self, what: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            sentence = self._backend.sentence(error)
            raise PlatformError(f"{what} {self._backend.where}: {sentence}") from error


def _row(connection: Connection) -> Any:
    return connection.execute(select(controller)).mappings().one()


def _holder(connection: Connection) -> str:
    row = _row(connection)
    where = f" at {row['address']}" if row["address"] else ""
    return f"another controller: process {row['pid']} on {row['host']}{where}"
