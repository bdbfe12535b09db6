"""Frozen: written for version 1 of the plugin interface, and never to be changed.

What a transport and a resolver may have besides: calls without futures, and watches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from iris_api.context import Context
from iris_api.credentials import Token
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver
from iris_api.transport import Channel, Deliver, Reply, Request, Transport
from tests.compat.iris_v1.resolver import V1Config as V1FolderConfig
from tests.compat.iris_v1.resolver import V1Resolver
from tests.compat.iris_v1.transport import V1Channel, V1Config, V1Transport

_LOOK = 0.05  # seconds between two looks at a name


class V1PostingChannel(V1Channel):
    """SupportsPost."""

    def post(self, request: Request, deliver: Deliver) -> None:
        def done(future: Future[Reply]) -> None:
            error = future.exception()
            deliver(None if error is not None else future.result(), error)

        self.submit(request).add_done_callback(done)


class V1PostingTransport(V1Transport):
    def connect(self, address: str, token: Token | None = None) -> Channel:
        return V1PostingChannel(address, token)


class V1WatchingResolver(V1Resolver):
    """SupportsWatch: each watch is a thread that looks again and again."""

    def __init__(self, config: V1FolderConfig, context: Context) -> None:
        super().__init__(config, context)
        self._threads = context.threads.child("v1-watches")
        self._log = context.log

    def watch(self, name: str, changed: Callable[[tuple[Endpoint, ...]], None]) -> Callable[[], None]:
        ended = threading.Event()

        def follow(stop: threading.Event) -> None:
            last: tuple[Endpoint, ...] | None = None
            while not (stop.is_set() or ended.is_set()):
                found = self.resolve(name)
                if found != last:
                    last = found
                    try:
                        changed(found)
                    except Exception:
                        self._log.exception("a watch of %s failed in its listener", name)
                ended.wait(_LOOK)

        self._threads.spawn(follow, f"v1-watch-{name}", on_stop=ended.set)
        return ended.set

    def close(self) -> None:
        self._threads.stop()


def _create(config: V1Config, context: Context) -> Transport:
    return V1PostingTransport()


@hookimpl
def iris_transport() -> Provider[V1Config, Transport]:
    return Provider(V1Config, _create, "calls within one process, with post")


@hookimpl
def iris_resolver() -> Provider[V1FolderConfig, Resolver]:
    return Provider(V1FolderConfig, V1WatchingResolver, "names from a folder of files, with watches")
