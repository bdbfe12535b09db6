"""Values of the core and messages of cluster.proto. What the wire brings is checked like a user's input."""

from __future__ import annotations

import enum
from typing import TypeVar

from iris_api.errors import InvalidSpec
from iris_api.jobs import Cause, CauseKind, Constraint, ConstraintOp, CoschedulingConfig, Entry, JobSpec
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_api.rpc import cluster_pb2 as pb

__all__ = [
    "cause_from_proto",
    "cause_to_proto",
    "constraint_from_proto",
    "constraint_to_proto",
    "entry_from_proto",
    "entry_to_proto",
    "environment_to_proto",
    "exit_from_proto",
    "exit_to_proto",
    "member",
    "resources_from_proto",
    "resources_to_proto",
    "spec_from_proto",
    "spec_to_proto",
]

E = TypeVar("E", bound=enum.StrEnum)


def member(kind: type[E], value: str, what: str) -> E:
    """The member of `kind` that `value` names. Raises InvalidSpec saying what is allowed."""
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(kind)
        raise InvalidSpec(f"{what} {value!r} is not allowed: give one of {allowed}") from None


def resources_to_proto(resources: ResourceSpec) -> pb.Resources:
    return pb.Resources(cpu=resources.cpu, memory=resources.memory)


def resources_from_proto(message: pb.Resources) -> ResourceSpec:
    return ResourceSpec(message.cpu, message.memory)


def constraint_to_proto(constraint: Constraint) -> pb.Constraint:
    return pb.Constraint(key=constraint.key, op=constraint.op, values=constraint.values)


def constraint_from_proto(message: pb.Constraint) -> Constraint:
    return Constraint(
        message.key, member(ConstraintOp, message.op, f"constraint on {message.key!r}: op"), message.values
    )


def entry_to_proto(entry: Entry) -> pb.Entry:
    if entry.argv:
        return pb.Entry(command=pb.Command(argv=entry.argv), python=entry.python)
    return pb.Entry(call=entry.call, python=entry.python)


def entry_from_proto(message: pb.Entry) -> Entry:
    """Raises InvalidSpec for an entry that runs nothing."""
    if message.command.argv:
        return Entry(argv=tuple(message.command.argv), python=message.python)
    if not message.call:
        raise InvalidSpec(
            "entry is not allowed: give either a pickled call, or a command with at least the program"
        )
    return Entry(call=message.call, python=message.python)


def cause_to_proto(cause: Cause) -> pb.Cause:
    return pb.Cause(
        kind=cause.kind,
        message=cause.message,
        exit_code=cause.exit_code,
        signal=cause.signal,
        memory_peak=cause.memory_peak,
        by=cause.by,
        last_lines=cause.last_lines,
    )


def cause_from_proto(message: pb.Cause) -> Cause:
    return Cause(
        kind=member(CauseKind, message.kind, "cause"),
        message=message.message,
        exit_code=message.exit_code if message.HasField("exit_code") else None,
        signal=message.signal if message.HasField("signal") else None,
        memory_peak=message.memory_peak if message.HasField("memory_peak") else None,
        by=message.by,
        last_lines=tuple(message.last_lines),
    )


def exit_to_proto(end: Exit) -> pb.Exit:
    return pb.Exit(
        kind=end.kind,
        code=end.code,
        signal=end.signal,
        memory_peak=end.memory_peak,
        message=end.message,
        of_job=end.of_job,
    )


def exit_from_proto(message: pb.Exit) -> Exit:
    return Exit(
        kind=member(ExitKind, message.kind, "exit kind"),
        code=message.code if message.HasField("code") else None,
        signal=message.signal if message.HasField("signal") else None,
        memory_peak=message.memory_peak if message.HasField("memory_peak") else None,
        message=message.message,
        of_job=message.of_job,
    )


def environment_to_proto(spec: JobSpec) -> pb.Environment:
    return pb.Environment(
        env_vars=spec.env_vars,
        bundle=spec.bundle,
        image=spec.image,
        pip_packages=spec.pip_packages,
        extras=spec.extras,
        python_packages_from=spec.python_packages_from,
    )


def spec_to_proto(spec: JobSpec) -> pb.JobSpec:
    return pb.JobSpec(
        name=spec.name,
        entry=entry_to_proto(spec.entry),
        resources=resources_to_proto(spec.resources),
        environment=environment_to_proto(spec),
        replicas=spec.replicas,
        ports=spec.ports,
        constraints=[constraint_to_proto(constraint) for constraint in spec.constraints],
        max_retries_failure=spec.max_retries_failure,
        max_retries_preemption=spec.max_retries_preemption,
        max_task_failures=spec.max_task_failures,
        timeout=spec.timeout or 0.0,
        scheduling_timeout=spec.scheduling_timeout or 0.0,
        priority=spec.priority or 0,
        coscheduling=pb.Coscheduling(group_by=spec.coscheduling.group_by) if spec.coscheduling else None,
        refill_after=spec.refill_after or 0.0,
    )


def spec_from_proto(message: pb.JobSpec) -> JobSpec:
    """Raises InvalidSpec. What a hand-written request leaves out means what it means in Python:
    one replica, the default resources, no timeout."""
    resources = resources_from_proto(message.resources) if message.HasField("resources") else ResourceSpec()
    gang = CoschedulingConfig(message.coscheduling.group_by) if message.HasField("coscheduling") else None
    return JobSpec(
        name=message.name,
        entry=entry_from_proto(message.entry),
        resources=resources,
        env_vars=dict(message.environment.env_vars),
        image=message.environment.image,
        pip_packages=tuple(message.environment.pip_packages),
        extras=tuple(message.environment.extras),
        python_packages_from=message.environment.python_packages_from,
        bundle=message.environment.bundle,
        replicas=message.replicas or 1,
        ports=tuple(message.ports),
        constraints=tuple(map(constraint_from_proto, message.constraints)),
        max_retries_failure=message.max_retries_failure,
        max_retries_preemption=message.max_retries_preemption,
        max_task_failures=message.max_task_failures,
        timeout=message.timeout or None,
        scheduling_timeout=message.scheduling_timeout or None,
        priority=message.priority or None,
        coscheduling=gang,
        refill_after=message.refill_after or None,
    )
