"""What a user submits, and how it stands: specs, states, causes."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from iris_api.errors import InvalidSpec
from iris_api.ids import check_job_name, check_port_name
from iris_api.requirements import (
    check_extra,
    check_extras,
    check_image,
    check_requirement,
    check_source,
    texts,
)
from iris_api.resources import ResourceSpec
from iris_api.serialize import dumps_call

__all__ = [
    "Cause",
    "CauseKind",
    "Constraint",
    "ConstraintOp",
    "CoschedulingConfig",
    "DEFAULT_PRIORITY",
    "Entry",
    "Entrypoint",
    "EnvironmentSpec",
    "ExistingJob",
    "JobSpec",
    "JobState",
    "MAX_PRIORITY",
    "TaskState",
]

MAX_CALL_BYTES = 16 * 2**20
MAX_PRIORITY: Final = 100
DEFAULT_PRIORITY: Final = 50


class TaskState(enum.StrEnum):
    PENDING = "PENDING"
    ASSIGNED = "ASSIGNED"
    BUILDING = "BUILDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    KILLED = "KILLED"
    WORKER_FAILED = "WORKER_FAILED"
    PREEMPTED = "PREEMPTED"
    UNSCHEDULABLE = "UNSCHEDULABLE"

    @property
    def ended(self) -> bool:
        return self not in (TaskState.PENDING, TaskState.ASSIGNED, TaskState.BUILDING, TaskState.RUNNING)


class JobState(enum.StrEnum):
    """Derived from the job's tasks."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    KILLED = "KILLED"
    WORKER_FAILED = "WORKER_FAILED"
    UNSCHEDULABLE = "UNSCHEDULABLE"

    @property
    def ended(self) -> bool:
        return self not in (JobState.PENDING, JobState.RUNNING)


class CauseKind(enum.StrEnum):
    """The one proven reason why an attempt, a task or a job ended as it did."""

    EXIT = "exit"  # ended with a non-zero code
    EXCEPTION = "exception"  # the callable raised
    SIGNAL = "signal"  # killed by a signal of its own making, such as SIGSEGV
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    PARENT_ENDED = "parent_ended"
    SIBLING_FAILED = "sibling_failed"
    GANG_ENDED = "gang_ended"  # another task of its gang did not end well; all start again
    WORKER_LOST = "worker_lost"
    KILLED_OUTSIDE = "killed_outside"  # by SIGKILL, SIGTERM, SIGHUP that Iris did not order: the platform's
    PREEMPTED = "preempted"
    ENVIRONMENT = "environment"  # bundle, image or interpreter could not be had
    UNSCHEDULABLE = "unschedulable"


@frozen(kw_only=True)
class Cause:
    """`memory_peak` in bytes; `by` says who ordered it; `last_lines` are the end of the output. `of_job`:
    what the job asks for is not to be had, and is not tried again."""

    kind: CauseKind
    message: str
    exit_code: int | None = None
    signal: int | None = None
    memory_peak: int | None = None
    by: str = ""
    last_lines: tuple[str, ...] = ()
    of_job: bool = False


def _text(what: str) -> Callable[[Any, Any, Any], None]:
    def check(_instance: Any, _attribute: Any, value: Any) -> None:
        if not isinstance(value, str):
            raise InvalidSpec(f"{what} {value!r} is not allowed: give text")

    return check


class ConstraintOp(enum.StrEnum):
    EQ = "EQ"
    NE = "NE"
    IN = "IN"
    EXISTS = "EXISTS"
    NOT_EXISTS = "NOT_EXISTS"
    GT = "GT"
    GE = "GE"
    LT = "LT"
    LE = "LE"


def _texts(values: str | float | Iterable[str | float]) -> tuple[str, ...]:
    return (str(values),) if isinstance(values, str | int | float) else tuple(str(value) for value in values)


@frozen
class Constraint:
    """A worker attribute must compare so. GT GE LT LE compare numbers; EQ NE IN compare text."""

    key: str
    op: ConstraintOp = field(converter=ConstraintOp)
    values: tuple[str, ...] = field(default=(), converter=_texts)

    def __attrs_post_init__(self) -> None:
        wanted = {ConstraintOp.EXISTS: 0, ConstraintOp.NOT_EXISTS: 0}.get(self.op, 1)
        if self.op is not ConstraintOp.IN and len(self.values) != wanted:
            raise InvalidSpec(
                f"constraint on {self.key!r}: {self.op} takes {wanted} value(s), got {len(self.values)}"
            )
        if self.op in (ConstraintOp.GT, ConstraintOp.GE, ConstraintOp.LT, ConstraintOp.LE):
            try:
                float(self.values[0])
            except ValueError:
                raise InvalidSpec(
                    f"constraint on {self.key!r}: {self.op} takes a number, got {self.values[0]!r}"
                ) from None

    def __str__(self) -> str:
        return " ".join((self.key, self.op, ",".join(self.values))).rstrip()


@frozen
class CoschedulingConfig:
    """The tasks of a job are one gang: they start together or not at all, and when one of them does not
    end well, all are ended and start together again. With `group_by` all run on workers that have the
    same value of this attribute, such as ``"slice"``; a worker without it has no group."""

    group_by: str = field(default="", validator=_text("group_by"))


class ExistingJob(enum.StrEnum):
    """What a submit does when its name is taken by a sibling."""

    ERROR = "error"
    KEEP = "keep"
    RECREATE = "recreate"


def _copied(env_vars: Mapping[str, str]) -> Mapping[str, str]:
    return dict(env_vars)


def _image(_instance: Any, _attribute: Any, value: Any) -> None:
    check_image(value)


def _source(_instance: Any, _attribute: Any, value: Any) -> None:
    check_source(value)


def _packages(lines: Iterable[str]) -> tuple[str, ...]:
    found = texts(lines, "pip_packages")
    for index, line in enumerate(found):
        check_requirement(line, f"pip_packages[{index}]")
    return found


def _extras(names: Iterable[str]) -> tuple[str, ...]:
    found = texts(names, "extras")
    for name in found:
        check_extra(name)
    return found


@frozen
class EnvironmentSpec:
    """What surrounds a task. Explicit values go before the parent job's, those before the platform's.

    `image`: where the runtime runs containers, which one, and whose Python runs calls. `pip_packages` are
    installed for the job alone: requirements, and wheels or sdists by their address or their path in the
    workspace. `python_packages_from` "pyproject": also what the workspace's pyproject.toml depends on, with
    its optional dependencies that `extras` names.
    """

    env_vars: Mapping[str, str] = field(factory=dict, converter=_copied)
    image: str = field(default="", kw_only=True, validator=_image)
    pip_packages: tuple[str, ...] = field(default=(), kw_only=True, converter=_packages)
    extras: tuple[str, ...] = field(default=(), kw_only=True, converter=_extras)
    python_packages_from: str = field(default="", kw_only=True, validator=_source)

    def __attrs_post_init__(self) -> None:
        check_extras(self.extras, self.python_packages_from)
        for key, value in self.env_vars.items():
            if not isinstance(key, str) or not key or "=" in key or "\0" in key:
                raise InvalidSpec(
                    f"environment variable name {key!r} is not allowed: text without '=' or NUL"
                )
            if not isinstance(value, str) or "\0" in value:
                raise InvalidSpec(
                    f"environment variable {key!r} must be text without NUL, got {type(value).__name__}"
                )


@frozen
class Entry:
    """What a task runs, as it travels: a pickled call, or an argv."""

    call: bytes = field(default=b"", repr=lambda call: f"<{len(call)} bytes>")
    argv: tuple[str, ...] = ()
    python: str = ""  # "3.11": the version that pickled the call


def python_version() -> str:
    """The minor version that pickles of functions are bound to, such as ``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


class Entrypoint:
    """What a task runs: a callable with its arguments, or a command. Made by the two class methods."""

    def __init__(
        self,
        function: Callable[..., Any] | None,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        argv: tuple[str, ...],
    ) -> None:
        self._function, self._args, self._kwargs, self._argv = function, args, kwargs, argv

    @classmethod
    def from_callable(cls, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Entrypoint:
        """Run ``function(*args, **kwargs)``; pickled when the job is submitted."""
        if not callable(function):
            raise InvalidSpec(f"Entrypoint.from_callable takes a callable, got {type(function).__name__}")
        return cls(function, args, kwargs, ())

    @classmethod
    def from_command(cls, *argv: str) -> Entrypoint:
        """Run a program, without a shell."""
        if not argv or not all(isinstance(arg, str) and _is_text(arg) for arg in argv):
            raise InvalidSpec(
                "Entrypoint.from_command takes the program and its arguments as text, at least the program"
            )
        return cls(None, (), {}, argv)

    def entry(self) -> Entry:
        """Pickle what is to be pickled. Raises UnpicklableError naming the guilty object."""
        if self._function is None:
            return Entry(argv=self._argv)
        call = dumps_call(self._function, self._args, self._kwargs)
        if len(call) > MAX_CALL_BYTES:
            raise InvalidSpec(
                f"the callable and its arguments pickle to {len(call)} bytes, allowed are {MAX_CALL_BYTES}; "
                "put large data into the workspace or a file"
            )
        return Entry(call=call, python=python_version())

    def __repr__(self) -> str:
        what = (
            " ".join(self._argv)
            if self._function is None
            else getattr(self._function, "__qualname__", repr(self._function))
        )
        return f"Entrypoint({what})"


def _is_text(value: str) -> bool:
    """Can it be an argument of a program."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _count(what: str, least: int) -> Callable[[Any, Any, Any], None]:
    def check(_instance: Any, _attribute: Any, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 100_000:
            raise InvalidSpec(f"{what} {value!r} is not allowed: give a whole number from {least} to 100000")

    return check


def _seconds(what: str) -> Callable[[Any, Any, Any], None]:
    def check(_instance: Any, _attribute: Any, value: Any) -> None:
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf")
        ):
            raise InvalidSpec(f"{what} {value!r} is not allowed: give seconds > 0, or None for no limit")

    return check


def _priority(_instance: Any, _attribute: Any, value: Any) -> None:
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PRIORITY
    ):
        raise InvalidSpec(
            f"priority {value!r} is not allowed: give a whole number from 1 to {MAX_PRIORITY}, "
            f"more goes first, or None for the parent job's, else {DEFAULT_PRIORITY}"
        )


def _coscheduling(_instance: Any, _attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, CoschedulingConfig):
        raise InvalidSpec(f"coscheduling must be a CoschedulingConfig, got {type(value).__name__}")


def _port_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


def _constraints(constraints: Iterable[Constraint]) -> tuple[Constraint, ...]:
    return tuple(constraints)


@frozen(kw_only=True)
class JobSpec:
    """A job as it travels. What is of an EnvironmentSpec is as it was given; the controller applies
    inheritance, also of `priority`. `refill_after`: an attempt that ran for so many seconds refills both
    retry budgets."""

    name: str = field(converter=check_job_name)
    entry: Entry
    resources: ResourceSpec = field(factory=ResourceSpec)
    env_vars: Mapping[str, str] = field(factory=dict)
    image: str = field(default="", validator=_image)
    pip_packages: tuple[str, ...] = field(default=(), converter=_packages)
    extras: tuple[str, ...] = field(default=(), converter=_extras)
    python_packages_from: str = field(default="", validator=_source)
    bundle: str = ""  # SHA-256 of the workspace bundle
    replicas: int = field(default=1, validator=_count("replicas", 1))
    ports: tuple[str, ...] = field(default=(), converter=_port_names)
    constraints: tuple[Constraint, ...] = field(default=(), converter=_constraints)
    max_retries_failure: int = field(default=0, validator=_count("max_retries_failure", 0))
    max_retries_preemption: int = field(default=100, validator=_count("max_retries_preemption", 0))
    max_task_failures: int = field(default=0, validator=_count("max_task_failures", 0))
    timeout: float | None = field(default=None, validator=_seconds("timeout"))
    scheduling_timeout: float | None = field(default=None, validator=_seconds("scheduling_timeout"))
    priority: int | None = field(default=None, validator=_priority)
    coscheduling: CoschedulingConfig | None = field(default=None, validator=_coscheduling)
    refill_after: float | None = field(default=None, validator=_seconds("refill_after"))

    def __attrs_post_init__(self) -> None:
        check_extras(self.extras, self.python_packages_from)
        for port in self.ports:
            check_port_name(port)
        if len({port.upper() for port in self.ports}) != len(self.ports):
            raise InvalidSpec(
                f"ports {list(self.ports)} are not allowed: a name stands twice (case does not count)"
            )
