"""The resolver `file`: names from a TOML table, which may change at any time.

calc = "mem://127.0.0.1:1"
workers = ["http://10.0.0.1:8000", "http://10.0.0.2:8000"]
"""

from __future__ import annotations

import logging
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from iris_api.context import Context
from iris_api.credentials import Token
from iris_api.errors import TransportError
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver
from iris_api.threads import ThreadContainer, get_thread_registry

__all__ = ["FileConfig", "FileResolver", "iris_resolver"]

_log = logging.getLogger("iris.example")

Endpoints = tuple[Endpoint, ...]


@frozen(kw_only=True)
class FileConfig:
    """`path` of the table; a relative one starts in the working directory. `interval`: seconds between two
    looks at it for a watch."""

    path: str
    interval: float = 0.2


@hookimpl
def iris_resolver() -> Provider[FileConfig, Resolver]:
    return Provider(FileConfig, _create, "names from a table in a file", "iris_example.file_conformance")


def _create(config: FileConfig, context: Context) -> Resolver:
    return FileResolver(Path(config.path), config.interval, token=context.token, threads=context.threads)


class FileResolver(Resolver):
    """A file that does not exist has no names; one that cannot be read is a TransportError."""

    def __init__(
        self,
        path: Path,
        interval: float = 0.2,
        *,
        token: Token | None = None,
        threads: ThreadContainer | None = None,
    ) -> None:
        self.token = token
        self._path = path
        self._interval = interval
        self._threads = (threads or get_thread_registry().container).child("file-resolver")

    def resolve(self, name: str) -> Endpoints:
        try:
            value = tomllib.loads(self._path.read_text()).get(name, [])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise TransportError(f"{self._path} cannot be read: {error}") from error
        addresses = [value] if isinstance(value, str) else value
        if not isinstance(addresses, list) or not all(isinstance(one, str) for one in addresses):
            raise TransportError(f"{self._path}: {name} must be an address or a list of addresses")
        return tuple(Endpoint(name, address) for address in addresses)

    def watch(self, name: str, changed: Callable[[Endpoints], None]) -> Callable[[], None]:
        thread = self._threads.spawn(lambda stop: self._follow(name, changed, stop), f"watch-{name}")
        return thread.stop_event.set

    def close(self) -> None:
        self._threads.stop()

    def _follow(self, name: str, changed: Callable[[Endpoints], None], stop: threading.Event) -> None:
        told: Endpoints | None = None
        while not stop.is_set():
            try:
                found = self.resolve(name)
                if found != told:
                    told = found
                    changed(found)
            except TransportError as error:  # half written, maybe; the next look will tell
                _log.debug("watching %s: %s", name, error)
            except Exception:
                _log.exception("a watch of %s failed in its listener", name)
            stop.wait(self._interval)
