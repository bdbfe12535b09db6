"""Images: there before a container is made, fetched once for all who wait."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Literal

from iris_backends.docker.engine import Engine
from iris_backends.docker.errors import ImageMissing

__all__ = ["Images"]


class Images:
    """Those of one daemon. Safe from several threads."""

    def __init__(self, engine: Engine, pull: Literal["missing", "always", "never"]) -> None:
        self._engine, self._pull = engine, pull
        self._lock = threading.Lock()
        self._fetching: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def ensure(self, name: str) -> str:
        """The id of the image, fetched as the policy says. Raises ImageMissing, RegistryUnreachable or
        NoSpace."""
        if self._pull != "always" and (found := self._id(name)):
            return found
        if self._pull == "never":
            raise ImageMissing(
                f"there is no image {name} on this machine, and `pull` is never; load it by docker load, "
                "or build it"
            )
        with self._lock:
            fetching = self._fetching[name]
        with fetching:
            if self._pull == "always" or not self._id(name):
                self._engine.pull(name)
        return self._id(name)

    def path_in(self, name: str) -> str:
        """PATH as the image sets it; empty if it does not."""
        found = self._engine.image(name) or {}
        lines = (found.get("Config") or {}).get("Env") or []
        return next((line.removeprefix("PATH=") for line in lines if line.startswith("PATH=")), "")

    def _id(self, name: str) -> str:
        found = self._engine.image(name)
        return str(found["Id"]) if found is not None else ""
