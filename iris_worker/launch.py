"""From a run spec to a sandbox: workspace, ports, identity, environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from iris_api.ids import TaskId
from iris_api.job_info import JobInfo
from iris_api.platform import Launch, Runtime, Sandbox
from iris_api.plugins import PluginCalls
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.convert import entry_from_proto, resources_from_proto
from iris_worker.attempt import AttemptRun
from iris_worker.bundle import Bundles
from iris_worker.config import WorkerConfig
from iris_worker.contact import Contact
from iris_worker.ports import Ports

__all__ = ["Kept", "Launcher"]

_KEPT_FILE = "kept.json"


class Launcher:
    """Starts attempts on one runtime. Safe from several threads."""

    def __init__(
        self, config: WorkerConfig, runtime: Runtime, ports: Ports, contact: Contact, calls: PluginCalls
    ) -> None:
        self._config, self._runtime, self._ports, self._contact = config, runtime, ports, contact
        self._calls = calls
        self._bundles = Bundles(config.directory / "bundles", config.controller_address, config.token)

    def start(self, run: AttemptRun, spec: pb.RunSpec) -> Sandbox:
        """Build and start. Raises BadBundle, PlatformError, and what else the runtime raises."""
        workdir = run.directory / "work"
        entry = entry_from_proto(spec.entry)
        ports = self._ports.take(run.uid, list(spec.ports))
        with self._calls.during("wants_workdir()"):
            wanted = self._runtime.wants_workdir(entry)
        if self._calls.checked(wanted, bool, "wants_workdir()"):
            workdir.mkdir(parents=True, exist_ok=True)
            Kept(spec.task_id, tuple(ports.values())).write(run.directory)
            if spec.environment.bundle:
                self._bundles.unpack(spec.environment.bundle, workdir)
        env = {**self._config.default_env, **spec.environment.env_vars}
        launch = Launch(
            uid=run.uid,
            entry=entry,
            info=self._identity(run.uid, spec, ports, env),
            env=env,
            workdir=workdir,
            image=spec.environment.image,
            limits=resources_from_proto(spec.resources),
            output=run.log,
            lease=self._contact.lease,
        )
        with self._calls.during("start()"):
            sandbox = self._runtime.start(launch)
        return self._calls.checked(sandbox, Sandbox, "start()")

    def _identity(
        self, uid: str, spec: pb.RunSpec, ports: Mapping[str, int], env: Mapping[str, str]
    ) -> JobInfo:
        config = self._config
        return JobInfo(
            job_id=TaskId(spec.task_id).job,
            task_index=spec.task_index,
            num_tasks=spec.num_tasks,
            attempt_uid=uid,
            worker_id=config.worker_id,
            controller_address=config.controller_address,
            advertise_host=config.advertise_host,
            ports=ports,
            token=config.token,
            transport=config.transport,
            resolver=config.resolver,
            env=env,
        )


@frozen
class Kept:
    """What a later process of this worker must know of an attempt that is not in its sandbox."""

    task_id: str = ""
    ports: tuple[int, ...] = ()

    def write(self, directory: Path) -> None:
        (directory / _KEPT_FILE).write_text(json.dumps([self.task_id, self.ports]))

    @classmethod
    def read(cls, directory: Path) -> Kept:
        """Empty where nothing, or half of it, was written."""
        try:
            task_id, ports = json.loads((directory / _KEPT_FILE).read_text())
        except (OSError, ValueError):
            return cls()
        return cls(task_id, tuple(ports))
