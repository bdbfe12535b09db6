"""The services through a real server: binary calls, JSON calls, long polls and refusals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from iris_api.errors import Refused
from iris_api.rpc import cluster_pb2 as pb
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadRegistry
from tests.controller.client import Agent, Client


def test_a_job_runs_from_submit_to_its_end(client: Client) -> None:
    agent = Agent(client)
    job = client.submit(spec={"ports": ["web"], "environment": pb.Environment(env_vars={"A": "1"})})
    (uid,) = agent.pull()
    run = agent.runs[uid]
    assert (run.job_id, run.task_id, run.num_tasks) == (job, f"{job}:0", 1)
    assert (list(run.ports), dict(run.environment.env_vars)) == (["web"], {"A": "1"})
    assert client.job(job).state == "RUNNING"
    agent.end(uid)
    status = client.job(job)
    assert (status.state, status.tasks[0].attempts[0].state) == ("SUCCEEDED", "SUCCEEDED")


def test_an_assignment_is_handed_to_the_waiting_poll(client: Client, thread_registry: ThreadRegistry) -> None:
    agent = Agent(client)
    agent.pull(hold_ms=0)
    found: list[str] = []
    thread_registry.container.spawn(lambda stop: found.extend(agent.pull(hold_ms=10_000)), "poll")
    client.submit()
    began = time.monotonic()
    wait_for_condition(lambda: found)
    assert time.monotonic() - began < 5


def test_a_newer_poll_has_the_older_one_answered(client: Client, thread_registry: ThreadRegistry) -> None:
    agent = Agent(client)
    agent.pull(hold_ms=0)
    answered: list[object] = []
    sequence = iter((10, 11))

    def poll(_stop: object) -> None:
        answered.append(agent.reconcile(hold_ms=9_000, sequence=next(sequence)))

    thread_registry.container.spawn(poll, "older")
    wait_for_condition(lambda: client.controller._polls.holds("worker"))
    thread_registry.container.spawn(poll, "newer")
    wait_for_condition(lambda: len(answered) == 1, timeout=5)
    client.submit()
    wait_for_condition(lambda: len(answered) == 2, timeout=5)


def test_only_what_the_worker_did_not_name_is_described(client: Client) -> None:
    agent = Agent(client)
    client.submit()
    agent.pull()
    reply = agent.reconcile(known_revision=0)
    assert [desired.HasField("run") for desired in reply.attempts] == [False]


def test_an_order_to_stop_is_no_longer_desired(client: Client) -> None:
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    reply = client.call("Controller/TerminateJobs", pb.TerminateJobsRequest(job_ids=[job], by="ann"))
    assert list(reply.terminated) == [job]
    assert agent.pull() == []
    agent.end(uid, code=1, stopped=True)
    assert client.job(job).cause.message == "cancelled by ann"


def test_get_job_holds_until_the_end(client: Client, thread_registry: ThreadRegistry) -> None:
    agent = Agent(client)
    job = client.submit()
    (uid,) = agent.pull()
    found: list[str] = []

    def wait(_stop: object) -> None:
        found.append(client.job(job, until_finished=True, hold_ms=10_000).state)

    thread_registry.container.spawn(wait, "wait")
    wait_for_condition(lambda: client.controller._polls.holds("job"))
    agent.end(uid)
    wait_for_condition(lambda: found == ["SUCCEEDED"])


def test_a_hold_that_is_over_answers_how_it_stands(client: Client) -> None:
    assert client.job(client.submit(), until_finished=True, hold_ms=20).state == "PENDING"


def test_a_waiting_job_says_why(client: Client) -> None:
    assert client.job(client.submit()).pending_reason == "no worker has joined yet"


def test_jobs_are_listed_newest_first(client: Client) -> None:
    ids = [client.submit(name) for name in ("one", "two", "other")]
    every = client.call("Controller/ListJobs", pb.ListJobsRequest()).jobs
    assert [job.job_id for job in every] == ids[::-1]
    some = client.call("Controller/ListJobs", pb.ListJobsRequest(prefix="o", states=["PENDING"], limit=1))
    assert [job.name for job in some.jobs] == ["other"]


def test_workers_are_listed_with_what_they_hold(client: Client) -> None:
    agent = Agent(client)
    client.submit()
    agent.pull()
    (worker,) = client.call("Controller/ListWorkers", pb.ListWorkersRequest()).workers
    assert (worker.worker_id, worker.state, worker.used.cpu, worker.attempts) == ("w-1", "healthy", 1, 1)
    agent.reconcile(leaving=True)
    assert not client.call("Controller/ListWorkers", pb.ListWorkersRequest()).workers


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (lambda c: c.submit("a/b"), "invalid_argument", "no '/' or ':'"),
        (lambda c: c.submit(spec={"replicas": -1}), "invalid_argument", "whole number from 1"),
        (lambda c: c.submit(existing="maybe"), "invalid_argument", "give one of error, keep, recreate"),
        (lambda c: c.job("nobody"), "not_found", "no job 'nobody'"),
        (
            lambda c: c.submit(spec={"environment": pb.Environment(bundle="ab" * 32)}),
            "failed_precondition",
            "PUT /bundles/abab",
        ),
        (
            lambda c: c.submit(spec={"environment": pb.Environment(bundle="../x")}),
            "invalid_argument",
            "give a SHA-256",
        ),
        (
            lambda c: c.call("Controller/ListJobs", pb.ListJobsRequest(states=["DONE"])),
            "invalid_argument",
            "give one of PENDING",
        ),
        (
            lambda c: c.call("Controller/FetchLogs", pb.FetchLogsRequest(task_id="x")),
            "invalid_argument",
            "looks like job/child:0",
        ),
        (
            lambda c: c.call("Controller/FetchLogs", pb.FetchLogsRequest(task_id="x:0")),
            "not_found",
            "no task 'x:0'",
        ),
        (
            lambda c: c.call("Workers/Reconcile", pb.ReconcileRequest(worker_id="w")),
            "invalid_argument",
            "must send its incarnation",
        ),
        (
            lambda c: c.call(
                "Endpoints/Register", pb.RegisterEndpointRequest(endpoint=pb.Endpoint(name="x"))
            ),
            "invalid_argument",
            "starts with '/'",
        ),
        (
            lambda c: c.call("Endpoints/List", pb.ListEndpointsRequest()),
            "invalid_argument",
            "either the full name",
        ),
    ],
)
def test_bad_input_is_refused_saying_what_is_allowed(
    client: Client, call: Callable[[Client], object], code: str, message: str
) -> None:
    with pytest.raises(Refused, match=message) as refusal:
        call(client)
    assert refusal.value.code == code


def test_a_curl_user_gets_by_with_json(client: Client) -> None:
    spec = {"name": "job", "entry": {"command": {"argv": ["true"]}}}
    status, reply = client.json("Controller/SubmitJob", {"spec": spec})
    assert status == 200
    status, found = client.json("Controller/GetJob", {"jobId": reply["jobId"]})
    assert (status, found["state"], found["replicas"]) == (200, "PENDING", 1)
    status, error = client.json("Controller/GetJob", {"jobId": "nobody"})
    assert (status, error["code"]) == (404, "not_found")


def test_without_the_token_only_health_is_told(client: Client) -> None:
    assert client.http("GET", "/health", authorization="")[0] == 200
    for path in ("/bundles/" + "ab" * 32, "/iris.cluster.v1.Controller/GetCluster", "/nothing"):
        assert client.http("GET", path, authorization="Bearer wrong")[0] == 401


def test_another_version_is_refused_at_first_contact(client: Client) -> None:
    status, body, _ = client.http(
        "POST",
        "/iris.cluster.v1.Workers/Reconcile",
        b"",
        iris_version="0.99.0",
        content_type="application/proto",
    )
    assert (status, json.loads(body)["code"]) == (501, "unimplemented")


def test_endpoints_are_found_by_name_and_prefix(client: Client) -> None:
    for uid, name in (("a", "/root/x"), ("b", "/root/y"), ("c", "/other")):
        endpoint = pb.Endpoint(uid=uid, name=name, address="http://h:1", metadata={"k": "v"})
        client.call("Endpoints/Register", pb.RegisterEndpointRequest(endpoint=endpoint, lease_seconds=60))
    (found,) = client.call("Endpoints/List", pb.ListEndpointsRequest(name="/other")).endpoints
    assert (found.uid, found.address, dict(found.metadata)) == ("c", "http://h:1", {"k": "v"})
    listed = client.call("Endpoints/List", pb.ListEndpointsRequest(prefix="/root/")).endpoints
    assert [one.uid for one in listed] == ["a", "b"]
    client.call("Endpoints/Unregister", pb.UnregisterEndpointsRequest(uids=["a"]))
    reply = client.call("Endpoints/Renew", pb.RenewEndpointsRequest(uids=["a", "b"], lease_seconds=60))
    assert list(reply.unknown) == ["a"]


def test_a_held_list_answers_a_change_of_its_name_only(
    client: Client, thread_registry: ThreadRegistry
) -> None:
    def register(uid: str, name: str) -> None:
        endpoint = pb.Endpoint(uid=uid, name=name, address="http://h:1")
        client.call("Endpoints/Register", pb.RegisterEndpointRequest(endpoint=endpoint, lease_seconds=60))

    version = client.call("Endpoints/List", pb.ListEndpointsRequest(name="/x")).version
    found: list[str] = []

    def watch(_stop: object) -> None:
        request = pb.ListEndpointsRequest(name="/x", known_version=version, hold_ms=10_000)
        found.extend(one.uid for one in client.call("Endpoints/List", request).endpoints)

    thread_registry.container.spawn(watch, "watch")
    wait_for_condition(lambda: client.controller._polls.holds("name"))
    register("other", "/y")
    assert client.controller._polls.holds("name")
    register("mine", "/x")
    wait_for_condition(lambda: found == ["mine"])


def test_stopping_answers_what_is_held(client: Client, thread_registry: ThreadRegistry) -> None:
    job = client.submit()
    answers: list[str] = []

    def wait(_stop: object) -> None:
        answers.append(client.job(job, until_finished=True, hold_ms=30_000).state)

    thread_registry.container.spawn(wait, "wait")
    wait_for_condition(lambda: client.controller._polls.holds("job"))
    began = time.monotonic()
    client.controller.stop()
    wait_for_condition(lambda: answers == ["PENDING"])
    assert time.monotonic() - began < 3
