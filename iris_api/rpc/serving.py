"""serve: one uvicorn behind the gate, on a thread of its own."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Final

from iris_api.credentials import Token
from iris_api.errors import ConfigError, PlatformError
from iris_api.rpc.asgi import ASGIApp
from iris_api.rpc.gate import Gate

if TYPE_CHECKING:
    from iris_api.rpc.protocol import BoundedProtocol
    from iris_api.threads import ManagedThread, ThreadContainer

__all__ = ["Server", "serve"]

_KEEP_ALIVE: Final = 120  # seconds; clients drop idle connections well before


class Server:
    """A server that is up: `address` is ``http://host:port`` as others are told it."""

    def __init__(self, thread: ManagedThread, host: str, port: int) -> None:
        self._thread = thread
        self.port = port
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self, timeout: float = 5.0) -> bool:
        """Close idle connections at once, cut the others off after the grace; True when it is gone."""
        return self._thread.stop(timeout)


def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    threads: ThreadContainer,
    name: str,
    token: Token | None,
    open_paths: Collection[str] = ("/health",),
    advertise_host: str = "",
    hosts: Collection[str] = (),
    grace: float = 1.0,
    protocol: type[BoundedProtocol] | None = None,
) -> Server:
    """Serve `app` on `host`:`port` (0 picks a port); returns once it listens.

    `hosts` are further names by which clients reach it; `grace` is what requests under way get at the
    stop, in seconds; `protocol` is a subclass of the usual one. Raises ConfigError for an address
    beyond this machine without a token, PlatformError when the port cannot be had.
    """
    if token is None and not _is_loopback(host):
        raise ConfigError([f"listening on {host!r} needs a token: others than this machine can reach it"])
    gate = Gate(app, token=token, hosts=(host, advertise_host, *hosts), open_paths=open_paths)
    server = _uvicorn(gate, "127.0.0.1" if host == "localhost" else host, port, grace, protocol)
    try:
        with _unsaid(logging.getLogger("uvicorn.error")):
            thread = threads.spawn_server(server, name)
    except OSError as error:
        reason = "the port is in use" if error.errno == errno.EADDRINUSE else str(error)
        raise PlatformError(f"{name}: cannot listen on {host}:{port}: {reason}") from error
    bound = server.servers[0].sockets[0].getsockname()[1]
    return Server(thread, advertise_host or _reachable(host), bound)


def _uvicorn(app: ASGIApp, host: str, port: int, grace: float, protocol: type[BoundedProtocol] | None) -> Any:
    import uvicorn

    from iris_api.rpc.direct import DirectProtocol

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol or DirectProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=grace,  # type: ignore[arg-type]
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def _unsaid(logger: logging.Logger) -> Iterator[None]:
    """uvicorn logs why it cannot listen, and the caller is told anyhow."""

    def hide(record: logging.LogRecord) -> bool:
        return not isinstance(record.msg, OSError)

    logger.addFilter(hide)
    try:
        yield
    finally:
        logger.removeFilter(hide)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reachable(host: str) -> str:
    """A host to tell others: an address that means "all interfaces" is none."""
    return socket.gethostname() if host in ("", "0.0.0.0", "::") else host  # noqa: S104
