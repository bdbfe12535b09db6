"""IrisContext: what code inside a job can ask about itself and its cluster."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from iris.client.client import IrisClient
from iris.client.connection import connect
from iris_api.errors import NotInJob
from iris_api.ids import JobId, TaskId, namespace_of
from iris_api.job_info import JobInfo, get_job_info

if TYPE_CHECKING:
    from iris_actor.registry import EndpointRegistry
    from iris_actor.resolvers.cluster import ClusterResolver

__all__ = ["ControllerAccess", "IrisContext", "get_iris_ctx", "iris_ctx"]


class ControllerAccess:
    """The controller as a job sees it."""

    def __init__(self, context: IrisContext) -> None:
        self._context = context

    @property
    def address(self) -> str:
        return self._context.info.controller_address

    @property
    def endpoint_registry(self) -> EndpointRegistry:
        """The same as ``ctx.registry``."""
        return self._context.registry


class IrisContext:
    """The job that this code runs in. Cheap to make: it connects when something is asked."""

    def __init__(self, info: JobInfo) -> None:
        self.info = info
        self.controller = ControllerAccess(self)

    @property
    def job_id(self) -> JobId:
        return self.info.job_id

    @property
    def namespace(self) -> str:
        """The root job's id: names registered here are seen by the jobs below it."""
        return namespace_of(self.info.job_id)

    @property
    def parent_job_id(self) -> JobId | None:
        return self.info.job_id.parent

    @property
    def task_id(self) -> TaskId:
        return self.info.task_id

    @property
    def task_index(self) -> int:
        return self.info.task_index

    @property
    def num_tasks(self) -> int:
        return self.info.num_tasks

    @property
    def attempt_uid(self) -> str:
        return self.info.attempt_uid

    @property
    def worker_id(self) -> str:
        return self.info.worker_id

    @property
    def advertise_host(self) -> str:
        """The host under which others reach what this task listens on."""
        return self.info.advertise_host

    def get_port(self, name: str) -> int:
        """The port allocated for `name`. Raises KeyError naming those that the job asked for."""
        try:
            return self.info.ports[name.lower()]
        except KeyError:
            asked = ", ".join(sorted(self.info.ports)) or "none"
            raise KeyError(f"no port {name!r}: the job was submitted with ports: {asked}") from None

    @cached_property
    def client(self) -> IrisClient:
        """A client whose submits become children of this job."""
        return IrisClient(connect(self.info.controller_address, self.info.token))

    @cached_property
    def resolver(self) -> ClusterResolver:
        """Names in this job's namespace."""
        return self.client.resolver(self.job_id)

    @cached_property
    def registry(self) -> EndpointRegistry:
        """Registers addresses under names in this job's namespace; they end with this attempt."""
        from iris_actor.registry import EndpointRegistry

        return EndpointRegistry.of_job(self.info)


def get_iris_ctx() -> IrisContext | None:
    """The context of the job that this code runs in, or None outside one."""
    info = get_job_info()
    return IrisContext(info) if info is not None else None


def iris_ctx() -> IrisContext:
    """The context of the job that this code runs in. Raises NotInJob outside one."""
    context = get_iris_ctx()
    if context is None:
        raise NotInJob("iris_ctx() was called outside a job; get_iris_ctx() returns None there instead")
    return context
