"""Bundles: workspaces by the SHA-256 of their bytes, as ``/bundles/<sha256>``: PUT, GET, HEAD."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from iris_api.errors import Refused
from iris_api.rpc.asgi import Receive, Scope, Send, send_refusal, send_reply

__all__ = ["MAX_BUNDLE", "BundleApp", "BundleStore"]

MAX_BUNDLE: Final = 100 * 2**20  # bytes
_CHUNK: Final = 2**20
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")


class BundleStore:
    """Files under `directory`, each complete or not there. Methods block on the disk."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()  # no use between the look at the last one and the removal
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in directory.glob("*.part"):
            leftover.unlink()

    def has(self, digest: str) -> bool:
        """Whether it is there; it then counts as used now, so that it stays for who asked."""
        with self._lock:
            try:
                os.utime(self.path(digest))
            except FileNotFoundError:
                return False
            return True

    def open(self, digest: str) -> BinaryIO:
        """To read it, which counts as a use. Raises FileNotFoundError."""
        with self._lock:
            os.utime(self.path(digest))
            return self.path(digest).open("rb")

    def unused(self, since: float) -> list[str]:
        """Those that nobody has put, read or asked for since a wall time."""
        return [path.name for path in self._directory.glob("[0-9a-f]*") if _is_older(path, since)]

    def remove(self, digest: str, since: float) -> None:
        """Remove it, unless it was used since that wall time after all."""
        with self._lock:
            if _is_older(self.path(digest), since):
                self.path(digest).unlink()

    def path(self, digest: str) -> Path:
        """Raises Refused unless it is a SHA-256."""
        if not _SHA256.fullmatch(digest):
            raise Refused(
                "invalid_argument",
                f"bundle {digest!r} is not allowed: give a SHA-256, 64 lower-case hex digits",
            )
        return self._directory / digest

    def draft(self) -> tuple[Path, BinaryIO]:
        """A file to fill; it becomes a bundle by `keep`."""
        path = self._directory / f"{secrets.token_hex(8)}.part"
        return path, path.open("xb")

    def keep(self, draft: Path, digest: str) -> None:
        draft.replace(self.path(digest))


class BundleApp:
    """The ASGI side; file work is done on `executor`."""

    def __init__(self, store: BundleStore, executor: Executor) -> None:
        self._store = store
        self._executor = executor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        digest = scope["path"].rpartition("/")[2]
        try:
            path = self._store.path(digest)
            match scope["method"]:
                case "PUT":
                    await self._put(digest, scope, receive, send)
                case "GET" | "HEAD":
                    await self._get(path, send, head=scope["method"] == "HEAD")
                case method:
                    raise Refused("unimplemented", f"{method} is not allowed here: PUT, GET or HEAD")
        except Refused as refusal:
            await send_refusal(send, refusal.code, refusal.message)
        except OSError as error:
            message = f"the bundle could not be kept: {error.strerror or error}"
            await send_refusal(send, "unavailable", message)

    async def _put(self, digest: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not await self._on_disk(self._store.has, digest):
            _check_size(_content_length(scope))
            draft, file = await self._on_disk(self._store.draft)
            try:
                with file:
                    found = await self._receive(file, receive)
                if found != digest:
                    raise Refused("invalid_argument", f"the bytes have SHA-256 {found}, not {digest}")
                await self._on_disk(self._store.keep, draft, digest)
            finally:
                draft.unlink(missing_ok=True)
        await send_reply(send, 200, b"application/json", (b"{}",))

    async def _receive(self, file: BinaryIO, receive: Receive) -> str:
        """Write the body to a file; returns its hash."""
        digest, size = hashlib.sha256(), 0
        async for chunk in _chunks(receive):
            size += len(chunk)
            _check_size(size)
            await self._on_disk(_write, file, digest, chunk)
        return digest.hexdigest()

    async def _get(self, path: Path, send: Send, *, head: bool) -> None:
        try:
            file = await self._on_disk(self._store.open, path.name)
        except FileNotFoundError:
            raise Refused("not_found", f"there is no bundle {path.name}") from None
        with file:
            size = b"%d" % (await self._on_disk(path.stat)).st_size
            headers = [(b"content-type", b"application/octet-stream"), (b"content-length", size)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while not head and (chunk := await self._on_disk(file.read, _CHUNK)):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _on_disk(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *args)


def _is_older(path: Path, since: float) -> bool:
    try:
        return _SHA256.fullmatch(path.name) is not None and path.stat().st_mtime < since
    except FileNotFoundError:
        return False


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    """A body in pieces of about a megabyte."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused("aborted", "the client has gone before its bundle was complete")
        more = message.get("more_body", False)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size >= _CHUNK or not more:
            yield b"".join(parts)
            parts, size = [], 0


def _write(file: BinaryIO, digest: Any, chunk: bytes) -> None:
    digest.update(chunk)
    file.write(chunk)


def _content_length(scope: Scope) -> int:
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


def _check_size(size: int) -> None:
    if size > MAX_BUNDLE:
        raise Refused("out_of_range", f"the bundle is larger than {MAX_BUNDLE} bytes, which is the limit")
