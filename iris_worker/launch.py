"""From a run spec to a sandbox: workspace, ports, identity, environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, frozen

from iris_api.ids import TaskId
from iris_api.job_info import JobInfo
from iris_api.platform import Interpreter, Launch, Mount, Runtime, Sandbox
from iris_api.plugins import PluginCalls
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.convert import entry_from_proto, resources_from_proto
from iris_worker.attempt import AttemptRun
from iris_worker.bundle import Bundles
from iris_worker.config import WorkerConfig
from iris_worker.contact import Contact
from iris_worker.environments import Environments, Order, asks_for_packages, found_first, wanted
from iris_worker.errors import BadEnvironment
from iris_worker.ports import Ports

__all__ = ["Kept", "Launcher"]

_KEPT_FILE = "kept.json"


class Launcher:
    """Starts attempts on one runtime. Safe from several threads."""

    def __init__(
        self,
        config: WorkerConfig,
        runtime: Runtime,
        ports: Ports,
        contact: Contact,
        calls: PluginCalls,
        environments: Environments,
    ) -> None:
        self._config, self._runtime, self._ports, self._contact = config, runtime, ports, contact
        self._calls, self._environments = calls, environments
        self._bundles = Bundles(config.directory / "bundles", config.controller_address, config.token)

    def start(self, run: AttemptRun, spec: pb.RunSpec) -> Sandbox:
        """Build and start. Raises BadBundle, BadEnvironment, StoppedEarly, PlatformError, and what else the
        runtime raises."""
        workdir = run.directory / "work"
        entry = entry_from_proto(spec.entry)
        packaged = asks_for_packages(spec.environment)
        interpreter = self._interpreter(spec.environment.image) if packaged else None
        ports = self._ports.take(run.uid, list(spec.ports))
        with self._calls.during("wants_workdir()"):
            wants = self._runtime.wants_workdir(entry)
        if self._calls.checked(wants, bool, "wants_workdir()") or packaged:
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
        if interpreter is not None:
            launch = self._with_packages(launch, interpreter, run, spec.environment)
        with self._calls.during("start()"):
            sandbox = self._runtime.start(launch)
        return self._calls.checked(sandbox, Sandbox, "start()")

    def _interpreter(self, image: str) -> Interpreter:
        """That of the job's packages. Raises BadEnvironment where a job can have none of its own."""
        with self._calls.during("interpreter()"):
            found = self._runtime.interpreter(image)
        if found is None:
            raise BadEnvironment(
                f"the runtime of pool {self._config.pool!r} runs tasks with the packages of its own process: "
                "submit the job to a pool whose runtime is one of processes or containers, such as 'process'"
            )
        return self._calls.checked(found, Interpreter, "interpreter()")

    def _with_packages(
        self, launch: Launch, interpreter: Interpreter, run: AttemptRun, environment: pb.Environment
    ) -> Launch:
        """The same with the job's packages, once they are installed."""
        order = Order(
            info=launch.info,
            wanted=wanted(environment, launch.workdir),
            interpreter=interpreter,
            image=launch.image,
            limits=launch.limits,
            env=launch.env,
            holder=run.directory,
            log=run.log,
        )
        packages = self._environments.prepare(order, run.on_stop)
        env = {**launch.env, **found_first(packages, launch.env, interpreter.path)}
        mount = Mount(packages, packages, read_only=True)
        info = evolve(launch.info, env=env)
        return evolve(launch, env=env, info=info, mounts=(*launch.mounts, mount))

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
