"""The options of platform `docker`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from attrs import field, frozen

from iris_api.errors import InvalidSpec
from iris_api.platform import Mount

__all__ = ["PROFILES", "DockerConfig", "Profile"]

_NOBODY: Final = (65534, 65534)


@frozen(kw_only=True)
class Profile:
    """What a container may do. `root`: it runs as root unless the table names a `user`."""

    read_only: bool = True
    capabilities: bool = False  # those that Docker gives by itself
    new_privileges: bool = False
    root: bool = False
    privileged: bool = False


PROFILES: Final[Mapping[str, Profile]] = {
    "hardened": Profile(),
    "writable": Profile(read_only=False),
    "root": Profile(read_only=False, capabilities=True, root=True),
    "privileged": Profile(
        read_only=False, capabilities=True, new_privileges=True, root=True, privileged=True
    ),
}


def _mount(text: str) -> Mount:
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    places = source.startswith("/") and target.startswith("/") and Path(target) != Path("/")
    whole = places and mode in ("", "ro", "rw")
    if not whole:
        raise InvalidSpec(f"mount {text!r} is not allowed: write /source:/target, :rw behind it to write")
    return Mount(Path(source), Path(target), read_only=mode != "rw")


def _is_mount(_instance: Any, _attribute: Any, value: tuple[str, ...]) -> None:
    targets = [_mount(text).target for text in value]
    for target in targets:
        if targets.count(target) > 1:
            raise InvalidSpec(f"two mounts have the target '{target}': leave one out")


def _is_name(_instance: Any, attribute: Any, value: str) -> None:
    if not value or any(map(str.isspace, value)):
        raise InvalidSpec(f"{attribute.name} {value!r} is not allowed: give a name as `docker run` takes it")


def _is_host(_instance: Any, _attribute: Any, value: str) -> None:
    if value and not _is_url(value):
        raise InvalidSpec(
            f"host {value!r} is not allowed: give unix:///path or tcp://host:port of a daemon that sees this "
            "machine's files"
        )


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return bool(parts.path if parts.scheme == "unix" else parts.scheme == "tcp" and parts.port)
    except ValueError:  # of a port that is none
        return False


def _is_user(_instance: Any, _attribute: Any, value: str) -> None:
    uid, _, gid = value.partition(":")
    if value and not (uid.isdecimal() and (gid.isdecimal() or (gid == "" and ":" not in value))):
        raise InvalidSpec(f"user {value!r} is not allowed: give numbers, such as 1000 or 1000:1000")


def _is_positive(_instance: Any, attribute: Any, value: int) -> None:
    if value < 1:
        raise InvalidSpec(f"{attribute.name} {value!r} is not allowed: give a number above 0")


@frozen(kw_only=True)
class DockerConfig:
    """`image` runs where a job names none. `network`: a network of the daemon, such as "bridge", "host" or
    "none". `user`: "uid" or "uid:gid"; empty: the worker's own, and nobody's for a worker of root. `pull`:
    when an image is fetched. `mounts`: "/source:/target" of this machine, with ":rw" to be written. `host`:
    the daemon's URL, empty: DOCKER_HOST or the usual socket. `profile`: what a container may do, one of
    `PROFILES`. `pids`: the most processes and threads of a task."""

    image: str = field(default="python:3.11-slim", validator=_is_name)
    network: str = field(default="bridge", validator=_is_name)
    user: str = field(default="", validator=_is_user)
    pull: Literal["missing", "always", "never"] = "missing"
    mounts: tuple[str, ...] = field(default=(), validator=_is_mount)
    host: str = field(default="", validator=_is_host)
    profile: Literal["hardened", "writable", "root", "privileged"] = "hardened"
    pids: int = field(default=1024, validator=_is_positive)

    @property
    def parsed_mounts(self) -> tuple[Mount, ...]:
        return tuple(map(_mount, self.mounts))

    @property
    def allowed(self) -> Profile:
        return PROFILES[self.profile]

    @property
    def owner(self) -> tuple[int, int]:
        """Whom a container runs as, and whose its files are."""
        if self.user:
            uid, _, gid = self.user.partition(":")
            return int(uid), int(gid or uid)
        if self.allowed.root:
            return 0, 0
        return (os.getuid(), os.getgid()) if os.getuid() else _NOBODY
