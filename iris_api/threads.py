"""Threads that have an owner, a copy of the caller's context, a stop event and a bounded stop.

A component takes a child of the current registry's container and starts its threads there::

    threads = get_thread_registry().container.child("worker")
    threads.spawn_loop(poll, name="poll")        # poll(stop_event), restarted if it raises
    ...
    threads.stop(timeout=5.0)                    # names what did not stop, and logs where it hangs
"""

from iris_api._threads.container import ContainerStopped, ThreadContainer
from iris_api._threads.failures import Backoff, ThreadFailure
from iris_api._threads.managed import ManagedThread
from iris_api._threads.registry import ThreadRegistry, get_thread_registry, thread_registry_scope

__all__ = [
    "Backoff",
    "ContainerStopped",
    "ManagedThread",
    "ThreadContainer",
    "ThreadFailure",
    "ThreadRegistry",
    "get_thread_registry",
    "thread_registry_scope",
]
