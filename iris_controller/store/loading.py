"""From stored columns to rows, many at a time: what a controller that starts must do before anything else.

Rows share what is equal among them, which is most: it is read once, and takes memory once.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs
from sqlalchemy import Connection, select

from iris_api.ids import JobId, TaskId
from iris_api.jobs import Cause, JobSpec, JobState, TaskState
from iris_api.resources import ResourceSpec
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.convert import cause_from_proto, spec_from_proto
from iris_controller.rows import Attempt, Demand, Endpoint, Job, Row, Task, Verdict, Worker
from iris_controller.store.tables import TABLES, specs

__all__ = ["load_rows"]

_TASK_STATES: Final[Mapping[str, TaskState]] = {state.value: state for state in TaskState}
_JOB_STATES: Final[Mapping[str, JobState]] = {state.value: state for state in JobState}
_ORDER: Final = {Job: "order", Task: "order", Attempt: "assigned"}
_NAME_TAG: Final = 0x0A  # how a serialized spec begins: field 1, `name`, then its length and its bytes
_SHORT: Final = 128  # a length below is one byte
_SPEC_FIELDS: Final = tuple(field.name for field in attrs.fields(JobSpec))
_values_of: Final = operator.attrgetter(*_SPEC_FIELDS)
_SETTERS: Final = tuple(JobSpec.__dict__[name].__set__ for name in _SPEC_FIELDS)  # of its slots


def load_rows(connection: Connection) -> list[Row]:
    """All rows, jobs in the order of their submission, each before its tasks and attempts. Volatile
    fields are empty."""
    reader = _Reader()
    rows: list[Row] = list(reader.jobs(_all(connection, Job), connection.execute(select(specs)).all()))
    rows += reader.tasks(_all(connection, Task))
    rows += reader.attempts(_all(connection, Attempt))
    rows += map(_worker, _all(connection, Worker))
    rows += map(_endpoint, _all(connection, Endpoint))
    return rows


def _all(connection: Connection, kind: type[Row]) -> Iterable[Any]:
    """Tuples, or for few and small rows what acts as one; in the order of the columns of the table."""
    table = TABLES[kind]
    order = _ORDER.get(kind)
    return connection.execute(select(table).order_by(table.c[order]) if order else select(table)).all()


class _Reader:
    def __init__(self) -> None:
        self._jobs: dict[str, tuple[JobId, Demand]] = {}
        self._tasks: dict[str, TaskId] = {}
        self._texts: dict[str, str] = {}

    def jobs(self, found: Iterable[Any], stored_specs: Iterable[Any]) -> Iterator[Job]:
        read = _SpecReader()
        by_job = {job: read(spec) for job, spec in stored_specs}
        for (id_, order, state, submitted, started, finished, cause, verdict, verdict_cause, parent_attempt,
             request_id, user) in found:  # fmt: skip
            job = Job(
                id=JobId(id_),
                spec=by_job[id_],
                order=order,
                state=_JOB_STATES[state],
                submitted=submitted,
                started=started,
                finished=finished,
                cause=_cause(cause),
                verdict=Verdict(_JOB_STATES[verdict], _known(verdict_cause)) if verdict else None,
                parent_attempt=parent_attempt,
                request_id=request_id,
                user=self._shared(user),
            )
            self._jobs[id_] = job.id, Demand.of(job)
            yield job

    def tasks(self, found: Iterable[Any]) -> Iterator[Task]:
        for id_, job, index, order, state, attempts, finished, cause, waiting_since in found:
            task = self._tasks[id_] = TaskId(id_)
            job_id, demand = self._jobs[job]
            yield Task(
                id=task,
                job=job_id,
                index=index,
                order=order,
                state=_TASK_STATES[state],
                attempts=tuple(attempts.split()),
                finished=finished,
                cause=_cause(cause),
                waiting_since=waiting_since,
                demand=demand,
            )

    def attempts(self, found: Iterable[Any]) -> Iterator[Attempt]:
        for (uid, task, number, worker, incarnation, revision, state, assigned, started, finished, kill,
             cause, after) in found:  # fmt: skip
            yield Attempt(
                uid=uid,
                task=self._tasks[task],
                number=number,
                worker=self._shared(worker),
                incarnation=self._shared(incarnation),
                revision=revision,
                state=_TASK_STATES[state],
                assigned=assigned,
                started=started,
                finished=finished,
                kill=_cause(kill),
                cause=_cause(cause),
                after=tuple(after.split()),
                demand=self._jobs[task.rpartition(":")[0]][1],
            )

    def _shared(self, text: str) -> str:
        return self._texts.setdefault(text, text)


class _SpecReader:
    """Jobs whose specs differ in nothing but the name share all the rest of one."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Any, ...]] = {}  # values by all that follows the name

    def __call__(self, data: bytes) -> JobSpec:
        if data[0] != _NAME_TAG or data[1] >= _SHORT:
            return _parse(data)
        end = 2 + data[1]
        values = self._known.get(data[end:])
        if values is None:
            spec = _parse(data)
            self._known[data[end:]] = _values_of(spec)
            return spec
        return _named(values, data[2:end].decode())


def _parse(data: bytes) -> JobSpec:
    return spec_from_proto(pb.JobSpec.FromString(data))


def _named(values: tuple[Any, ...], name: str) -> JobSpec:
    """As `attrs.evolve` does, without the checks: both parts were checked before they were stored."""
    made = object.__new__(JobSpec)
    for set_, value in zip(_SETTERS, values, strict=True):
        set_(made, value)
    _SETTERS[_SPEC_FIELDS.index("name")](made, name)
    return made


def _worker(found: Any) -> Worker:
    (id_, incarnation, pool, slice_, cpu, memory, attributes, advertise_host, version, revision, lost,
     past) = found  # fmt: skip
    return Worker(
        id=id_,
        incarnation=incarnation,
        pool=pool,
        slice=slice_,
        resources=ResourceSpec(cpu, memory),
        attributes=json.loads(attributes),
        advertise_host=advertise_host,
        version=version,
        revision=revision,
        lost=lost,
        past=tuple(past.split()),
    )


def _endpoint(found: Any) -> Endpoint:
    uid, name, address, attempt, metadata, lease = found
    return Endpoint(
        uid=uid, name=name, address=address, attempt=attempt, metadata=json.loads(metadata), lease=lease
    )


def _cause(data: bytes | None) -> Cause | None:
    return None if data is None else _known(data)


def _known(data: bytes) -> Cause:
    return cause_from_proto(pb.Cause.FromString(data))
