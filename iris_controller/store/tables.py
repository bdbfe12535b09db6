"""The tables, and a row of ours as a row of theirs.

What is looked for or looked at by hand is a column. Specs, causes and maps are bodies: protobuf, whose
fields can be added to, or JSON. A spec may be large, so it has a table of its own and is written once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from iris_api.jobs import Cause
from iris_api.rpc.convert import cause_to_proto, spec_to_proto
from iris_controller.rows import Attempt, Endpoint, Job, Row, Task, Worker

__all__ = [
    "TABLES",
    "controller",
    "key_of",
    "metadata",
    "record",
    "schema_table",
    "spec_record",
    "specs",
]

metadata = MetaData()
schema_table = Table("schema_version", metadata, Column("version", Integer, primary_key=True))
# One row: who writes here, and how many commits there were.
controller = Table(
    "controller",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session", String, nullable=False),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("address", String, nullable=False),
    Column("commits", BigInteger, nullable=False),
)
specs = Table(
    "specs",
    metadata,
    Column("job", String, primary_key=True),
    Column("spec", LargeBinary, nullable=False),
)
_jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("order", BigInteger, nullable=False, index=True),
    Column("state", String, nullable=False, index=True),
    Column("submitted", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("cause", LargeBinary),
    Column("verdict", String),
    Column("verdict_cause", LargeBinary),
    Column("parent_attempt", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("user", String, nullable=False, server_default=""),
)
_tasks = Table(
    "tasks",
    metadata,
    Column("id", String, primary_key=True),
    Column("job", String, nullable=False),
    Column("index", Integer, nullable=False),
    Column("order", BigInteger, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("attempts", String, nullable=False),
    Column("finished", Float),
    Column("cause", LargeBinary),
    Column("waiting_since", Float, nullable=False),
    Index("tasks_in_order", "order", "index"),
)
_attempts = Table(
    "attempts",
    metadata,
    Column("uid", String, primary_key=True),
    Column("task", String, nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("worker", String, nullable=False),
    Column("incarnation", String, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("assigned", Float, nullable=False, index=True),
    Column("started", Float),
    Column("finished", Float),
    Column("kill", LargeBinary),
    Column("cause", LargeBinary),
    Column("after", String, nullable=False, server_default=""),
)
_workers = Table(
    "workers",
    metadata,
    Column("id", String, primary_key=True),
    Column("incarnation", String, nullable=False),
    Column("pool", String, nullable=False),
    Column("slice", String, nullable=False),
    Column("cpu", Float, nullable=False),
    Column("memory", BigInteger, nullable=False),
    Column("attributes", String, nullable=False),
    Column("advertise_host", String, nullable=False),
    Column("version", String, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("lost", Boolean, nullable=False),
    Column("past", String, nullable=False),
)
_endpoints = Table(
    "endpoints",
    metadata,
    Column("uid", String, primary_key=True),
    Column("name", String, nullable=False, index=True),
    Column("address", String, nullable=False),
    Column("attempt", String, nullable=False),
    Column("metadata", String, nullable=False),
    Column("lease", Float, nullable=False),
)
TABLES: Final[Mapping[type[Row], Table]] = {
    Job: _jobs,
    Task: _tasks,
    Attempt: _attempts,
    Worker: _workers,
    Endpoint: _endpoints,
}


def spec_record(job: Job) -> dict[str, Any]:
    return {"job": str(job.id), "spec": spec_to_proto(job.spec).SerializeToString(deterministic=True)}


def record(row: Row) -> dict[str, Any]:
    """The columns of a row."""
    match row:
        case Job():
            return _plain(row, "id", "order", "state", "submitted", "started", "finished", "parent_attempt",
                          "request_id", "user") | {
                "cause": _dump(row.cause),
                "verdict": str(row.verdict.state) if row.verdict else None,
                "verdict_cause": _dump(row.verdict.cause) if row.verdict else None,
            }  # fmt: skip
        case Task():
            return {
                "id": str(row.id),
                "job": str(row.job),
                "index": row.index,
                "order": row.order,
                "state": str(row.state),
                "attempts": " ".join(row.attempts),
                "finished": row.finished,
                "cause": _dump(row.cause),
                "waiting_since": row.waiting_since,
            }
        case Attempt():
            return {
                "uid": row.uid,
                "task": str(row.task),
                "number": row.number,
                "worker": row.worker,
                "incarnation": row.incarnation,
                "revision": row.revision,
                "state": str(row.state),
                "assigned": row.assigned,
                "started": row.started,
                "finished": row.finished,
                "kill": _dump(row.kill),
                "cause": _dump(row.cause),
                "after": " ".join(row.after),
            }
        case Worker():
            return _plain(row, "id", "incarnation", "pool", "slice", "advertise_host", "version", "revision",
                          "lost") | {
                "cpu": row.resources.cpu,
                "memory": row.resources.memory,
                "attributes": json.dumps(dict(row.attributes)),
                "past": _text(" ".join(row.past)),
            }  # fmt: skip
        case Endpoint():
            return _plain(row, "uid", "name", "address", "attempt", "lease") | {
                "metadata": json.dumps(dict(row.metadata)),
            }


def key_of(row: Row) -> str:
    """What its primary key holds."""
    return _text(row.key)


def _plain(row: Row, *names: str) -> dict[str, Any]:
    """Values as the driver wants them: it knows text, not the classes that we derive from it."""
    values = {name: getattr(row, name) for name in names}
    return {name: _text(value) if isinstance(value, str) else value for name, value in values.items()}


def _text(value: str) -> str:
    """What a text column can hold: not every database takes the character NUL."""
    return str(value).replace("\0", "\N{SYMBOL FOR NULL}")


def _dump(cause: Cause | None) -> bytes | None:
    return None if cause is None else cause_to_proto(cause).SerializeToString()
