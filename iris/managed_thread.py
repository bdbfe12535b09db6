"""Threads that are owned, carry their maker's context, and stop in bounded time."""

from iris_api.threads import (
    ManagedThread,
    ThreadContainer,
    ThreadRegistry,
    get_thread_registry,
    thread_registry_scope,
)

__all__ = [
    "ManagedThread",
    "ThreadContainer",
    "ThreadRegistry",
    "get_thread_registry",
    "thread_registry_scope",
]
