"""A client and a worker, as thin as the protocol allows."""

from __future__ import annotations

import http.client
import json
from typing import Any

from google.protobuf.message import Message

from iris_api.credentials import Token
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from iris_controller.controller import Controller

TOKEN = "a token for tests"


class Client:
    """Every rpc of the cluster by its name, over a real socket."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.address = controller.address
        self._rpc = RpcClient(self.address, Token(TOKEN))

    def call(self, method: str, request: Message, timeout: float = 15.0) -> Any:
        """``Service/Method``, answered by the message that the descriptor names."""
        service, _, name = method.partition("/")
        rpc = pb.DESCRIPTOR.services_by_name[service].methods_by_name[name]
        reply_type = getattr(pb, rpc.output_type.name)
        return self._rpc.call(f"/iris.cluster.v1.{method}", request, reply_type, timeout)

    def submit(self, name: str = "job", **request: Any) -> str:
        """A job that runs ``true``; `spec` fields by a dict."""
        spec = {"entry": pb.Entry(command=pb.Command(argv=["true"]))} | request.pop("spec", {})
        message = pb.SubmitJobRequest(spec=pb.JobSpec(name=name, **spec), **request)
        return str(self.call("Controller/SubmitJob", message).job_id)

    def job(self, job_id: str, **request: Any) -> Any:
        return self.call("Controller/GetJob", pb.GetJobRequest(job_id=job_id, with_tasks=True, **request))

    def http(
        self, method: str, path: str, body: bytes | str | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """What curl would send."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.address.rpartition(":")[2]), timeout=15)
        try:
            given = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, body, {"authorization": f"Bearer {TOKEN}"} | given)
            reply = connection.getresponse()
            return reply.status, reply.read(), {key.lower(): value for key, value in reply.getheaders()}
        finally:
            connection.close()

    def json(self, method: str, request: dict[str, Any]) -> tuple[int, Any]:
        status, body, _ = self.http(
            "POST", f"/iris.cluster.v1.{method}", json.dumps(request), content_type="application/json"
        )
        return status, json.loads(body)

    def stop(self) -> None:
        self._rpc.close()
        self.controller.stop()


class Agent:
    """A worker's side of the protocol; a test decides what its attempts do."""

    def __init__(
        self, client: Client, worker_id: str = "w-1", incarnation: str = "one", cpu: int = 8
    ) -> None:
        self._client, self._cpu = client, cpu
        self.worker_id, self.incarnation = worker_id, incarnation
        self.sequence = self.known = 0
        self.has: dict[str, pb.ObservedAttempt] = {}
        self.runs: dict[str, pb.RunSpec] = {}

    def reconcile(self, **changes: Any) -> Any:
        self.sequence += 1
        given: dict[str, Any] = {
            "worker_id": self.worker_id,
            "incarnation": self.incarnation,
            "sequence": self.sequence,
            "worker": pb.WorkerDescription(
                pool="default", resources=pb.Resources(cpu=self._cpu, memory=16 * 10**9), version="0.1.0"
            ),
            "attempts": list(self.has.values()),
            "known_revision": self.known,
        }
        return self._client.call("Workers/Reconcile", pb.ReconcileRequest(**given | changes))

    def pull(self, hold_ms: int = 5000) -> list[str]:
        """Take over what is desired and say so; returns the uids."""
        reply = self.reconcile(hold_ms=hold_ms)
        self.known = reply.revision
        for desired in reply.attempts:
            if desired.HasField("run"):
                self.runs[desired.uid] = desired.run
            self.has.setdefault(
                desired.uid, pb.ObservedAttempt(uid=desired.uid, state="RUNNING", started=1.0)
            )
        self.reconcile(report_only=True)
        return [desired.uid for desired in reply.attempts]

    def end(self, uid: str, code: int = 0, **seen: Any) -> None:
        self.has[uid] = pb.ObservedAttempt(
            uid=uid, state="EXITED", exit=pb.Exit(kind="exited", code=code), started=1.0, **seen
        )
        self.reconcile(report_only=True)
        del self.has[uid]

    def log(self, uid: str, *lines: str, first: int = 0) -> int:
        task = self.runs[uid].task_id
        block = "".join(f"{number} stdout {line}\n" for number, line in enumerate(lines)).encode()
        request = pb.AppendLogsRequest(
            attempt_uid=uid, task_id=task, first=first, count=len(lines), lines=block
        )
        return int(self._client.call("Workers/AppendLogs", request).next)
