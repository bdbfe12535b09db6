"""LocalMachines: workers as threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from attrs import frozen

from iris_api.context import Context, RunningWorker, WorkerSpec
from iris_api.errors import PlatformError
from iris_api.platform import Machines, Slice, SliceRequest, SliceState

__all__ = ["LocalMachines"]


@frozen
class _Made:
    request: SliceRequest
    workers: tuple[RunningWorker, ...]
    deleting: bool = False

    def seen(self) -> Slice:
        alive = [worker.is_alive() for worker in self.workers]
        state = (
            SliceState.DELETING if self.deleting else SliceState.READY if all(alive) else SliceState.FAILED
        )
        message = "" if all(alive) or self.deleting else f"{alive.count(False)} of its workers have ended"
        return Slice(
            slice_id=self.request.slice_id,
            pool=self.request.pool,
            state=state,
            addresses=("127.0.0.1",) * len(alive),
            message=message,
        )

    def gone(self) -> bool:
        return self.deleting and not any(worker.is_alive() for worker in self.workers)


class LocalMachines(Machines):
    """A slice is as many workers, started by the context's `run_worker`; they end with this process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._slices: dict[str, _Made] = {}

    def create(self, request: SliceRequest) -> Slice:
        with self._lock:
            made = self._slices.get(request.slice_id)
            if made is None or made.gone():
                made = self._slices[request.slice_id] = _Made(request, self._start(request))
            return made.seen()

    def list(self) -> Sequence[Slice]:
        with self._lock:
            self._slices = {name: made for name, made in self._slices.items() if not made.gone()}
            return [made.seen() for made in self._slices.values()]

    def delete(self, slice_id: str) -> None:
        with self._lock:
            made = self._slices.get(slice_id)
            if made is None or made.deleting:
                return
            self._slices[slice_id] = _Made(made.request, made.workers, deleting=True)
        _stop(made.workers)

    def close(self) -> None:
        with self._lock:
            slices, self._slices = self._slices, {}
        for made in slices.values():
            _stop(made.workers)

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
