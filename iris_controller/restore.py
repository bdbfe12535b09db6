"""From stored rows to the state of a controller that starts: volatile fields are derived anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import evolve

from iris_api.jobs import JobSpec, TaskState
from iris_controller.clock import Now
from iris_controller.rows import Endpoint, Job, Row, Task, Worker

__all__ = ["restore"]


def restore(rows: Iterable[Row], now: Now) -> list[Row]:
    """Spans that ran go on where the wall clock says; workers and leases get their full grace, since
    nobody could report while no controller was there; no task backs off any longer."""
    stored = list(rows)
    specs: dict[str, JobSpec] = {row.id: row.spec for row in stored if isinstance(row, Job)}
    return [_revive(row, specs, now) for row in stored]


def _revive(row: Row, specs: Mapping[str, JobSpec], now: Now) -> Row:
    if isinstance(row, Job):
        limited = row.going_on and row.spec.timeout is not None
        return evolve(row, deadline=_ahead(row.started, row.spec.timeout, now)) if limited else row
    if isinstance(row, Task):
        limit = specs[row.job].scheduling_timeout
        waits = row.state is TaskState.PENDING
        return evolve(row, expires=_ahead(row.waiting_since, limit, now)) if waits else row
    if isinstance(row, Worker):
        return evolve(row, last_seen=now.mono)
    if isinstance(row, Endpoint):
        return evolve(row, expires=now.mono + row.lease if row.lease else None)
    return row


def _ahead(since: float | None, span: float | None, now: Now) -> float | None:
    """The monotonic reading at which `span` seconds since the wall time `since` are over."""
    return None if since is None or span is None else now.mono + (since + span - now.wall)
