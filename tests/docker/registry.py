"""A registry of images on this machine, of which a test says what it has."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Registry", "registry"]

_KIND = "application/vnd.docker.distribution.manifest.v2+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Registry:
    """It listens on loopback, where daemons ask without TLS. `asked` has the path of each request."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []
        self._found: dict[str, tuple[str, bytes]] = {}

    def push(self, name: str, tag: str, *, layer: bool = True) -> str:
        """What the daemon is to be asked for: a small image, without its `layer` a broken one."""
        tar, root = _tar(f"{name} {self.port}".encode()), f"/v2/{name}"
        packed = gzip.compress(tar, mtime=0)
        config = json.dumps(
            {
                "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "config": {"Cmd": ["/nothing"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _KIND,
                "config": _described("application/vnd.docker.container.image.v1+json", config),
                "layers": [_described("application/vnd.docker.image.rootfs.diff.tar.gzip", packed)],
            }
        ).encode()
        for reference in (tag, _digest(manifest)):
            self._found[f"{root}/manifests/{reference}"] = _KIND, manifest
        for blob in (config, packed) if layer else (config,):
            self._found[f"{root}/blobs/{_digest(blob)}"] = "application/octet-stream", blob
        return f"127.0.0.1:{self.port}/{name}:{tag}"

    def answer(self, path: str) -> tuple[int, str, bytes]:
        self.asked.append(path)
        if path == "/v2/":
            return 200, "application/json", b"{}"
        if path in self._found:
            return 200, *self._found[path]
        code = "BLOB_UNKNOWN" if "/blobs/" in path else "MANIFEST_UNKNOWN"
        message = code.replace("_", " ").lower()
        return 404, "application/json", json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@contextmanager
def registry() -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, kind, body = made.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", _digest(body))
            self.send_header("Connection", "close")  # no thread stays with an idle connection
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)
            self.close_connection = True

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """It is quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Registry(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="registry")
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _tar(content: bytes) -> bytes:
    """Of another content than others: a daemon does not fetch what it has."""
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            entry = tarfile.TarInfo("nothing")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        return file.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _described(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(data), "digest": _digest(data)}
