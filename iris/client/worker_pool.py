"""WorkerPool: many short calls on the workers of one job."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from attrs import field, frozen

from iris.client.dispatch import Dispatcher, Work
from iris.client.errors import ControllerUnreachable, JobFailedError, WaitTimeout
from iris.client.job import Job, describe
from iris_api.errors import InvalidSpec, IrisError
from iris_api.ids import new_id
from iris_api.jobs import Constraint, Entrypoint, EnvironmentSpec
from iris_api.resources import ResourceSpec
from iris_api.serialize import dumps
from iris_api.threads import ThreadContainer, get_thread_registry

if TYPE_CHECKING:
    from iris.client.client import IrisClient
    from iris_actor.server import ActorServer

__all__ = ["WorkerPool", "WorkerPoolConfig"]

_LOOK: Final = 1.0  # seconds between looks at the pool's job
_GOODBYE: Final = 2.0  # seconds for the workers to end by themselves

P = ParamSpec("P")
T = TypeVar("T")


def _positive(_instance: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise InvalidSpec(f"WorkerPoolConfig.{attribute.name} {value!r} is not allowed: give a number > 0")


def _whole(least: int) -> Callable[[Any, Any, Any], None]:
    def check(_instance: Any, attribute: Any, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidSpec(
                f"WorkerPoolConfig.{attribute.name} {value!r} is not allowed: a whole number from {least}"
            )

    return check


def _constraints(given: Iterable[Constraint]) -> tuple[Constraint, ...]:
    return tuple(given)


@frozen(kw_only=True)
class WorkerPoolConfig:
    """`num_workers` tasks of one job run the calls, one at a time each, with `resources` apiece.

    A call whose worker was lost under it is given to another one, up to `max_retries` times: calls
    should bear being run twice. `task_timeout` in seconds is the most that one call may take.
    """

    num_workers: int = field(default=1, validator=_whole(1))
    resources: ResourceSpec = field(factory=ResourceSpec)
    environment: EnvironmentSpec | None = None
    constraints: tuple[Constraint, ...] = field(default=(), converter=_constraints)
    name_prefix: str = "pool"
    max_retries: int = field(default=3, validator=_whole(0))
    task_timeout: float = field(default=86_400.0, validator=_positive)


class WorkerPool:
    """Submits its job at once; calls wait for the first worker, at most `timeout` seconds.

    Inside a job the workers are its children. `shutdown`, or the end of the ``with`` block, waits
    for the calls and ends the job.
    """

    def __init__(
        self,
        client: IrisClient,
        config: WorkerPoolConfig,
        timeout: float = 30.0,
        *,
        threads: ThreadContainer | None = None,
    ) -> None:
        self._name = new_id(config.name_prefix)
        self._workers = int(config.num_workers)
        self._timeout = timeout
        self._closed = False
        self._born = time.monotonic()
        self._job = client.submit(
            name=self._name,
            entrypoint=Entrypoint.from_callable(_serve, self._name),
            resources=config.resources,
            environment=config.environment,
            constraints=config.constraints,
            ports=["actor"],  # where nobody reaches a task at any other
            replicas=self._workers,
            max_retries_failure=10,
            max_task_failures=self._workers,
        )
        self._resolver = client.resolver(self._job)
        self._dispatcher = _dispatcher(self._resolver.token, config)
        owner = threads if threads is not None else get_thread_registry().container
        self._threads = owner.child(self._name)
        self._end_watch = self._resolver.watch(self._name, self._dispatcher.set_workers)
        self._threads.spawn_loop(self._watch_job, name=f"{self._name}-watch")

    @property
    def job(self) -> Job:
        """The job whose tasks are the workers."""
        return self._job

    @property
    def size(self) -> int:
        """Workers that are up now."""
        return self._dispatcher.workers

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``function(*args, **kwargs)`` on some worker; pickled now.

        Raises RuntimeError after `shutdown` and UnpicklableError. The future raises what the function
        raised; Lost when every try lost its worker; JobFailedError or WaitTimeout when no worker came.
        """
        if self._closed:
            raise RuntimeError(f"worker pool {self._name} takes no more calls after shutdown")
        work = Work(dumps(((function, args, kwargs), {})))
        self._dispatcher.submit(work)
        return work.future

    def map(self, function: Callable[[Any], T], items: Iterable[Any]) -> list[Future[T]]:
        """`submit` for each item: the futures, in order."""
        return [self.submit(function, item) for item in items]

    def shutdown(self, wait: bool = True) -> None:
        """Take no more calls; with `wait` until all have ended, else cancel what waits. Then end the
        job. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if wait:
            self._dispatcher.wait_idle()
        self._dispatcher.cancel_pending()
        with contextlib.suppress(IrisError):  # the cluster may have gone first, and the job with it
            if not (wait and self._workers_went_home()):
                self._job.terminate()
        self._dispatcher.fail_all(RuntimeError(f"worker pool {self._name} was shut down"))
        self._end_watch()
        self._threads.stop()
        self._dispatcher.close()
        self._resolver.close()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(wait=error is None)

    def __repr__(self) -> str:
        return f"WorkerPool({self._job.job_id}, {self.size} workers up)"

    def _workers_went_home(self) -> bool:
        """Ask the workers to return; False if not all of them have, in time."""
        if self.size < self._workers:
            return False
        self._dispatcher.tell_workers("finish", dumps(((), {})), _GOODBYE)
        try:
            self._job.wait(timeout=_GOODBYE, raise_on_failure=False)
        except WaitTimeout:
            return False
        return True

    def _watch_job(self, stop: Event) -> None:
        """Fail what waits once the job has ended, or no first worker came in time."""
        seen = False
        while not stop.wait(_LOOK):
            if self._dispatcher.unfinished:  # brings back a worker that was unreachable for a moment
                self._dispatcher.set_workers(self._resolver.resolve(self._name))
            seen = seen or self.size > 0
            if self.size:
                continue
            if self._dispatcher.stuck >= self._workers:
                busy = f"each worker of pool {self._job.job_id} is busy with a call past its timeout"
                self._dispatcher.fail_all(WaitTimeout(busy))
                return
            try:
                status = self._job.status()
            except ControllerUnreachable as error:
                self._dispatcher.fail_all(error)
                return
            if status.state.ended:
                self._dispatcher.fail_all(JobFailedError(status))
                return
            if not seen and time.monotonic() - self._born > self._timeout:
                late = f"no worker of pool {self._job.job_id} came up within {self._timeout:g} s"
                self._dispatcher.fail_all(WaitTimeout(f"{late}: {describe(status)}"))
                return


class _Runner:
    """What a pool worker serves."""

    def __init__(self, server: ActorServer) -> None:
        self._server = server

    def finish(self) -> None:
        self._server.stop()

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return function(*args, **kwargs)


def _serve(name: str) -> None:
    """A pool worker: runs one call at a time until the job is ended."""
    from iris_actor.server import ActorServer

    server = ActorServer(max_concurrency=1)
    server.register(name, _Runner(server))
    server.serve()


def _dispatcher(token: Any, config: WorkerPoolConfig) -> Dispatcher:
    from iris_actor.ambient import connect
    from iris_actor.channels import submit_over
    from iris_actor.client import decode

    return Dispatcher(
        lambda endpoint: connect(endpoint.address, token),
        decode,
        submit_over,
        method="run",
        max_retries=config.max_retries,
        task_timeout=float(config.task_timeout),
    )
