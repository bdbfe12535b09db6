"""State: what is committed. Draft: what a batch makes of it, read through, to be committed or dropped."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, cast

from attrs import field, frozen

from iris_api.resources import ResourceSpec
from iris_controller.room import Room
from iris_controller.rows import Job, Row, Worker
from iris_controller.view import KINDS, Index, Place, R, View, index_keys

__all__ = ["KINDS", "Changes", "Draft", "Index", "State", "View"]


@frozen
class Changes:
    """What a commit stores: whole rows, and what is deleted as it was before. `touched` has also the rows
    that changed in volatile fields only; they are not stored."""

    rows: tuple[Row, ...] = ()
    deleted: tuple[Row, ...] = ()
    touched: tuple[Row, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.rows or self.deleted)


class State(View):
    """The committed rows and their indexes. Changed by `merge` only."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows: dict[type[Row], dict[str, Row]] = {kind: {} for kind in KINDS}
        self._index: dict[Index, dict[Hashable, dict[str, None]]] = {index: {} for index in Index}
        self._used: dict[str, ResourceSpec] = {}
        self.room = Room()
        self.last_order = 0
        for row in rows:
            self._add(row)
        self._order_ended_roots()
        self.room.note([*self._rows[Worker], *map(str, self._index[Index.HELD])])

    def find(self, kind: type[R], key: str) -> R | None:
        return self._rows[kind].get(key)  # type: ignore[return-value]  # a cast costs as much as the rest

    def get(self, kind: type[R], key: str) -> R:
        row = self._rows[kind].get(key)
        return row if row is not None else super().get(kind, key)  # type: ignore[return-value]

    def find_any(self, kind: type[Row], key: str) -> Row | None:
        return self._rows[kind].get(key)

    def rows(self, kind: type[R]) -> Iterator[R]:
        return cast("Iterator[R]", iter(self._rows[kind].values()))

    def everything(self) -> Iterator[Row]:
        for table in self._rows.values():
            yield from table.values()

    def newest(self) -> Iterator[Job]:
        return cast("Iterator[Job]", reversed(self._rows[Job].values()))

    def size(self, kind: type[Row]) -> int:
        return len(self._rows[kind])

    def walk(self, index: Index, key: Hashable) -> Iterator[str]:
        return iter(self._index[index].get(key, ()))

    def count(self, index: Index, key: Hashable) -> int:
        return len(self._index[index].get(key, ()))

    def keys(self, index: Index) -> list[Any]:
        return list(self._index[index])

    def used(self, worker: str) -> ResourceSpec:
        found = self._used.get(worker)
        if found is None:
            found = self._used[worker] = self._sum_held(worker)
        return found

    def merge(self, draft: Draft) -> None:
        """Take over what a draft made of this state; the draft is of no use afterwards."""
        touched = draft.touched_workers()  # before, as they differ from what is here now
        for kind, changed in draft.overlay.items():
            table = self._rows[kind]
            for key, row in changed.items():
                if row is None or _replaces(table.get(key), row):
                    table.pop(key, None)
                if row is not None:
                    table[key] = row
        for (index, group), gone in draft.removed.items():
            self._unlink(index, group, gone)
        for (index, group), new in draft.added.items():
            if new:
                self._index[index].setdefault(group, {}).update(new)
        for worker in touched:
            self._used.pop(worker, None)
        self.room.note(touched)
        self.last_order = draft.last_order

    def _add(self, row: Row) -> None:
        """Take over a row where none of its key was."""
        key = row.key
        self._rows[type(row)][key] = row
        for index, group in index_keys(row):
            self._index[index].setdefault(group, {})[key] = None
        if isinstance(row, Job):
            self.last_order = max(self.last_order, row.order)

    def _order_ended_roots(self) -> None:
        """Rows come in another order than that in which their jobs ended."""
        found = self._index[Index.ENDED_ROOTS].get("")
        if found:
            jobs = (cast("Job", self._rows[Job][key]) for key in found)
            ordered = sorted(jobs, key=lambda job: job.finished or 0.0)
            self._index[Index.ENDED_ROOTS][""] = {job.key: None for job in ordered}

    def _unlink(self, index: Index, key: Hashable, gone: dict[str, None]) -> None:
        found = self._index[index].get(key)
        if found is None:
            return
        for row_key in gone:
            found.pop(row_key, None)
        if not found:
            del self._index[index][key]


def _differ(before: Worker | None, row: Row | None) -> bool:
    """Is this more than a worker that was heard again?"""
    if before is None or not isinstance(row, Worker):
        return True
    return before != row or (before.faults, before.rests_until) != (row.faults, row.rests_until)


def _replaces(before: Row | None, row: Row) -> bool:
    """Is this another job of the same id, which takes a place of its own in the order?"""
    return isinstance(row, Job) and isinstance(before, Job) and before.order != row.order


class Draft(View):
    """An overlay of changed rows over a state. Everything put is undone by `rollback` to a mark."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.overlay: dict[type[Row], dict[str, Row | None]] = {kind: {} for kind in KINDS}
        self.added: dict[Place, dict[str, None]] = {}
        self.removed: dict[Place, dict[str, None]] = {}
        self.last_order = state.last_order
        self._journal: list[tuple[type[Row], str, Row | None]] = []

    def find(self, kind: type[R], key: str) -> R | None:
        changed = self.overlay[kind]
        if key in changed:
            return changed[key]  # type: ignore[return-value]
        return self.state.find(kind, key)

    def rows(self, kind: type[R]) -> Iterator[R]:
        changed = self.overlay[kind]
        yield from (row for row in self.state.rows(kind) if row.key not in changed)
        yield from (cast("R", row) for row in list(changed.values()) if row is not None)

    def walk(self, index: Index, key: Hashable) -> Iterator[str]:
        gone = self.removed.get((index, key), ())
        yield from (row for row in self.state.walk(index, key) if row not in gone)
        yield from self.added.get((index, key), ())

    def count(self, index: Index, key: Hashable) -> int:
        place = (index, key)
        return (
            self.state.count(index, key) + len(self.added.get(place, ())) - len(self.removed.get(place, ()))
        )

    def keys(self, index: Index) -> list[Any]:
        candidates = dict.fromkeys(self.state.keys(index))
        candidates.update((key, None) for where, key in self.added if where is index)
        return [key for key in candidates if self.count(index, key)]

    def used(self, worker: str) -> ResourceSpec:
        place = (Index.HELD, worker)
        if place in self.added or place in self.removed:
            return self._sum_held(worker)
        return self.state.used(worker)

    def put(self, row: Row) -> None:
        """Insert a row, or replace the one with its key."""
        if isinstance(row, Job) and row.order > self.last_order:
            self.last_order = row.order
        self._write(type(row), row.key, row)

    def delete(self, kind: type[Row], key: str) -> None:
        self._write(kind, key, None)

    def touched_workers(self) -> set[str]:
        """Ids of workers that differ, or whose attempts do."""
        held = {str(group) for index, group in (*self.removed, *self.added) if index is Index.HELD}
        rows = self.overlay[Worker].items()
        return held.union(key for key, row in rows if _differ(self.state.find(Worker, key), row))

    def mark(self) -> int:
        return len(self._journal)

    def rollback(self, mark: int) -> None:
        """Undo everything since `mark` was taken."""
        for kind, key, before in reversed(self._journal[mark:]):
            self._write(kind, key, before)
        del self._journal[mark:]

    def changes(self) -> Changes:
        """What a store must write; what only moved in volatile fields is not among `rows`."""
        changed = [(kind, key, row) for kind, rows in self.overlay.items() for key, row in rows.items()]
        touched = tuple(row for _, _, row in changed if row is not None)
        return Changes(
            rows=tuple(row for row in touched if self.state.find_any(type(row), row.key) != row),
            deleted=tuple(
                before
                for kind, key, row in changed
                if row is None and (before := self.state.find_any(kind, key)) is not None
            ),
            touched=touched,
        )

    def _write(self, kind: type[Row], key: str, row: Row | None) -> None:
        before = self.find(cast("type[Any]", kind), key)
        self._journal.append((kind, key, before))
        self.overlay[kind][key] = row
        old = index_keys(before) if before is not None else ()
        new = index_keys(row) if row is not None else ()
        if old == new:
            return
        for place in old:
            if place not in new:
                self._leave(place, key)
        for place in new:
            if place not in old:
                self._enter(place, key)

    def _enter(self, place: Place, key: str) -> None:
        gone = self.removed.get(place)
        if gone is not None and key in gone:
            del gone[key]
        else:
            self.added.setdefault(place, {})[key] = None

    def _leave(self, place: Place, key: str) -> None:
        new = self.added.get(place)
        if new is not None and key in new:
            del new[key]
        else:
            self.removed.setdefault(place, {})[key] = None
