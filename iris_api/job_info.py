"""Who am I: the identity of the attempt that this code runs in."""

from __future__ import annotations

import contextvars
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import field, frozen

from iris_api.credentials import Token, read_token
from iris_api.ids import JobId, TaskId

__all__ = ["JobInfo", "get_job_info", "job_info_scope", "set_job_info", "set_stop_event", "stop_event"]

_PORT_PREFIX: Final = "IRIS_PORT_"


@frozen(kw_only=True)
class JobInfo:
    """`env` is what the job was given; `transport` and `resolver` are the kinds of the cluster's plugins."""

    job_id: JobId = field(converter=JobId)
    task_index: int = 0
    num_tasks: int = 1
    attempt_uid: str
    worker_id: str = ""
    controller_address: str = ""
    advertise_host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(factory=dict)
    token: Token | None = None
    transport: str = "http"  # kind of the plugin
    resolver: str = "cluster"  # the same
    env: Mapping[str, str] = field(factory=dict, repr=False)

    @property
    def task_id(self) -> TaskId:
        return self.job_id.task(self.task_index)

    def to_env(self) -> dict[str, str]:
        """The IRIS_* variables, without the token: that travels in a file (IRIS_TOKEN_FILE)."""
        ports = {f"{_PORT_PREFIX}{name.upper()}": str(port) for name, port in self.ports.items()}
        return ports | {
            "IRIS_JOB_ID": self.job_id,
            "IRIS_TASK_ID": self.task_id,
            "IRIS_TASK_INDEX": str(self.task_index),
            "IRIS_NUM_TASKS": str(self.num_tasks),
            "IRIS_ATTEMPT_UID": self.attempt_uid,
            "IRIS_WORKER_ID": self.worker_id,
            "IRIS_CONTROLLER_ADDRESS": self.controller_address,
            "IRIS_ADVERTISE_HOST": self.advertise_host,
            "IRIS_TRANSPORT": self.transport,
            "IRIS_RESOLVER": self.resolver,
        }

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> JobInfo | None:
        """The identity that the variables of a sandbox tell; None outside one."""
        if "IRIS_JOB_ID" not in env or "IRIS_ATTEMPT_UID" not in env:
            return None
        token_file = env.get("IRIS_TOKEN_FILE")
        return cls(
            job_id=JobId(env["IRIS_JOB_ID"]),
            task_index=int(env.get("IRIS_TASK_INDEX", "0")),
            num_tasks=int(env.get("IRIS_NUM_TASKS", "1")),
            attempt_uid=env["IRIS_ATTEMPT_UID"],
            worker_id=env.get("IRIS_WORKER_ID", ""),
            controller_address=env.get("IRIS_CONTROLLER_ADDRESS", ""),
            advertise_host=_address(env.get("IRIS_ADVERTISE_HOST", "127.0.0.1")),
            ports={
                k.removeprefix(_PORT_PREFIX).lower(): int(v)
                for k, v in env.items()
                if k.startswith(_PORT_PREFIX)
            },
            token=read_token(Path(token_file)) if token_file else None,
            transport=env.get("IRIS_TRANSPORT", "http"),
            resolver=env.get("IRIS_RESOLVER", "cluster"),
            env=env,
        )


def _address(host: str) -> str:
    """``0.0.0.0`` stands for the sandbox's own: it has one that is known only inside."""
    if host != "0.0.0.0":  # noqa: S104  nothing is bound here
        return host
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:  # it has no network
        return "127.0.0.1"


_job_info: contextvars.ContextVar[JobInfo | None] = contextvars.ContextVar("iris_job_info", default=None)


def get_job_info() -> JobInfo | None:
    """The attempt that this code runs in: of the context, else of the environment, else None."""
    return _job_info.get() or JobInfo.from_env(os.environ)


def set_job_info(info: JobInfo | None) -> contextvars.Token[JobInfo | None]:
    """Say who this context is. What is spawned from it through iris_api.threads inherits that."""
    return _job_info.set(info)


@contextmanager
def job_info_scope(info: JobInfo | None) -> Iterator[None]:
    """`set_job_info` for the length of a block."""
    token = _job_info.set(info)
    try:
        yield
    finally:
        _job_info.reset(token)


_stop_event: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar(
    "iris_stop_event", default=None
)


def stop_event() -> threading.Event | None:
    """Set once the task that runs as this thread shall end: return soon, or an exception ends it.

    None where tasks are processes, which are told by SIGTERM, and outside tasks.
    """
    return _stop_event.get()


def set_stop_event(event: threading.Event) -> None:
    """For a runtime of threads: the event of the task whose context this is."""
    _stop_event.set(event)
