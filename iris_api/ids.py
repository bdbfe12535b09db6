"""Names and ids: who may be called what, and what a name means inside a job."""

from __future__ import annotations

import re
import secrets
from typing import Final

from iris_api.errors import InvalidSpec

__all__ = [
    "JobId",
    "TaskId",
    "check_job_name",
    "check_label",
    "check_port_name",
    "namespace_of",
    "new_id",
    "new_uid",
    "qualify",
]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_PORT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")


class JobId(str):
    """``root/child/grandchild``. A plain string with a look at its parts."""

    __slots__ = ()

    @property
    def root(self) -> JobId:
        return JobId(self.partition("/")[0])

    @property
    def parent(self) -> JobId | None:
        head, slash, _ = self.rpartition("/")
        return JobId(head) if slash else None

    @property
    def name(self) -> str:
        return self.rpartition("/")[2]

    def child(self, name: str) -> JobId:
        return JobId(f"{self}/{check_job_name(name)}")

    def task(self, index: int) -> TaskId:
        return TaskId(f"{self}:{index}")


class TaskId(str):
    """``root/child:0``: one replica of a job."""

    __slots__ = ()

    @property
    def job(self) -> JobId:
        return JobId(self.rpartition(":")[0])

    @property
    def replica(self) -> int:
        return int(self.rpartition(":")[2])


def check_job_name(name: str) -> str:
    """Return `name`, or raise InvalidSpec saying what a job may be called."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidSpec(
            f"job name {name!r} is not allowed: a name has 1 to 128 letters, digits, '.', '_' or '-', "
            "starts with a letter or digit, and has no '/' or ':'"
        )
    return name


def check_port_name(name: str) -> str:
    """Return `name`, or raise InvalidSpec; it becomes the variable IRIS_PORT_<NAME>."""
    if not isinstance(name, str) or not _PORT.fullmatch(name):
        raise InvalidSpec(
            f"port name {name!r} is not allowed: 1 to 32 letters, digits or '_', starting with a letter"
        )
    return name


def check_label(value: str, what: str) -> str:
    """Return `value` if every platform can store it unchanged, else raise InvalidSpec."""
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise InvalidSpec(
            f"{what} {value!r} is not allowed: 1 to 63 lower-case letters, digits or '-', "
            "starting with a letter and not ending with '-'"
        )
    return value


def new_uid() -> str:
    """16 hex digits, random: an attempt, an endpoint, an incarnation."""
    return secrets.token_hex(8)


def new_id(prefix: str) -> str:
    """A label that no other call makes, such as ``job-3f9a0c1b2d``."""
    return f"{prefix}-{secrets.token_hex(5)}"


def namespace_of(job_id: str) -> str:
    """The root job's id: names in it are invisible to other root jobs."""
    return job_id.partition("/")[0]


def qualify(name: str, namespace: str | None) -> str:
    """The full name of an endpoint: ``/abc/calc`` in namespace `abc`, ``/calc`` cluster-wide.

    A name that starts with "/" is full already; outside a namespace a plain name is cluster-wide.
    """
    if not isinstance(name, str) or not name.strip("/") or any(c.isspace() for c in name):
        raise InvalidSpec(f"endpoint name {name!r} is not allowed: it must not be empty or hold white space")
    if name.startswith("/"):
        return name
    return f"/{namespace}/{name}" if namespace else f"/{name}"
