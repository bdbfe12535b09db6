"""Calls of a running plugin's methods: named when they fail, when they return nonsense, when they hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TypeVar

from attrs import define

from iris_api._plugins.patience import MORE, Hangs, patience, within
from iris_api.errors import IrisError, PluginError

__all__ = ["PluginCalls", "blame", "blame_of", "blamed_text"]

T = TypeVar("T")
_NOTE: Final = "raised by iris plugin "
PATIENCE: Final = 30.0  # seconds that a method which returns at once may take


@define
class _Call:
    """One that is under way. `told`: that it is overdue."""

    name: str
    since: float
    told: bool = False


class PluginCalls:
    """The calls that the core makes of one plugin's object. Its methods are called as they are: nothing is
    put around the object. Safe from several threads."""

    def __init__(
        self,
        plugin: str = "",
        *,
        otherwise: str = "the plugin",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`plugin` as messages name it, such as ``'acme' (iris-acme 1.0)``; empty: of no plugin, and
        messages say `otherwise`."""
        self._plugin, self._otherwise = plugin, otherwise
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[object, _Call] = {}

    @contextmanager
    def during(self, call: str) -> Iterator[None]:
        """While this block runs, the plugin is in `call`, such as ``list()``; its errors say so in a note."""
        key = object()
        with self._lock:
            self._running[key] = _Call(call, self._clock())
        try:
            with self.blamed(call):
                yield
        finally:
            with self._lock:
                del self._running[key]

    def note(self, error: Exception, call: str) -> None:
        """Say in a note on `error` that the plugin raised it in `call`."""
        _note(error, self._plugin, call)

    def blamed(self, call: str) -> AbstractContextManager[None]:
        """As `during`, of a call that may take as long as it likes, such as ``wait()``."""
        return blame(self._plugin, call)

    def bounded(self, call: str, function: Callable[[], T], seconds: float | None = None) -> T:
        """What `function`, which is `call`, returns or raises. Raises PluginError if it has not returned
        after `seconds`, by default those that an import gets; it is then left behind."""
        allowed = patience() if seconds is None else seconds
        try:
            with self.during(call):
                return within(allowed, function, f"{call} of {self.named}")
        except Hangs as error:
            more = f"; {MORE}" if seconds is None else self._way_out()
            raise PluginError(f"{self.named} hangs in {call}: {error}{more}") from None

    def checked(self, value: object, contract: type[T], call: str) -> T:
        """`value`, which `call` has returned, or which is `call`, such as ``its listener's address``. Raises
        PluginError if it is something else."""
        if isinstance(value, contract):
            return value
        must, did = ("return", "returned") if "(" in call else ("be", "is")
        said = f"{call} must {must} {_a(contract)}, and {did} {type(value).__name__}"
        raise PluginError(f"{self.named}: {said}{self._way_out()}")

    def _way_out(self) -> str:
        return "; install another version of its package" if self._plugin else ""

    def overdue(self, patience: float = PATIENCE) -> list[str]:
        """A sentence for each call that has not returned for longer than `patience` seconds."""
        return [self._late(call) for call in self._of_late(patience)]

    def newly_overdue(self, patience: float = PATIENCE) -> list[str]:
        """As `overdue`, of those that this method has not told of before."""
        fresh = [call for call in self._of_late(patience) if not call.told]
        for call in fresh:
            call.told = True
        return [self._late(call) for call in fresh]

    def _of_late(self, patience: float) -> list[_Call]:
        with self._lock:
            running = list(self._running.values())
        return [call for call in running if self._clock() - call.since > patience]

    def _late(self, call: _Call) -> str:
        seconds = self._clock() - call.since
        return f"{self.named} has not returned from {call.name} for {seconds:.0f} s"

    @property
    def named(self) -> str:
        """``plugin 'acme' (iris-acme 1.0)``."""
        return f"plugin {self._plugin}" if self._plugin else self._otherwise


def _a(contract: type) -> str:
    """``a Sandbox``, ``an Exit``."""
    name = contract.__name__
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"


@contextmanager
def blame(plugin: str, call: str) -> Iterator[None]:
    """Name a plugin in a note on whatever comes out of the block; the exception stays itself."""
    try:
        yield
    except Exception as error:
        _note(error, plugin, call)
        raise


def _note(error: Exception, plugin: str, call: str) -> None:
    note = f"{_NOTE}{plugin} in {call}"
    if plugin and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def blame_of(error: BaseException) -> str:
    """``raised by iris plugin 'acme' (iris-acme 1.0) in create()``; empty where no plugin is to blame."""
    return next((note for note in getattr(error, "__notes__", ()) if note.startswith(_NOTE)), "")


def blamed_text(error: BaseException) -> str:
    """The error's sentence, with the plugin that it came from, where one is noted."""
    known = isinstance(error, IrisError | OSError)
    text = str(error) if known else f"{type(error).__name__}: {error}"
    blame = blame_of(error)
    return f"{text} ({blame})" if blame else text
