"""Which container the current context spawns into."""

import atexit
import contextlib
import contextvars
import threading
from collections.abc import Iterator

from iris_api._threads.container import ThreadContainer

__all__ = ["ThreadRegistry", "get_thread_registry", "thread_registry_scope"]

_EXIT_TIMEOUT = 2.0  # seconds that the default registry may take at interpreter exit


class ThreadRegistry:
    """The container of a context: of the process, of a test, of a task that is a thread of this process.

    `shared` is the registry for what several contexts use and the first of them must not take along.
    """

    def __init__(self, name: str = "iris", shared: "ThreadRegistry | None" = None) -> None:
        self.container = ThreadContainer(name)
        self.shared = shared or self

    def __repr__(self) -> str:
        return f"<ThreadRegistry {self.container!r}>"


_current: contextvars.ContextVar[ThreadRegistry] = contextvars.ContextVar("iris_thread_registry")
_default: ThreadRegistry | None = None
_default_lock = threading.Lock()


def get_thread_registry() -> ThreadRegistry:
    """The registry of the current context, else the one of the process. Does not block.

    The one of the process is made once and stopped within 2 seconds at interpreter exit. A component
    spawns into a child (`get_thread_registry().container.child("worker")`) and stops that only.
    """
    return _current.get(None) or _process_registry()


@contextlib.contextmanager
def thread_registry_scope(
    name: str | None = None, timeout: float = 5.0, *, within: ThreadRegistry | None = None
) -> Iterator[ThreadRegistry]:
    """Give this context a registry of its own; at the end it is stopped within `timeout` seconds.

    What the context shares with others is left to `within`, where that is given.
    """
    registry = ThreadRegistry(name or "scope", within.shared if within is not None else None)
    token = _current.set(registry)
    try:
        yield registry
    finally:
        _current.reset(token)
        registry.container.stop(timeout)


def _process_registry() -> ThreadRegistry:
    global _default
    with _default_lock:
        if _default is None:
            _default = ThreadRegistry()
            atexit.register(_default.container.stop, _EXIT_TIMEOUT)
        return _default
