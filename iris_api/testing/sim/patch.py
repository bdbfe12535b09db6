"""Put the simulation's clocks, threads and dice where the code under test looks for the real ones."""

from __future__ import annotations

import contextlib
import getpass
import os
import queue
import random
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

from iris_api.testing.sim import kernel as kernels
from iris_api.testing.sim import sync
from iris_api.testing.sim.hosts import EPOCH
from iris_api.testing.sim.kernel import Kernel

__all__ = ["Patch", "simulated"]

Patch = tuple[object, str, object]
"""An object, the name of its attribute, and what stands there while a simulation runs."""

_SYNC: Final = ("Condition", "Event", "Lock", "RLock", "Thread", "current_thread", "get_ident")


@contextlib.contextmanager
def simulated(kernel: Kernel, *further: Patch) -> Iterator[Kernel]:
    """While this is open, the modules `time`, `threading`, `queue`, `random`, `secrets` and `os.urandom`
    of this whole process are the kernel's. An attribute that is not there is an AttributeError."""
    kernel.trace.clock = lambda: kernel.now
    undo: list[Patch] = []
    kernels._active.append(kernel)
    try:
        for target, name, value in (*_patches(kernel), *further):
            undo.append((target, name, getattr(target, name)))
            setattr(target, name, value)
        yield kernel
    finally:
        for target, name, value in reversed(undo):
            setattr(target, name, value)
        kernels._active.remove(kernel)


def _patches(kernel: Kernel) -> Iterator[Patch]:
    yield from _clocks(kernel)
    yield from ((threading, name, getattr(sync, name)) for name in _SYNC)
    yield queue, "SimpleQueue", sync.SimpleQueue
    yield from _dice(kernel)
    yield socket, "gethostname", lambda: kernel.current.host.name if kernel.current else "nowhere"
    yield getpass, "getuser", lambda: "user"


def _clocks(kernel: Kernel) -> Iterator[Patch]:
    def mono() -> float:
        process = kernel.current
        return kernel.now - process.host.lost if process is not None else kernel.now

    def wall() -> float:
        process = kernel.current
        return process.host.wall() if process is not None else EPOCH + kernel.now

    yield time, "monotonic", mono
    yield time, "perf_counter", mono
    yield time, "monotonic_ns", lambda: int(mono() * 1e9)
    yield time, "perf_counter_ns", lambda: int(mono() * 1e9)
    yield time, "time", wall
    yield time, "time_ns", lambda: int(wall() * 1e9)
    yield time, "sleep", kernel.sleep


def _dice(kernel: Kernel) -> Iterator[Patch]:
    source = kernel.random("dice")
    yield os, "urandom", source.randbytes
    yield secrets, "token_bytes", lambda nbytes=None: source.randbytes(32 if nbytes is None else nbytes)
    yield secrets, "token_hex", lambda nbytes=None: source.randbytes(32 if nbytes is None else nbytes).hex()
    yield secrets, "randbelow", source.randrange
    yield uuid, "uuid4", lambda: uuid.UUID(int=source.getrandbits(128), version=4)
    names = ("random", "randint", "uniform", "choice", "choices", "shuffle", "sample", "randrange", "gauss")
    yield from ((random, name, _method(source, name)) for name in names)


def _method(source: random.Random, name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(source, name)
    return method
