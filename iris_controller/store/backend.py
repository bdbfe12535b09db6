"""Backend: what one database does differently from another."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

__all__ = ["Backend"]


class Backend(ABC):
    """`where` is how errors name the database. `check_every`, `tend_every` and `tend` are as the Store's."""

    where: str
    check_every: float | None = None
    tend_every: float | None = None

    @abstractmethod
    def engine(self) -> Engine:
        """Its connections begin a transaction that holds changes of the schema too. Called once."""

    def lock(self, connection: Connection) -> bool:
        """Keep others out for as long as the connection lasts, or be without effect; False where another
        connection does so."""
        return True

    def evict(self, connection: Connection) -> None:
        """End the connection that `lock` was last had on, if it is still there without us."""

    def interrupt(self) -> None:
        """From any thread: break the connection, so that what waits for it ends."""

    def tend(self) -> None:
        """From any thread."""

    def sentence(self, error: SQLAlchemyError) -> str:
        """What went wrong, on one line, without values of rows: these may be secrets."""
        found = error.orig if isinstance(error, DBAPIError) else error
        return " ".join(str(found).split()) or type(found).__name__
