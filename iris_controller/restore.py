"""From stored rows to the state of a controller that starts: volatile fields are derived anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import evolve

from iris_api.jobs import JobSpec, TaskState
from iris_controller.clock import Now
from iris_controller.rows import Endpoint, Job, Row, Task, Worker

__all__ = ["restore"]


def restore(rows: Iterable[Row], now: Now, moved: float = 0.0) -> list[Row]:
    """Spans that ran go on; workers and leases get their full grace, since nobody could report while no
    controller was there; no task backs off any longer. `moved`: by how many seconds the wall clock was
    moved at some time before; no span is then taken for longer than by either clock."""
    stored = list(rows)
    specs: dict[str, JobSpec] = {row.id: row.spec for row in stored if isinstance(row, Job)}
    return [_revive(row, specs, now, moved) for row in stored]


def _revive(row: Row, specs: Mapping[str, JobSpec], now: Now, moved: float) -> Row:
    if isinstance(row, Job):
        limit = row.spec.timeout if row.going_on else None
        return row if limit is None else evolve(row, deadline=_ahead(row.started, limit, now, moved))
    if isinstance(row, Task):
        limit = specs[row.job].scheduling_timeout if row.state is TaskState.PENDING else None
        return row if limit is None else evolve(row, expires=_ahead(row.waiting_since, limit, now, moved))
    if isinstance(row, Worker):
        return evolve(row, last_seen=now.mono)
    if isinstance(row, Endpoint):
        return evolve(row, expires=now.mono + row.lease if row.lease else None)
    return row


def _ahead(since: float | None, span: float, now: Now, moved: float) -> float | None:
    """The monotonic reading at which `span` seconds since the wall time `since` are over."""
    if since is None:
        return None
    passed = max(0.0, now.wall - since - max(0.0, moved))
    return now.mono + span - passed
