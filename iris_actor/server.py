"""ActorServer: lets others call the methods of objects of this process."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
import time
from typing import Any, Final, Self

from attrs import define

from iris_actor import ambient
from iris_actor.dispatch import Dispatch, Registered
from iris_actor.loop import MethodLoop
from iris_actor.registry import EndpointRegistry
from iris_api.credentials import Token
from iris_api.errors import InvalidSpec
from iris_api.ids import namespace_of, new_uid, qualify
from iris_api.job_info import JobInfo, get_job_info, stop_event
from iris_api.plugins import blamed_text, calls_of
from iris_api.threads import ThreadContainer, get_thread_registry
from iris_api.transport import Bind, Listener, Transport

__all__ = ["ActorServer"]

_log = logging.getLogger("iris.actor")
_LATE: Final = 2.0  # seconds that the close of a listener may be late
_PORT_NAME: Final = "actor"  # of the port that a job may have allocated for its server
_LOOK: Final = 0.5  # seconds between two looks of `serve`, in which an exception can reach its thread

_serving_here: contextvars.ContextVar[ActorServer | None] = contextvars.ContextVar(
    "iris_actor_server", default=None
)


@define
class _Up:
    """What there is while the server is up."""

    listener: Listener
    threads: ThreadContainer
    loop: MethodLoop
    dispatch: Dispatch
    registry: EndpointRegistry | None


class ActorServer:
    """Serves actors by name; calls run concurrently, at most `max_concurrency` at once.

    Inside a job, host, port and token default to the job's, and each actor is an endpoint in the job's
    namespace while the server is up. Elsewhere it listens on this machine, for this user only.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        transport: Transport | None = None,
        token: Token | None = None,
        threads: ThreadContainer | None = None,
        max_concurrency: int = 128,
    ) -> None:
        if not isinstance(max_concurrency, int) or max_concurrency < 1:
            raise InvalidSpec(f"max_concurrency {max_concurrency!r} is not allowed: it is a number from 1")
        self._host, self._port = host, port
        self._transport = transport
        self._token = token
        self._threads = threads
        self._max_concurrency = max_concurrency
        self._lock = threading.RLock()
        self._actors: dict[str, Registered] = {}
        self._up: _Up | None = None
        self._serving = False
        self._stopped = threading.Event()

    @property
    def address(self) -> str:
        """As others are told it. Raises RuntimeError while the server is not up."""
        if self._up is None:
            raise RuntimeError("the actor server is not up: call serve() or serve_background()")
        return self._up.listener.address

    def register(self, name: str, actor: Any) -> None:
        """Let others call the public methods of `actor` as `name`, now or once the server is up.
        Raises ValueError for a name that is taken, InvalidSpec for one that is not allowed."""
        qualify(name, None)  # is it allowed
        with self._lock:
            if name in self._actors:
                raise ValueError(f"an actor {name!r} is registered already at this server")
            registered = Registered(name, actor, new_uid())
            if self._up is not None:
                self._offer(registered, self._up)
            self._actors[name] = registered

    def unregister(self, name: str) -> None:
        """Take no more calls for `name`. A name that is not registered is fine."""
        with self._lock:
            registered = self._actors.pop(name, None)
            if registered is None or self._up is None:
                return
            if self._up.registry is not None:
                self._up.registry.unregister(registered.uid)
            self._up.dispatch.remove(registered)

    def serve(self) -> None:
        """Serve until `stop` is called, from a call, another thread, or by Ctrl+C, or the task that this
        runs in shall end."""
        self.serve_background()
        self._serving = True
        ending = stop_event() or self._stopped
        try:
            with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
                while not (self._stopped.wait(_LOOK) or ending.is_set()):
                    continue
        finally:
            self._serving = False
            self.stop()

    def serve_background(self) -> int:
        """Serve on threads; returns the port. Raises PlatformError when it cannot be had."""
        with self._lock:
            if self._up is not None:
                raise RuntimeError(f"this actor server is up already, at {self.address}")
            self._stopped.clear()
            up = self._up = self._start(get_job_info())
            try:
                for registered in self._actors.values():
                    self._offer(registered, up)
            except BaseException:
                self._close(5.0)
                raise
            return up.listener.port

    def stop(self, timeout: float = 5.0) -> None:
        """Give up the names, let running calls end within `timeout` seconds, and close. Idempotent.

        Called by a call of this server it returns at once, and the server stops after that call.
        """
        self._stopped.set()
        up = self._up
        if up is None:
            return
        if _serving_here.get() is not self:
            self._close(timeout)
        elif not self._serving:
            threads = self._threads or get_thread_registry().container
            threads.spawn(lambda _: self._close(timeout), "actor-server-stop")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = self._up.listener.address if self._up is not None else "not up"
        return f"<ActorServer, {where}, actors: {', '.join(sorted(self._actors)) or 'none'}>"

    def _start(self, info: JobInfo | None) -> _Up:
        threads = (self._threads or get_thread_registry().container).child("actor-server")
        try:
            loop = MethodLoop(threads)
            dispatch = Dispatch(loop)
            listener = contextvars.copy_context().run(self._listen, dispatch, self._bind(info, threads))
        except BaseException:
            threads.stop()
            raise
        registry = None
        if info is not None and info.controller_address:
            registry = EndpointRegistry.of_job(info, threads=threads)
        return _Up(listener, threads, loop, dispatch, registry)

    def _listen(self, dispatch: Dispatch, bind: Bind) -> Listener:
        """In a context of its own, which the calls inherit: by it `stop` knows where it is called."""
        _serving_here.set(self)
        return ambient.listen(dispatch, bind, over=self._transport)

    def _bind(self, info: JobInfo | None, threads: ThreadContainer) -> Bind:
        host, port = self._host, self._port
        advertise = info.advertise_host if info is not None else ""
        if host is None:  # others are told the advertised one, which may not be an address of this machine
            host = "127.0.0.1" if advertise in ("", "localhost", "127.0.0.1") else "0.0.0.0"  # noqa: S104
        elif host not in ("0.0.0.0", "::"):  # noqa: S104
            advertise = host
        if port is None:
            port = info.ports.get(_PORT_NAME, 0) if info is not None else 0
        return Bind(
            host=host,
            port=port,
            advertise_host=advertise,
            token=self._token or ambient.token_to_show(),
            max_concurrency=self._max_concurrency,
            threads=threads,
        )

    def _offer(self, registered: Registered, up: _Up) -> None:
        """Take calls for it, then let others know."""
        info = get_job_info()
        namespace = namespace_of(info.job_id) if info is not None else None
        up.dispatch.add(registered, registered.name, qualify(registered.name, namespace))
        if up.registry is None:
            return
        try:
            up.registry.register(registered.name, up.listener.address, uid=registered.uid)
        except BaseException:
            up.dispatch.remove(registered)
            raise

    def _close(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        up = self._up
        if up is not None and up.registry is not None:  # ends a registration that holds the lock, too
            up.registry.close(min(timeout, 2.0))
        with self._lock:
            up, self._up = self._up, None
        if up is None:
            return
        _end(up.listener, max(deadline - time.monotonic(), 0.1))
        up.loop.close(max(deadline - time.monotonic(), 0.1))
        up.threads.stop(max(deadline - time.monotonic(), 0.1))


def _end(listener: Listener, timeout: float) -> None:
    """Close it. One that fails or does not keep the time is named and left behind."""
    calls = calls_of(listener)
    try:
        calls.bounded("close()", lambda: listener.close(timeout), timeout + _LATE)
    except Exception as error:
        _log.warning("a listener is left behind: %s", blamed_text(error), exc_info=error)
