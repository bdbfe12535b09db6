"""Who a worker's controller is, and when it has been away for too long."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from iris_api.platform import Lease
from iris_api.rpc import cluster_pb2 as pb
from iris_api.testing import VirtualClock
from iris_worker import WorkerConfig
from iris_worker.contact import Contact


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    clock = VirtualClock()
    monkeypatch.setattr(time, "monotonic", clock.now)
    return clock


def contact(**changes: Any) -> Contact:
    given = {"worker_id": "w-1", "controller_address": "http://127.0.0.1:1", "directory": Path("nowhere")}
    return Contact(WorkerConfig(**given | changes))  # type: ignore[arg-type]


def answer(contact: Contact, **changes: Any) -> pb.ReconcileReply:
    given = {"cluster": "one", "worker_id": "w-1", "incarnation": contact.incarnation}
    return pb.ReconcileReply(**given | {"worker_grace": 9.0, "absence": 60.0} | changes)


def test_the_first_cluster_that_answers_is_the_workers() -> None:
    own = contact()
    assert own.accept(answer(own)) == ""
    assert own.cluster == "one"
    assert own.accept(answer(own, cluster="two")) == (
        "the answer is of cluster 'two', and this worker belongs to 'one'"
    )
    assert own.accept(answer(own)) == ""


def test_a_cluster_that_it_was_told_goes_before_the_first() -> None:
    own = contact(cluster="told")
    assert "belongs to 'told'" in own.accept(answer(own))


@pytest.mark.parametrize("changes", [{"worker_id": "w-2"}, {"incarnation": "0"}, {"worker_id": ""}])
def test_an_answer_for_another_worker_is_not_its_own(changes: dict[str, str]) -> None:
    """Nor does it make that cluster this worker's."""
    own = contact()
    assert "and this is 'w-1'" in own.accept(answer(own, **changes))
    assert own.cluster == ""


def test_the_lease_is_what_the_controller_says() -> None:
    """Two thirds of the grace: the controller may have heard of the worker a third before it died."""
    own = contact(worker_grace=30.0, absence=100.0)
    assert own.lease == Lease(grace=20.0, absence=100.0)
    own.accept(answer(own))
    assert own.lease == Lease(grace=6.0, absence=60.0)


def test_absence_is_a_span_and_no_count(clock: VirtualClock) -> None:
    own = contact()
    own.accept(answer(own))
    for _ in range(100):
        assert own.miss() == ""
    clock.advance(29.0)
    assert own.miss() == ""
    clock.advance(29.0)
    assert own.miss() == ""
    clock.advance(2.0)
    assert own.miss() == "worker w-1 had no word from its controller for 60 s"


def test_a_word_starts_the_absence_anew(clock: VirtualClock) -> None:
    own = contact()
    own.accept(answer(own))
    clock.advance(25.0)
    own.miss()
    clock.advance(25.0)
    own.accept(answer(own))
    clock.advance(25.0)
    assert own.miss() == ""


def test_a_worker_that_was_suspended_has_not_waited(clock: VirtualClock) -> None:
    """Nobody could be heard meanwhile."""
    own = contact()
    own.accept(answer(own))
    clock.advance(10_000.0)
    assert own.miss() == ""


@pytest.mark.parametrize("grace", [3.0, 9.0, 30.0, 600.0])
def test_one_lost_poll_does_not_cost_the_grace(grace: float) -> None:
    """The longest silence: a poll that is held, the next one that is lost, and the one after it."""
    own = contact()
    own.accept(answer(own, worker_grace=grace))
    assert own.hold + (own.hold + own.patience) < grace
    assert own.hold <= 10.0
