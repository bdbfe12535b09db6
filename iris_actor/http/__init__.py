"""The HTTP transport: a Connect unary call on the wire, that any Connect client and curl can make."""

from __future__ import annotations

from attrs import frozen

from iris_api.context import Context
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.transport import Transport

__all__ = ["HttpConfig", "iris_transport"]


@frozen(kw_only=True)
class HttpConfig:
    """`max_message_mb` bounds a request and a reply, in megabytes. `linger` lets a handler thread stay
    with a connection for a moment, which makes synchronous calls about twice as fast."""

    max_message_mb: int = 1024
    linger: bool = True


def _create(config: HttpConfig, context: Context) -> Transport:
    from iris_actor.http.transport import HttpTransport

    return HttpTransport(limit=config.max_message_mb * 1024 * 1024, linger=config.linger)


@hookimpl
def iris_transport() -> Provider[HttpConfig, Transport]:
    summary = "Connect over HTTP/1.1, pickled payloads with out-of-band buffers"
    return Provider(HttpConfig, _create, summary, "iris_actor.http.conformance")
