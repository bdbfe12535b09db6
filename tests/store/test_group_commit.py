"""What waits while a transaction runs is stored by the next one together."""

from __future__ import annotations

from pathlib import Path

from iris_api.credentials import Token
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from iris_api.threads import ThreadRegistry
from iris_controller.rows import Job
from iris_controller.state import Changes
from iris_controller.store.sql import SqlStore
from iris_controller.store.sqlite import Sqlite
from tests.controller.client import TOKEN
from tests.controller.conftest import Start

N = 200


class Counting(SqlStore):
    """The real one; it also counts."""

    commits = 0

    def commit(self, changes: Changes) -> None:
        self.commits += 1
        super().commit(changes)


def test_many_submits_at_once_are_few_transactions(
    start: Start, tmp_path: Path, thread_registry: ThreadRegistry
) -> None:
    store = Counting(Sqlite(tmp_path / "iris.sqlite"))
    client = start(tmp_path, store=store)
    before = store.commits
    callers = thread_registry.container.spawn_executor(32, "callers")
    rpc = RpcClient(client.address, Token(TOKEN))

    def submit(number: int) -> str:
        spec = pb.JobSpec(name=f"job{number}", entry=pb.Entry(command=pb.Command(argv=["true"])))
        request = pb.SubmitJobRequest(spec=spec)
        path = "/iris.cluster.v1.Controller/SubmitJob"
        return str(rpc.call(path, request, pb.SubmitJobReply, 30.0).job_id)

    jobs = set(callers.map(submit, range(N)))
    rpc.close()
    made = store.commits - before
    client.stop()
    again = SqlStore(Sqlite(tmp_path / "iris.sqlite"))
    stored = {row.id for row in again.load() if isinstance(row, Job)}
    again.close()
    assert stored == jobs
    assert len(jobs) == N
    assert made < N / 3
