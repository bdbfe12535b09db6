"""A controller that starts on the state of an earlier one goes on where that was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from iris_api.credentials import Token
from iris_api.errors import PlatformError
from iris_api.rpc import cluster_pb2 as pb
from iris_api.rpc.client import RpcClient
from tests.controller.client import TOKEN, Agent, Client
from tests.controller.conftest import Start


def restart(start: Start, client: Client, state: Path) -> Client:
    client.stop()
    return start(state)


def test_jobs_and_their_attempts_go_on(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path)
    job = client.submit(request_id="r")
    agent = Agent(client)
    (uid,) = agent.pull()
    agent._client = client = restart(start, client, tmp_path)
    assert client.job(job).state == "RUNNING"
    assert agent.pull(hold_ms=0) == [uid]
    agent.end(uid)
    assert client.job(job).state == "SUCCEEDED"
    assert client.submit(request_id="r") == job


def test_what_was_lost_meanwhile_is_noticed(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path)
    job = client.submit()
    agent = Agent(client)
    agent.pull()
    client = restart(start, client, tmp_path)
    Agent(client, incarnation="two").reconcile()
    attempt = client.job(job).tasks[0].attempts[0]
    assert attempt.cause.message == "worker w-1 started anew without it"


def test_a_desire_newer_than_before_the_restart_is_handed_out(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path)
    agent = Agent(client)
    client.submit("one")
    agent.pull()
    agent._client = client = restart(start, client, tmp_path)
    client.submit("two")
    assert len(agent.pull()) == 2


def test_endpoints_stay(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path)
    endpoint = pb.Endpoint(uid="e", name="/x", address="http://h:1")
    client.call("Endpoints/Register", pb.RegisterEndpointRequest(endpoint=endpoint, lease_seconds=60))
    client = restart(start, client, tmp_path)
    reply = client.call("Endpoints/List", pb.ListEndpointsRequest(name="/x"))
    assert [one.uid for one in reply.endpoints] == ["e"]


def test_a_watch_of_the_earlier_controller_is_answered_at_once(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path)
    known = client.call("Endpoints/List", pb.ListEndpointsRequest(name="/x")).version
    client = restart(start, client, tmp_path)
    request = pb.ListEndpointsRequest(name="/x", known_version=known, hold_ms=30_000)
    client.call("Endpoints/List", request, timeout=5)


def test_logs_and_bundles_stay(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path)
    job = client.submit()
    agent = Agent(client)
    (uid,) = agent.pull()
    assert agent.log(uid, "one", "two") == 2
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    assert client.http("PUT", f"/bundles/{digest}", b"foo")[0] == 200
    agent._client = client = restart(start, client, tmp_path)
    assert agent.log(uid, "two", "three", first=1) == 3
    agent.end(uid)
    reply = client.call("Controller/FetchLogs", pb.FetchLogsRequest(task_id=f"{job}:0"))
    assert ([one.data for one in reply.entries], reply.ended) == (["one", "two", "three"], True)
    assert client.http("GET", f"/bundles/{digest}")[1] == b"foo"


def test_a_second_controller_on_the_same_state_is_refused(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path)
    with pytest.raises(PlatformError, match=client.address):
        start(tmp_path)


def test_a_port_in_use_leaves_the_state_free(start: Start, tmp_path: Path) -> None:
    client = start()
    with pytest.raises(PlatformError, match="port is in use"):
        start(tmp_path, port=int(client.address.rpartition(":")[2]))
    start(tmp_path)


PROGRAM = """
import sys, signal
from pathlib import Path
from iris_api.credentials import Token
from iris_controller.controller import Controller, ControllerConfig
controller = Controller(ControllerConfig(state=Path(sys.argv[1]), token=Token(sys.argv[2])))
controller.start()
print(controller.address, flush=True)
signal.pause()
"""


def test_what_was_acknowledged_survives_a_kill(start: Start, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path), TOKEN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        rpc = RpcClient(process.stdout.readline().strip(), Token(TOKEN))
        spec = pb.JobSpec(name="job", entry=pb.Entry(command=pb.Command(argv=["true"])))
        path = "/iris.cluster.v1.Controller/SubmitJob"
        job = rpc.call(path, pb.SubmitJobRequest(spec=spec), pb.SubmitJobReply).job_id
        process.kill()
        rpc.close()
    assert start(tmp_path).job(job).state == "PENDING"


def test_a_controller_that_keeps_nothing_needs_no_database() -> None:
    heavy = ("sqlalchemy", "connectrpc")
    program = f"import sys, iris_controller.controller; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
