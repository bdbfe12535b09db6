"""What a handler knows of the job that started its server, at any depth, with no environment variable."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from iris_actor.client import ActorClient
from iris_actor.resolvers.fixed import FixedResolver
from iris_actor.server import ActorServer
from iris_api.job_info import job_info_scope
from iris_api.threads import get_thread_registry
from tests.actor.actors import Calculator, Relay
from tests.actor.cluster import Cluster

DEPTHS = ["job", "job_later", "job_of_thread", "job_of_executor", "job_of_to_thread"]


@pytest.fixture
def in_job(cluster: Cluster) -> Iterator[ActorClient]:
    """A client outside the job whose thread started the server."""
    server = ActorServer()
    server.register("calc", Calculator())

    def task(_: object) -> None:
        with job_info_scope(cluster.job()):
            server.serve_background()

    assert get_thread_registry().container.spawn(task, "task").join(10)
    yield ActorClient(FixedResolver([server.address], token=cluster.token), "calc")
    server.stop()


@pytest.mark.parametrize("method", DEPTHS)
def test_a_handler_sees_the_job_that_started_its_server(in_job: ActorClient, method: str) -> None:
    assert getattr(in_job, method)() == "root/child"
    assert getattr(in_job, method).remote().result(5) == "root/child"


def test_nothing_is_written_to_the_environment(in_job: ActorClient) -> None:
    before = dict(os.environ)
    assert in_job.job_of_thread() == "root/child"
    assert dict(os.environ) == before
    assert "IRIS_CONTROLLER_ADDRESS" not in os.environ


def test_a_call_within_a_call_sees_the_other_servers_job(cluster: Cluster) -> None:
    with ActorServer() as inner, ActorServer() as outer:
        inner.register("calc", Calculator())
        with job_info_scope(cluster.job("a")):
            inner.serve_background()
        calc = ActorClient(FixedResolver([inner.address], token=cluster.token), "calc")
        outer.register("relay", Relay(calc.job_of_executor))
        with job_info_scope(cluster.job("b", uid="attempt-2")):
            outer.serve_background()
        relay = ActorClient(FixedResolver([outer.address], token=cluster.token), "relay")
        assert relay.forward() == "a"


def test_outside_a_job_there_is_none(calc: ActorClient) -> None:
    assert calc.job_of_thread() is None
