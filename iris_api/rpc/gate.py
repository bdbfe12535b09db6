"""The gate: who may come in, decided once, before any byte of a body is looked at. Default-deny."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from iris_api.credentials import Token
from iris_api.rpc.asgi import ASGIApp, Receive, Scope, Send, send_refusal
from iris_api.rpc.version import VERSION, compatible

__all__ = ["Gate"]

_VERSION: Final = VERSION.encode()
_REMEMBERED: Final = 256


class Gate:
    """Lets a request through to `app` if its Host is one of ours, its Origin is that same host, its
    token is right and its version fits. On `open_paths` nobody needs a token. `hosts` are names of
    this server beside IP addresses, localhost and the machine's own name."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: Token | None,
        hosts: Collection[str] = (),
        open_paths: Collection[str] = ("/health",),
    ) -> None:
        self.app = app
        self._token = token
        self._open = frozenset(open_paths)
        self._names = {"localhost", socket.gethostname().lower(), *(host.lower() for host in hosts if host)}
        self._known_hosts: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        refusal = self.refusal(headers, scope["path"])
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await send_refusal(send, *refusal)

    def refusal(self, headers: Mapping[bytes, bytes], path: str) -> tuple[str, str] | None:
        """Connect code and message; None for a request that may pass. A function of its arguments."""
        host = headers.get(b"host", b"")
        if not self._is_ours(host):
            text = host.decode("latin-1")
            return "permission_denied", f"Host {text!r} is not a name of this server"
        if b"origin" in headers and not _same_origin(headers[b"origin"], host):
            text = headers[b"origin"].decode("latin-1")
            return "permission_denied", f"Origin {text!r} may not call this server"
        if self._token is not None and path not in self._open:
            refusal = _check_token(self._token, headers.get(b"authorization"))
            if refusal is not None:
                return "unauthenticated", refusal
        version = headers.get(b"iris-version")
        if version is None or version == _VERSION or compatible(version.decode("latin-1")):
            return None
        theirs = version.decode("latin-1")
        return "unimplemented", f"the client speaks Iris {theirs!r}, this server Iris {VERSION}"

    def _is_ours(self, host: bytes) -> bool:
        if host in self._known_hosts:
            return True
        name = _host_name(host)
        if name not in self._names and not _is_ip(name):
            return False
        if len(self._known_hosts) < _REMEMBERED:
            self._known_hosts.add(host)
        return True


def _check_token(token: Token, offered: bytes | None) -> str | None:
    if offered is None:
        return "this server wants a token: send 'authorization: Bearer <token>'"
    scheme, _, text = offered.partition(b" ")
    if scheme.lower() != b"bearer" or not token.matches(text.strip()):
        return "wrong token for this server"
    return None


def _same_origin(origin: bytes, host: bytes) -> bool:
    scheme, _, rest = origin.lower().partition(b"://")
    return scheme in (b"http", b"https") and rest == host.lower()


def _host_name(host: bytes) -> str:
    try:
        return (urlsplit(f"//{host.decode('ascii')}").hostname or "").lower()
    except ValueError:
        return ""


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
