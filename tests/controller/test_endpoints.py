"""Endpoints: owners, leases, and who displaces whom."""

from __future__ import annotations

from typing import Any

import pytest

from iris_api.errors import Refused
from iris_controller.transitions import endpoints
from tests.controller.kit import FAILED, Cluster


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.join()
    return cluster


def owner(cluster: Cluster, **given: Any) -> tuple[str, str]:
    job = cluster.submit(**given)
    cluster.settle()
    return job, cluster.attempt(f"{job}:0").uid


def test_an_endpoint_ends_with_its_attempt(cluster: Cluster) -> None:
    job, uid = owner(cluster)
    cluster.register("e", "/x", uid)
    cluster.end(f"{job}:0")
    assert cluster.addresses("/x") == []


def test_an_ended_attempt_registers_nothing(cluster: Cluster) -> None:
    job, uid = owner(cluster)
    cluster.end(f"{job}:0")
    with pytest.raises(Refused, match="is not alive") as refusal:
        cluster.register("e", "/x", uid)
    assert refusal.value.code == "failed_precondition"


def test_replicas_share_a_name(cluster: Cluster) -> None:
    job, _ = owner(cluster, replicas=2)
    for index in (0, 1):
        cluster.register(f"e{index}", "/x", cluster.attempt(f"{job}:{index}").uid)
    assert cluster.addresses("/x") == ["e0", "e1"]


def test_a_newer_attempt_of_the_task_has_the_name_alone(cluster: Cluster) -> None:
    job, uid = owner(cluster, max_retries_failure=1)
    cluster.register("old", "/x", uid)
    cluster.end(f"{job}:0", FAILED)
    cluster.advance(1)
    cluster.settle()
    cluster.register("new", "/x", cluster.attempt(f"{job}:0").uid)
    assert cluster.addresses("/x") == ["new"]


def test_a_lease_ends(cluster: Cluster) -> None:
    cluster.register("e", "/x", lease=5)
    cluster.advance(4.9)
    assert cluster.addresses("/x") == ["e"]
    cluster.advance(0.1)
    assert cluster.addresses("/x") == []


def test_a_renewed_lease_goes_on(cluster: Cluster) -> None:
    cluster.register("e", "/x", lease=5)
    cluster.advance(4)
    assert cluster.run(lambda draft, now: endpoints.renew(draft, ["e", "gone"], 5, now)) == ["gone"]
    cluster.advance(4)
    assert cluster.addresses("/x") == ["e"]
    cluster.advance(1)
    assert cluster.addresses("/x") == []


def test_a_renewal_stores_nothing(cluster: Cluster) -> None:
    cluster.register("e", "/x", lease=5)
    cluster.advance(1)
    cluster.run(lambda draft, now: endpoints.renew(draft, ["e"], 5, now))
    assert not cluster.changes[-1]


def test_unregister_takes_what_is_there(cluster: Cluster) -> None:
    cluster.register("e", "/x", lease=5)
    cluster.run(lambda draft, now: endpoints.unregister(draft, ["gone", "e"]))
    assert cluster.addresses("/x") == []
