"""The workspace as a content-addressed bundle: a reproducible tar.gz of what git would consider."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from attrs import frozen

from iris_api.credentials import Token
from iris_api.errors import InvalidSpec, Lost, Refused

if TYPE_CHECKING:
    import tarfile
    from http.client import HTTPConnection

__all__ = ["MAX_BUNDLE_BYTES", "Bundle", "Workspace", "upload"]

MAX_BUNDLE_BYTES: Final = 100 * 10**6
_SKIPPED: Final = frozenset(
    {".git", "__pycache__", ".venv", "node_modules"}
)  # where no git says what to leave out
_BY_STATUS: Final = {
    501: ("unimplemented", "it is of a version that does not work with this one"),
    401: ("unauthenticated", "wrong token, or none"),
    403: ("permission_denied", "it may not be called from here"),
}
_log = logging.getLogger(__name__)


@frozen
class Bundle:
    """`sha256` is the hex digest of `data`, and the bundle's name."""

    sha256: str
    data: bytes


class Workspace:
    """A directory that travels with the jobs. Packs again only after a change."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        if not self._root.is_dir():
            raise InvalidSpec(f"workspace {str(root)!r} is not a directory")
        self._fingerprint: tuple[object, ...] | None = None
        self._bundle: Bundle | None = None

    def bundle(self) -> Bundle:
        """Pack the git-tracked and the untracked-not-ignored files; without git, all files.

        Raises InvalidSpec above 100 MB, naming the largest files.
        """
        if not self._root.is_dir():
            raise InvalidSpec(f"workspace {str(self._root)!r} is not a directory any more")
        try:
            return self._packed()
        except OSError as error:
            raise InvalidSpec(f"workspace {self._root} cannot be packed: {error}") from error

    def _packed(self) -> Bundle:
        files = sorted(_files(self._root))
        stats = [(self._root / name).lstat() for name in files]
        fingerprint = tuple(
            (name, stat.st_mtime_ns, stat.st_size, stat.st_mode)
            for name, stat in zip(files, stats, strict=True)
        )
        if self._bundle is None or fingerprint != self._fingerprint:
            _check_size(self._root, dict(zip(files, (stat.st_size for stat in stats), strict=True)))
            self._bundle, self._fingerprint = _pack(self._root, files), fingerprint
        return self._bundle


def upload(address: str, token: Token | None, bundle: Bundle, timeout: float = 120.0) -> None:
    """Bring a bundle to the controller unless it is there; may be repeated.

    Raises Lost when the controller could not be asked, Refused when it does not take it.
    """
    import http.client

    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    path, headers = f"/bundles/{bundle.sha256}", _headers(token)
    try:
        connection.request("HEAD", path, headers=headers)
        status, body = _answer(connection)
        if status == 404:
            connection.request("PUT", path, body=bundle.data, headers=headers)
            status, body = _answer(connection)
    except (OSError, http.client.HTTPException) as error:
        raise Lost(f"the workspace did not reach the controller at {address}: {error}") from error
    finally:
        connection.close()
    if status >= 300:
        raise _refusal(status, body)


def _headers(token: Token | None) -> dict[str, str]:
    from iris_api.rpc.version import VERSION

    return {"iris-version": VERSION} | ({"authorization": f"Bearer {token.reveal()}"} if token else {})


def _answer(connection: HTTPConnection) -> tuple[int, bytes]:
    response = connection.getresponse()
    return response.status, response.read()


def _refusal(status: int, body: bytes) -> Refused:
    """As the controller says it; an answer to HEAD has no body, and only its status tells."""
    import json

    try:
        said = json.loads(body)
        return Refused(str(said["code"]), f"the controller refused the workspace: {said['message']}")
    except (ValueError, TypeError, KeyError):
        code, why = _BY_STATUS.get(status, ("unknown", body.decode(errors="replace")))
        return Refused(code, f"the controller refused the workspace ({status}): {why}")


def _files(root: Path) -> Iterator[str]:
    for name in _listed_by_git(root) or _walked(root):
        path = root / name
        if path.is_symlink() and not _stays_inside(root, path):
            _log.warning("workspace: %s is a link that leads out of the workspace and is left behind", name)
        elif path.is_symlink() or path.is_file():
            yield name


def _listed_by_git(root: Path) -> list[str]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        found = subprocess.run(command, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return [os.fsdecode(name) for name in set(found.stdout.split(b"\0")) if name]


def _walked(root: Path) -> Iterable[str]:
    for directory, folders, names in os.walk(root):
        folders[:] = [folder for folder in folders if folder not in _SKIPPED]
        yield from (str((Path(directory) / name).relative_to(root)) for name in names)


def _stays_inside(root: Path, link: Path) -> bool:
    target = link.readlink()
    return not target.is_absolute() and (link.parent / target).resolve().is_relative_to(root)


def _check_size(root: Path, sizes: dict[str, int]) -> None:
    total = sum(sizes.values())
    if total <= MAX_BUNDLE_BYTES:
        return
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    listed = ", ".join(f"{name} ({sizes[name] / 1e6:.0f} MB)" for name in largest)
    raise InvalidSpec(
        f"workspace {root} holds {total / 1e6:.0f} MB, allowed are {MAX_BUNDLE_BYTES / 1e6:.0f} MB; "
        f"the largest files are {listed}; add what tasks do not need to .gitignore"
    )


def _pack(root: Path, files: Iterable[str]) -> Bundle:
    import gzip
    import tarfile

    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name in files:
            tar.add(root / name, arcname=name, recursive=False, filter=_without_origin)
    data = packed.getvalue()
    return Bundle(hashlib.sha256(data).hexdigest(), data)


def _without_origin(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same files give the same bytes, whoever packs them and when."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member
