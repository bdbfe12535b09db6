"""IrisClient: submit jobs to a cluster and look after them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import urlsplit

from attrs import evolve

from iris.client.bundle import Workspace, upload
from iris.client.connection import Connection, connect
from iris.client.errors import WaitTimeout
from iris.client.job import Job
from iris.client.specs import check_workspace, job_spec
from iris.client.status import JobStatus, TaskProspect, WorkerStatus
from iris_api.credentials import Token
from iris_api.errors import InvalidSpec, Refused
from iris_api.ids import JobId, new_uid
from iris_api.job_info import JobInfo, get_job_info
from iris_api.jobs import (
    Constraint,
    CoschedulingConfig,
    Entrypoint,
    EnvironmentSpec,
    ExistingJob,
    JobSpec,
    JobState,
)
from iris_api.resolver import Resolver
from iris_api.resources import ResourceSpec
from iris_api.threads import ThreadContainer

if TYPE_CHECKING:
    from iris.cluster.compose import Cluster
    from iris_actor.resolvers.cluster import ClusterResolver
    from iris_api.rpc import cluster_pb2 as pb

__all__ = ["IrisClient"]


class IrisClient:
    """A user's end of a cluster. Made by `remote` or `local`; safe from several threads."""

    def __init__(
        self, connection: Connection, *, workspace: Workspace | None = None, cluster: Cluster | None = None
    ) -> None:
        self.connection = connection
        self._workspace = workspace
        self._cluster = cluster
        self._uploaded: set[str] = set()

    @classmethod
    def remote(
        cls, address: str, workspace: Path | str | None = None, *, token: Token | str | None = None
    ) -> IrisClient:
        """A client of the controller at `address` (``http://host:port``); connects at the first call.

        `workspace` travels with every job and is its working directory. Without a token, the one of
        the job that this code runs in, of the environment, or of this user's own clusters is used.
        """
        _check_address(address)
        info = get_job_info()
        if token is None and info is not None and info.controller_address == address.rstrip("/"):
            token = info.token
        secret = Token(token) if isinstance(token, str) else token
        return cls(
            connect(address, secret), workspace=Workspace(Path(workspace)) if workspace is not None else None
        )

    @classmethod
    def local(
        cls,
        runtime: str | None = None,
        *,
        config: Path | str | None = None,
        workspace: Path | str | None = None,
        threads: ThreadContainer | None = None,
    ) -> IrisClient:
        """Start a whole cluster in this process, as the config (or none) says, and be its client.

        `runtime` replaces that of every pool: ``"local"`` runs tasks as threads, ``"process"`` as
        processes. The cluster keeps nothing: it ends with `shutdown` or with this process. Raises
        ConfigError and PluginError before anything has started.
        """
        from iris.cluster.compose import Cluster

        cluster = Cluster.temporary(
            config=Path(config) if config is not None else None, runtime=runtime, threads=threads
        )
        cluster.start()
        return cls(
            connect(cluster.address, cluster.token),
            workspace=Workspace(Path(workspace)) if workspace is not None else None,
            cluster=cluster,
        )

    @property
    def address(self) -> str:
        """The controller's address."""
        return self.connection.address

    def submit(
        self,
        *,
        name: str,
        entrypoint: Entrypoint,
        resources: ResourceSpec | None = None,
        environment: EnvironmentSpec | None = None,
        replicas: int = 1,
        ports: Sequence[str] = (),
        constraints: Iterable[Constraint] = (),
        coscheduling: CoschedulingConfig | None = None,
        priority: int | None = None,
        max_retries_failure: int = 0,
        max_retries_preemption: int = 100,
        max_task_failures: int = 0,
        refill_after: float | None = None,
        timeout: float | None = None,
        scheduling_timeout: float | None = None,
        existing: ExistingJob | str = ExistingJob.ERROR,
    ) -> Job:
        """Submit a job; durable when this returns. Inside a job it becomes that job's child.

        `environment` is what surrounds the tasks: variables, packages, an image. `replicas` tasks run the
        entrypoint. `ports` are names: each task finds the allocated number
        in ``iris_ctx().get_port(name)``. With `coscheduling` they start together or not at all. `priority`
        is 1 to 100, that of the parent job or else 50; what is higher goes first, and what is lower is
        ended to make room where there is none. An attempt that ran for `refill_after` seconds gives the
        task its retries back, as a service needs. `timeout` counts seconds from the first start of a task,
        `scheduling_timeout` those that a task waits for a place. Raises InvalidSpec and
        UnpicklableError before anything is sent, JobExists, and as `Connection.call`.
        """
        spec = job_spec(
            name=name,
            entrypoint=entrypoint,
            resources=resources,
            environment=environment,
            replicas=replicas,
            ports=ports,
            constraints=constraints,
            coscheduling=coscheduling,
            priority=priority,
            max_retries_failure=max_retries_failure,
            max_retries_preemption=max_retries_preemption,
            max_task_failures=max_task_failures,
            refill_after=refill_after,
            timeout=timeout,
            scheduling_timeout=scheduling_timeout,
        )
        chosen = _existing(existing)
        if self._workspace is None and get_job_info() is None:
            check_workspace(spec)
        return Job(self.connection, JobId(self._send(evolve(spec, bundle=self._bundle()), chosen)), name)

    def plan(self, *, existing: ExistingJob | str = ExistingJob.ERROR, **job: Any) -> list[TaskProspect]:
        """What would become of a submit with the same arguments now; submits nothing. Raises as it would."""
        from iris.client.convert import prospect
        from iris_api.rpc import cluster_pb2 as pb

        request = self._request(job_spec(**job), _existing(existing))
        reply = self.connection.call("Controller", "PlanJob", request, pb.PlanJobReply)
        return [prospect(one) for one in reply.tasks]

    def explain(self, job_id: str) -> list[TaskProspect]:
        """For the tasks of a job, those that are alike together: why they do not run, and what would make
        them run. Raises JobNotFound."""
        from iris.client.convert import prospect
        from iris_api.rpc import cluster_pb2 as pb

        request = pb.ExplainJobRequest(job_id=job_id)
        reply = self.connection.call("Controller", "ExplainJob", request, pb.ExplainJobReply)
        return [prospect(one) for one in reply.tasks]

    def job(self, job_id: str) -> Job:
        """A handle on a job that exists; does not ask."""
        return Job(self.connection, JobId(job_id), JobId(job_id).name)

    def status(self, job_id: str) -> JobStatus:
        """How a job stands, its tasks included. Raises JobNotFound."""
        return self.job(job_id).status()

    def list_jobs(self, states: Iterable[JobState | str] = (), prefix: str = "") -> list[JobStatus]:
        """Jobs, newest first, by state (none given: all) and by the start of their id or name."""
        from iris.client.convert import job_status
        from iris_api.rpc import cluster_pb2 as pb

        wanted = [_state(state).value for state in states]
        reply = self.connection.call(
            "Controller", "ListJobs", pb.ListJobsRequest(states=wanted, prefix=prefix), pb.ListJobsReply
        )
        return [job_status(job) for job in reply.jobs]

    def list_workers(self) -> list[WorkerStatus]:
        """The workers that the controller knows."""
        from iris.client.convert import worker_status
        from iris_api.rpc import cluster_pb2 as pb

        reply = self.connection.call(
            "Controller", "ListWorkers", pb.ListWorkersRequest(), pb.ListWorkersReply
        )
        return [worker_status(worker) for worker in reply.workers]

    def terminate(self, *job_ids: str) -> list[str]:
        """End jobs and all below them; returns the ids that were alive. Raises JobNotFound."""
        from iris_api.rpc import cluster_pb2 as pb

        request = pb.TerminateJobsRequest(job_ids=job_ids, by=_caller())
        return list(
            self.connection.call("Controller", "TerminateJobs", request, pb.TerminateJobsReply).terminated
        )

    @overload
    def resolver(self, job: Job | str) -> ClusterResolver: ...

    @overload
    def resolver(self, job: None = None) -> Resolver: ...

    def resolver(self, job: Job | str | None = None) -> Resolver:
        """Names as `job` sees them. Without one, a resolver of the kind that the cluster selects, else that
        iris.toml does: by default names as the job that this code runs in sees them."""
        if job is None:
            return self._selected_resolver()
        from iris_actor.resolvers.cluster import ClusterResolver

        job_id = job.job_id if isinstance(job, Job) else job
        return ClusterResolver(self.address, job=job_id, token=self.connection.token)

    def _selected_resolver(self) -> Resolver:
        if self._cluster is not None and get_job_info() is None:
            return self._cluster.resolver()
        from iris_actor.selected import selected_resolver

        return selected_resolver(self.address, token=self.connection.token)

    def shutdown(self, wait: bool = True) -> None:
        """End the cluster that `local` started: jobs are ended; with `wait`, until it is all gone.

        A cluster that was there before is left alone. Idempotent.
        """
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.stop(wait=wait)

    def __enter__(self) -> IrisClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    def __repr__(self) -> str:
        return f"IrisClient({self.address})"

    def _bundle(self) -> str:
        if self._workspace is None:
            return ""
        bundle = self._workspace.bundle()
        if bundle.sha256 not in self._uploaded:
            self.connection.persist(lambda: upload(self.address, self.connection.token, bundle))
            self._uploaded.add(bundle.sha256)
        return bundle.sha256

    def _send(self, spec: JobSpec, existing: ExistingJob, deadline: float = 60.0) -> str:
        """Submit, and where an older job of that name is still stopping, again until it is gone."""
        from iris_api.rpc import cluster_pb2 as pb

        request = self._request(spec, existing)
        until = time.monotonic() + deadline
        trusted = bool(spec.bundle)
        while True:
            try:
                return self.connection.call("Controller", "SubmitJob", request, pb.SubmitJobReply).job_id
            except Refused as refused:
                if refused.code == "failed_precondition" and trusted:
                    trusted = False
                    self._uploaded.discard(spec.bundle)  # the controller may have lost it
                    self._bundle()
                    continue
                if refused.code != "aborted":
                    raise
                if time.monotonic() > until:
                    raise WaitTimeout(
                        f"submit of {spec.name!r} gave up after {deadline:.0f} s: {refused}"
                    ) from refused
                time.sleep(0.05)

    def _request(self, spec: JobSpec, existing: ExistingJob) -> pb.SubmitJobRequest:
        from iris_api.rpc import cluster_pb2 as pb
        from iris_api.rpc.convert import spec_to_proto

        parent = self._parent()
        return pb.SubmitJobRequest(
            spec=spec_to_proto(spec),
            parent=parent.job_id if parent else "",
            parent_attempt=parent.attempt_uid if parent else "",
            existing=existing,
            request_id=new_uid(),
            user="" if parent else _user(),
        )

    def _parent(self) -> JobInfo | None:
        info = get_job_info()
        return info if info is not None and info.controller_address == self.address else None


def _user() -> str:
    """Who submits: IRIS_USER, else the name that this system has for its user; empty where it has none."""
    import getpass

    try:
        return os.environ.get("IRIS_USER") or getpass.getuser()
    except (KeyError, OSError):
        return ""


def _caller() -> str:
    info = get_job_info()
    if info is not None:
        return f"task {info.task_id}"
    import socket

    return f"{_user()}@{socket.gethostname()}"


def _state(value: Any) -> JobState:
    try:
        return JobState(value)
    except ValueError:
        raise InvalidSpec(f"job state {value!r} is not allowed: give one of {', '.join(JobState)}") from None


def _existing(value: Any) -> ExistingJob:
    try:
        return ExistingJob(value)
    except ValueError:
        raise InvalidSpec(
            f"existing {value!r} is not allowed: give one of {', '.join(ExistingJob)}"
        ) from None


def _check_address(address: str) -> None:
    parts = urlsplit(address) if isinstance(address, str) else None
    if (
        parts is None
        or parts.scheme != "http"
        or not parts.hostname
        or parts.port is None
        or parts.path not in ("", "/")
    ):
        raise InvalidSpec(f"controller address {address!r} is not allowed: give http://host:port")
