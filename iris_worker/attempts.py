"""All attempts on this worker: what is here, what to start and stop, what may be forgotten."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from iris_api.platform import LogSink, Runtime, Sandbox
from iris_api.plugins import PluginCalls
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.convert import exit_to_proto, resources_to_proto
from iris_api.rpc.version import VERSION
from iris_api.threads import ThreadContainer
from iris_worker.attempt import AttemptRun
from iris_worker.config import WorkerConfig
from iris_worker.contact import Contact
from iris_worker.environments import Environments, NoLog, is_build
from iris_worker.launch import Kept, Launcher
from iris_worker.logs import AttemptLog, LogPusher
from iris_worker.news import News
from iris_worker.ports import Ports
from iris_worker.reconcile import reconcile
from iris_worker.sweep import Sweep

__all__ = ["Attempts"]

_log = logging.getLogger("iris.worker")


class Attempts:
    """Safe from several threads. `news` hears of all that there is to tell."""

    def __init__(
        self,
        config: WorkerConfig,
        runtime: Runtime,
        pusher: LogPusher,
        contact: Contact,
        news: News,
        threads: ThreadContainer,
        calls: PluginCalls,
    ) -> None:
        self._config, self._runtime, self._pusher = config, runtime, pusher
        self._contact, self._news, self._threads = contact, news, threads
        self._directory = config.directory / "attempts"
        self._ports = Ports()
        self._calls = calls
        self._environments = Environments(
            config.environments or config.directory / "environments",
            runtime,
            calls,
            threads,
            limit=config.max_packages,
            patience=config.build_timeout,
        )
        self._launcher = Launcher(config, runtime, self._ports, contact, calls, self._environments)
        self._sweep = Sweep(runtime, calls)
        self._lock = threading.Lock()
        self._runs: dict[str, AttemptRun] = {}
        self._sequence = self._known_revision = 0

    def adopt(self) -> None:
        """Take over what an earlier process of this worker left, and remove what nobody holds. Raises
        PluginError for a runtime that hangs or returns nonsense, and what it raises itself."""
        logs: dict[str, AttemptLog] = {}

        def log_of(uid: str) -> AttemptLog:
            kept = Kept.read(self._directory / uid)
            return logs.setdefault(uid, AttemptLog(uid, kept.task_id, self._pusher))

        def sink_for(uid: str) -> LogSink:
            return NoLog() if is_build(uid) else log_of(uid)

        for uid, sandbox in self._environments.clear_up(self._adopted(sink_for)).items():
            self._ports.hold(uid, Kept.read(self._directory / uid).ports)
            self._begin(uid, log_of(uid), partial(_as_it_is, sandbox))
        if self._directory.is_dir():
            for left in self._directory.iterdir():
                if left.name not in self._runs:
                    shutil.rmtree(left, ignore_errors=True)

    def _adopted(self, sink_for: Callable[[str], LogSink]) -> dict[str, Sandbox]:
        """What the runtime adopts, by its uid; within the time that the import of a plugin gets."""
        calls = self._calls
        found = calls.bounded("adopt()", lambda: self._runtime.adopt(sink_for))
        sandboxes = [
            calls.checked(one, Sandbox, "each item of adopt()")
            for one in calls.checked(found, Sequence, "adopt()")
        ]
        with calls.blamed("adopt()"):
            return {calls.checked(one.uid, str, "a sandbox's uid"): one for one in sandboxes}

    def act(self, desire: pb.ReconcileReply) -> None:
        """Start what is new in it and stop what is not in it any more."""
        runs = self._all()
        specs = {attempt.uid: attempt for attempt in desire.attempts}
        plan = reconcile(
            {uid: attempt.HasField("run") for uid, attempt in specs.items()},
            runs.keys(),
            {uid for uid, run in runs.items() if run.ended},
        )
        for uid in plan.start:
            spec = specs[uid].run
            log = AttemptLog(uid, spec.task_id, self._pusher)
            self._begin(uid, log, partial(self._launcher.start, spec=spec))
        for uid in plan.stop:
            runs[uid].stop(self._config.stop_grace)
        with self._lock:
            self._known_revision = desire.revision

    def observe(self) -> pb.ReconcileRequest:
        """Everything that is here, numbered in the order of looking."""
        with self._lock:
            self._sequence += 1
            request = pb.ReconcileRequest(
                worker_id=self._config.worker_id,
                incarnation=self._contact.incarnation,
                sequence=self._sequence,
                known_revision=self._known_revision,
                worker=self._description(),
                cluster=self._contact.cluster,
            )
            for run in self._runs.values():
                request.attempts.append(_observed(run))
        return request

    def forget(self, told: pb.ReconcileRequest) -> None:
        """The controller has taken `told`: what had ended in it is acknowledged, and removed soon."""
        with self._lock:
            ended = (observed.uid for observed in told.attempts if observed.state == "EXITED")
            found = [self._runs.pop(uid, None) for uid in ended]
        done = [run for run in found if run is not None]
        for run in done:
            self._ports.release(run.uid)
            self._environments.release(run.uid)
        self._sweep.add(done)

    def sweep(self, threads: ThreadContainer) -> None:
        """Remove, from now on, what is acknowledged."""
        threads.spawn_loop(self._sweep.run, name="sweep", on_stop=self._sweep.wake)

    def wait_swept(self, timeout: float) -> None:
        """Until what is acknowledged is removed as far as it can be, or for so many seconds."""
        self._sweep.wait_idle(timeout)

    def stop_all(self, why: str) -> None:
        """Have everything end, for a reason of this worker's own. Returns at once."""
        for run in self._all().values():
            if not run.ended:
                run.stop(self._config.stop_grace, why)

    def end_all(self, deadline: float, why: str) -> None:
        """Stop everything and wait until it is gone, or until `deadline` (monotonic seconds)."""
        runs = self._all().values()
        for run in runs:
            run.stop(min(self._config.stop_grace, max(0.0, deadline - time.monotonic() - 1.0)), why)
        for run in runs:
            run.wait(max(0.0, deadline - time.monotonic()))

    def _all(self) -> dict[str, AttemptRun]:
        with self._lock:
            return dict(self._runs)

    def _begin(self, uid: str, log: AttemptLog, start: partial[Sandbox]) -> None:
        directory = self._directory / uid

        def spawn(target: Callable[[threading.Event], None]) -> object:
            return self._threads.spawn(target, uid, partial(run.stop, self._config.stop_grace))

        run = AttemptRun(
            uid, log, start=start, directory=directory, news=self._news, calls=self._calls, spawn=spawn
        )
        with self._lock:
            self._runs[uid] = run
        spawn(run.live)

    def _description(self) -> pb.WorkerDescription:
        config = self._config
        return pb.WorkerDescription(
            pool=config.pool,
            slice=config.slice_id,
            resources=resources_to_proto(config.resources),
            attributes=dict(config.attributes),
            advertise_host=config.advertise_host,
            version=VERSION,
        )


def _as_it_is(sandbox: Sandbox, _run: AttemptRun) -> Sandbox:
    return sandbox


def _observed(run: AttemptRun) -> pb.ObservedAttempt:
    seen = run.observation
    return pb.ObservedAttempt(
        uid=seen.uid,
        state="EXITED" if seen.exit is not None else str(seen.state),
        exit=exit_to_proto(seen.exit) if seen.exit is not None else None,
        stopped=seen.exit is not None and seen.exit.stopped,
        last_lines=seen.last_lines,
        started=seen.started,
    )
