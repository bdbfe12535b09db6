"""Bundles: fetched once by their hash, unpacked for each attempt, trusted with nothing."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import tarfile
import threading
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from iris_api.credentials import Token
from iris_api.errors import PlatformError
from iris_api.ids import new_uid
from iris_worker.errors import BadBundle

__all__ = ["Bundles", "unpack"]

_KEPT: Final = 32  # bundles in the cache
_MOST_BYTES: Final = 2 * 10**9  # of one bundle, unpacked
_MOST_FILES: Final = 200_000
_CHUNK: Final = 1 << 20
_TIMEOUT: Final = 60.0  # seconds without a byte from the controller


class Bundles:
    """The cache of one worker. Safe from several threads: a bundle is fetched once."""

    def __init__(self, directory: Path, address: str, token: Token | None) -> None:
        self._directory, self._address, self._token = directory, address, token
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def unpack(self, sha256: str, target: Path) -> None:
        """Have the files of a bundle in `target`. Raises BadBundle for what it holds, PlatformError
        where it cannot be fetched."""
        with self._lock:
            own = self._locks.setdefault(sha256, threading.Lock())
        with own:
            path = self._directory / f"{sha256}.tar.gz"
            if not path.exists():
                self._fetch(sha256, path)
            path.touch()
            unpack(path, target)

    def _fetch(self, sha256: str, path: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{new_uid()}")
        try:
            found = self._download(sha256, draft)
            if found != sha256:
                raise BadBundle(f"bundle {sha256[:12]} arrived with another content ({found[:12]})")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        self._make_room()

    def _download(self, sha256: str, draft: Path) -> str:
        parts = urlsplit(self._address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        headers = {"authorization": f"Bearer {self._token.reveal()}"} if self._token else {}
        digest = hashlib.sha256()
        try:
            connection.request("GET", f"/bundles/{sha256}", headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                reason = response.read(1000).decode(errors="replace")
                raise PlatformError(
                    f"the controller does not give bundle {sha256[:12]}: {response.status} {reason}"
                )
            with draft.open("wb") as file:
                while chunk := response.read(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
        except (OSError, http.client.HTTPException) as error:
            raise PlatformError(
                f"bundle {sha256[:12]} cannot be fetched from {self._address}: {error}"
            ) from error
        finally:
            connection.close()
        return digest.hexdigest()

    def _make_room(self) -> None:
        """Forget the bundles that were used longest ago."""
        with contextlib.suppress(FileNotFoundError):  # another thread was faster
            by_age = sorted(self._directory.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)
            for path in by_age[:-_KEPT]:
                path.unlink(missing_ok=True)


def unpack(archive: Path, target: Path) -> None:
    """Extract a tar.gz. Raises BadBundle for what would leave `target`, is no file, directory or inner
    link, or is too much; then `target` may hold a part of it."""
    target.mkdir(parents=True, exist_ok=True)
    root = target.resolve()
    size = count = 0
    try:
        with tarfile.open(archive, mode="r:gz") as tar:
            tar.extraction_filter = lambda member, _path: member  # `_checked` has looked
            for member in tar:
                size, count = size + member.size, count + 1
                if size > _MOST_BYTES or count > _MOST_FILES:
                    most = f"{_MOST_FILES} files of {_MOST_BYTES / 1e9:g} GB in all"
                    raise BadBundle(f"a bundle may hold {most}")
                tar.extract(_checked(member, root), root)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadBundle(f"the workspace cannot be unpacked: {error}") from error


def _checked(member: tarfile.TarInfo, root: Path) -> tarfile.TarInfo:
    """`member` as this user's, without special bits. The oldest Python 3.11 has no filter that does it."""
    path = root / member.name
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise BadBundle(f"the workspace holds {member.name!r}, which is no file, directory or link")
    leads_to = {True: path.parent / member.linkname, False: root / member.linkname}[member.issym()]
    for place in (path.parent, leads_to if member.linkname else path):
        if not place.resolve().is_relative_to(root):
            raise BadBundle(f"the workspace holds {member.name!r}, which leads out of it")
    member.mode &= 0o777
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    return member
