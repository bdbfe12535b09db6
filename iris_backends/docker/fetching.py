"""Fetching: images that are fetched while nobody waits for them."""

from __future__ import annotations

import threading
from typing import Literal

from iris_api.errors import NoCapacity
from iris_api.threads import ThreadContainer
from iris_backends.docker.engine import Engine
from iris_backends.docker.errors import DockerError
from iris_backends.docker.images import Images

__all__ = ["Fetching"]


class Fetching:
    """Safe from several threads."""

    def __init__(
        self, engine: Engine, pull: Literal["missing", "always", "never"], threads: ThreadContainer
    ) -> None:
        self._engine, self._pull, self._threads = engine, pull, threads
        self._images = Images(engine, pull)
        self._lock = threading.Lock()
        self._ends: dict[str, DockerError | None] = {}  # how the last one ended, until that has been told
        self._under_way: set[str] = set()

    def require(self, name: str) -> None:
        """Return if the image may be used now. Raises NoCapacity while it is being fetched, and then once
        what has hindered that."""
        if self._pull != "always" and (self._pull == "never" or self._engine.image(name) is not None):
            self._images.ensure(name)
            return
        with self._lock:
            if name in self._ends:
                error = self._ends.pop(name)
                if error is None:
                    return
                raise error
            begins = name not in self._under_way
            self._under_way.add(name)
        if begins:
            self._threads.spawn(lambda _stop: self._fetch(name), "fetch-image")
        raise NoCapacity(f"image {name} is being fetched")

    def _fetch(self, name: str) -> None:
        error: DockerError | None = None
        try:
            self._images.ensure(name)
        except DockerError as raised:
            error = raised
        finally:
            with self._lock:
                self._under_way.discard(name)
                self._ends[name] = error
