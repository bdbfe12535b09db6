"""What a simulated attempt does: a few steps, of which it talks to its cluster through the real client."""

from __future__ import annotations

import contextvars
import json
import signal
from typing import TYPE_CHECKING, Any

from iris.client.client import IrisClient
from iris.client.connection import Connection
from iris.client.errors import ControllerUnreachable, JobExists, JobNotFound, WaitTimeout
from iris.client.job import Job
from iris_actor.registry import EndpointRegistry
from iris_actor.resolvers.cluster import ClusterResolver
from iris_api.errors import IrisError, Refused, TransportError
from iris_api.ids import JobId
from iris_api.job_info import JobInfo, set_job_info
from iris_api.jobs import CoschedulingConfig, Entrypoint, ExistingJob, JobSpec
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_api.threads import thread_registry_scope

if TYPE_CHECKING:
    from iris.sim.sandboxes import SimSandbox
    from iris.sim.world import World

__all__ = ["Spec", "run_program", "submit"]

Spec = dict[str, Any]
"""A job of the workload: `name`, `program`, `cpu`, `gang` (what its tasks have in common), and fields of
JobSpec."""


def submit(client: IrisClient, spec: Spec) -> Job:
    """Through the real client, but for making the spec of its arguments."""
    given = {key: value for key, value in spec.items() if key not in ("program", "cpu", "gang", "existing")}
    wanted = JobSpec(
        entry=Entrypoint.from_command("sim", json.dumps(spec["program"])).entry(),
        resources=ResourceSpec(spec.get("cpu", 1), "1GB"),
        coscheduling=CoschedulingConfig(spec["gang"]) if "gang" in spec else None,
        **given,
    )
    job_id = client._send(wanted, ExistingJob(spec.get("existing", "error")))
    return Job(client.connection, JobId(job_id), wanted.name)


def run_program(world: World, sandbox: SimSandbox) -> None:
    """The whole life of the attempt, on a green thread of its own process."""
    contextvars.copy_context().run(_run, world, sandbox)


def _run(world: World, sandbox: SimSandbox) -> None:
    set_job_info(sandbox.launch.info)
    with thread_registry_scope("attempt"):
        end = _Attempt(world, sandbox).live()
    sandbox.finish(end)


class _Attempt:
    def __init__(self, world: World, sandbox: SimSandbox) -> None:
        self.world, self.sandbox = world, sandbox
        self.info: JobInfo = sandbox.launch.info
        self.client = IrisClient(Connection(self.info.controller_address, self.info.token))
        self.children: list[Job] = []
        self.registry: EndpointRegistry | None = None

    def live(self) -> Exit:
        program = self.sandbox.program
        try:
            for step in program["steps"]:
                getattr(self, f"_{step[0]}")(*step[1:])
        except IrisError as error:
            self.sandbox.write("stderr", f"{type(error).__name__}: {error}")
            return Exit(kind=ExitKind.RAISED, message=f"{type(error).__name__}: {error}")
        if self.world.starts_of(self.info.task_id) <= program.get("fails", 0):
            return Exit(kind=ExitKind.EXITED, code=3)
        if program.get("signal"):
            return Exit(kind=ExitKind.SIGNALED, signal=signal.SIGSEGV)
        return Exit(kind=ExitKind.EXITED, code=program.get("code", 0))

    def _print(self, count: int) -> None:
        for _ in range(count):
            self.sandbox.write("stdout", f"line {len(self.sandbox.lines)} of {self.info.attempt_uid}")

    def _sleep(self, seconds: float) -> None:
        self.world.kernel.sleep(seconds)

    def _spawn(self, spec: Spec) -> None:
        """Submit a child. That this attempt is over by now is a reason to end."""
        wanted = dict(spec, existing="keep")
        try:
            self.children.append(submit(self.client, wanted))
        except JobExists as error:
            self.sandbox.write("stderr", str(error))
        else:
            self.world.checks.acknowledged(self.children[-1].job_id, self.info.attempt_uid)

    def _join(self, seconds: float) -> None:
        """Wait for the children, each for so long at most."""
        for job in self.children:
            try:
                job.wait(seconds, raise_on_failure=False)
            except (WaitTimeout, JobNotFound, ControllerUnreachable) as error:
                self.sandbox.write("stderr", f"{type(error).__name__}")

    def _register(self, name: str) -> None:
        self.registry = EndpointRegistry.of_job(self.info)
        try:
            uid = self.registry.register(name, f"{self.info.advertise_host}:1")
        except Refused:
            self.registry.close()
            raise
        self.world.registered[uid] = (name, self.info.attempt_uid, self.world.kernel.now)
        self.world.kernel.trace("registered", name, uid, self.info.attempt_uid)

    def _resolve(self, name: str) -> None:
        resolver = ClusterResolver(self.info.controller_address, token=self.info.token)
        try:
            found = resolver.resolve(name)
        except TransportError as error:
            self.sandbox.write("stderr", f"{type(error).__name__}")
        else:
            self.world.kernel.trace("resolved", name, *(one.attempt_uid for one in found))
        finally:
            resolver.close()
