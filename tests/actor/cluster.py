"""A real RPC server with an Endpoints service: what is a controller to resolvers and registries."""

from __future__ import annotations

from typing import Self

from iris_api.credentials import Token
from iris_api.ids import JobId
from iris_api.job_info import JobInfo
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.app import RpcApp, service_methods
from iris_api.rpc.serving import serve
from iris_api.threads import get_thread_registry
from tests.rpc.service import Endpoints


class Cluster:
    def __init__(self, token: Token) -> None:
        self.token = token
        self.port = 0
        self.start()

    def start(self) -> None:
        """Also again, at the same port and with an empty table."""
        self.service = Endpoints()
        app = RpcApp(service_methods("Endpoints", self.service, pb.DESCRIPTOR))
        self._threads = get_thread_registry().container.child("cluster")
        self._server = serve(
            app,
            host="127.0.0.1",
            port=self.port,
            threads=self._threads,
            name="c",
            token=self.token,
            grace=0.1,
        )
        self.port, self.address = self._server.port, self._server.address

    def stop(self) -> None:
        self._threads.stop()

    def names(self) -> list[str]:
        return sorted(endpoint.name for endpoint in self.service.table.values())

    def job(self, job_id: str = "root/child", uid: str = "attempt-1", **more: object) -> JobInfo:
        return JobInfo(
            job_id=JobId(job_id),
            attempt_uid=uid,
            controller_address=self.address,
            token=self.token,
            **more,  # type: ignore[arg-type]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
