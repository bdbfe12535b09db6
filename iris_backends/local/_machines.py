"""LocalMachines: workers as threads of this process."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import evolve, frozen

from iris_api.context import Context, RunningWorker, WorkerSpec
from iris_api.errors import PlatformError
from iris_api.platform import Machines, Slice, SliceRequest, SliceState

__all__ = ["LocalMachines"]

_log = logging.getLogger("iris.local")


@frozen
class _Made:
    """A slice in this process. `trouble`: why it has no workers."""

    request: SliceRequest
    workers: tuple[RunningWorker, ...] = ()
    deleting: bool = False
    trouble: str = ""

    def seen(self) -> Slice:
        ended = sum(not worker.is_alive() for worker in self.workers)
        message = self.trouble or (f"{ended} of its workers have ended" if ended else "")
        if self.deleting:
            state, message = SliceState.DELETING, ""
        else:
            state = SliceState.FAILED if message else SliceState.READY
        return Slice(
            slice_id=self.request.slice_id,
            pool=self.request.pool,
            state=state,
            addresses=("127.0.0.1",) * len(self.workers),
            message=message,
        )

    def gone(self) -> bool:
        return self.deleting and not any(worker.is_alive() for worker in self.workers)


class _Records:
    """Which slices there are, for the next process; in memory only without a directory."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory / "slices" if directory is not None else None

    def keep(self, request: SliceRequest) -> None:
        if self._directory is not None:
            self._directory.mkdir(parents=True, exist_ok=True)
            draft = self._directory / f".{request.slice_id}"
            draft.write_text(json.dumps({"pool": request.pool, "size": request.size}))
            draft.replace(self._directory / f"{request.slice_id}.json")

    def drop(self, slice_id: str) -> None:
        if self._directory is not None:
            (self._directory / f"{slice_id}.json").unlink(missing_ok=True)

    def load(self) -> Iterable[SliceRequest]:
        for path in sorted(self._directory.glob("*.json")) if self._directory is not None else ():
            kept = json.loads(path.read_text())
            yield SliceRequest(slice_id=path.stem, pool=kept["pool"], size=kept["size"])


class LocalMachines(Machines):
    """A slice is as many workers, started by the context's `run_worker`.

    They end with this process. The next one on the same directory starts them again, with the same ids, at
    the first look: so each finds what it had left running.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._records = _Records(context.directory)
        self._slices: dict[str, _Made] | None = None

    def create(self, request: SliceRequest) -> Slice:
        with self._lock:
            slices = self._known()
            made = slices.get(request.slice_id)
            if made is None or made.gone():
                made = slices[request.slice_id] = _Made(request, self._start(request))
                self._records.keep(request)
            return made.seen()

    def list(self) -> Sequence[Slice]:
        with self._lock:
            slices = self._known()
            for slice_id in [slice_id for slice_id, made in slices.items() if made.gone()]:
                del slices[slice_id]
            return [made.seen() for made in slices.values()]

    def delete(self, slice_id: str) -> None:
        with self._lock:
            slices = self._known()
            made = slices.get(slice_id)
            if made is None or made.deleting:
                return
            slices[slice_id] = evolve(made, deleting=True)
            self._records.drop(slice_id)
        _stop(made.workers)

    def close(self) -> None:
        """Stop the workers; the slices stay known to the next process."""
        with self._lock:
            slices, self._slices = self._slices or {}, {}
        for made in slices.values():
            _stop(made.workers)

    def _known(self) -> dict[str, _Made]:
        if self._slices is None:
            self._slices = {request.slice_id: self._start_again(request) for request in self._records.load()}
        return self._slices

    def _start_again(self, request: SliceRequest) -> _Made:
        try:
            return _Made(request, self._start(request))
        except PlatformError as error:
            _log.warning("%s", error)
            return _Made(request, trouble=str(error))

    def _start(self, request: SliceRequest) -> tuple[RunningWorker, ...]:
        run = self._context.run_worker
        if run is None:
            raise PlatformError("the local platform can start workers only in the process of a controller")
        workers: list[RunningWorker] = []
        try:
            for index in range(request.size):
                spec = WorkerSpec(
                    worker_id=f"{request.slice_id}-{index}",
                    pool=request.pool,
                    slice_id=request.slice_id,
                    index=index,
                )
                workers.append(run(spec))
        except Exception as error:
            _stop(workers)
            raise PlatformError(f"slice {request.slice_id} cannot be started: {error}") from error
        return tuple(workers)


def _stop(workers: Sequence[RunningWorker]) -> None:
    for worker in workers:
        worker.stop()
