"""Workers: what they report, what is missing from that, their silence, and their successors."""

from __future__ import annotations

import pytest
from attrs import evolve

from iris_api.errors import Refused
from iris_api.jobs import Cause, CauseKind, JobState, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.rpc.incarnation import next_incarnation
from iris_controller.rows import Worker
from iris_controller.step import forgive
from iris_controller.transitions.workers import Observed, observe
from tests.controller.kit import OK, Cluster, FakeWorker


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.join()
    return cluster


def cause_message(cluster: Cluster, task: str) -> str:
    cause = cluster.attempt(task).cause
    return "" if cause is None else cause.message


def test_building_and_running_are_taken_over(cluster: Cluster) -> None:
    job = cluster.submit()
    worker = cluster.workers["w-1"]
    uid = cluster.attempt(f"{job}:0").uid
    for state in (TaskState.BUILDING, TaskState.RUNNING):
        worker.has[uid] = Observed(state=state)
        cluster.report()
        assert cluster.task(f"{job}:0").state is state


def test_a_state_never_goes_back(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    cluster.workers["w-1"].has[cluster.attempt(f"{job}:0").uid] = Observed(state=TaskState.BUILDING)
    cluster.report()
    assert cluster.task(f"{job}:0").state is TaskState.RUNNING


def test_what_ended_before_it_was_seen_to_run_has_run(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.end(f"{job}:0")
    assert cluster.attempt(f"{job}:0").started == cluster.clock.wall()
    assert cluster.job(job).started is not None


def test_an_older_observation_is_ignored(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    late = cluster.workers["w-1"].report(sequence=1, attempts={}, known_revision=10**6)
    cluster.run(lambda draft, now: observe(draft, late, now))
    assert cluster.task(f"{job}:0").state is TaskState.RUNNING


def test_what_was_handed_out_and_is_missing_is_lost(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    cluster.workers["w-1"].has.clear()
    cluster.report()
    assert cause_message(cluster, f"{job}:0") == "worker w-1 does not have it any more"
    assert cluster.task(f"{job}:0").state is TaskState.PENDING


def test_what_the_worker_cannot_know_yet_is_not_lost(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.report()
    assert cluster.task(f"{job}:0").state is TaskState.ASSIGNED


def test_an_order_for_what_was_never_delivered_ends_it(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.terminate(job)
    cluster.pull()
    assert cluster.job(job).state is JobState.KILLED


def test_silence_is_tolerated_for_the_grace(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    cluster.advance(29.9)
    assert cluster.task(f"{job}:0").state is TaskState.RUNNING
    cluster.advance(1.1)
    assert cause_message(cluster, f"{job}:0") == "worker w-1 has been silent for 31 s"
    assert cluster.state.get(Worker, "w-1").lost


def test_the_grace_is_what_the_configuration_says() -> None:
    cluster = Cluster(grace=5.0)
    cluster.join()
    cluster.advance(4.9)
    assert not cluster.state.get(Worker, "w-1").lost
    cluster.advance(0.1)
    assert cluster.state.get(Worker, "w-1").lost


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_loses_nothing(cluster: Cluster, jump: float) -> None:
    """No worker, and no attempt ends before it has begun."""
    job = cluster.submit(timeout=100.0)
    cluster.settle()
    cluster.clock.jump(jump)
    cluster.advance(20)
    assert not cluster.state.get(Worker, "w-1").lost
    cluster.end(f"{job}:0")
    attempt = cluster.attempt(f"{job}:0")
    assert attempt.state is TaskState.SUCCEEDED
    assert (attempt.finished or 0) >= (attempt.started or 0) >= attempt.assigned


@pytest.mark.parametrize("clock", [1.0, 4e9])
def test_a_worker_whose_clock_is_wrong(cluster: Cluster, clock: float) -> None:
    job = cluster.submit()
    uid, placed = cluster.attempt(f"{job}:0").uid, cluster.clock.wall()
    cluster.advance(5)
    cluster.workers["w-1"].has[uid] = Observed(state=TaskState.RUNNING, started=clock)
    cluster.report()
    assert cluster.attempt(f"{job}:0").started == (placed if clock == 1.0 else placed + 5)


def test_what_a_worker_stopped_of_its_own_accord(cluster: Cluster) -> None:
    """It says why; that is the platform's fault, with all that is known of the end."""
    job = cluster.submit()
    cluster.settle()
    end = Exit(
        kind=ExitKind.SIGNALED, signal=15, memory_peak=7, stopped=True, message="worker w-1 had no word"
    )
    cluster.end(f"{job}:0", end, stopped=True, last_lines=("bye",))
    assert cluster.attempt(f"{job}:0").cause == Cause(
        kind=CauseKind.WORKER_LOST,
        message="worker w-1 had no word",
        signal=15,
        memory_peak=7,
        last_lines=("bye",),
    )
    assert cluster.task(f"{job}:0").state is TaskState.PENDING


def test_every_report_starts_the_grace_anew(cluster: Cluster) -> None:
    for _ in range(5):
        cluster.advance(20)
        cluster.report()
    assert not cluster.state.get(Worker, "w-1").lost


def test_a_lost_worker_that_comes_back_has_nothing_to_run(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    uid = cluster.attempt(f"{job}:0").uid
    cluster.advance(31)
    cluster.settle()
    assert not cluster.state.get(Worker, "w-1").lost
    assert uid not in cluster.desired("w-1")
    assert uid not in cluster.workers["w-1"].has


def test_a_lost_worker_is_forgotten_in_the_end(cluster: Cluster) -> None:
    cluster.advance(31)
    cluster.advance(3600)
    assert cluster.state.find(Worker, "w-1") is None


def test_a_worker_that_leaves_gives_back_what_it_ran(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    cluster.report(leaving=True)
    assert cause_message(cluster, f"{job}:0") == "worker w-1 has left"
    assert cluster.state.room.find("w-1") is None


def test_what_a_worker_said_before_it_left_does_not_bring_it_back(cluster: Cluster) -> None:
    """A message may be under way for longer than a worker takes to leave, and to start anew."""
    late = cluster.workers["w-1"].report()
    cluster.report(leaving=True)
    with pytest.raises(Refused, match=r"worker w-1 has left: this one .* must end"):
        cluster.run(lambda draft, now: observe(draft, late, now))
    cluster.join("w-1", incarnation="second")
    with pytest.raises(Refused, match="runs in a newer process"):
        cluster.run(lambda draft, now: observe(draft, late, now))
    assert cluster.state.get(Worker, "w-1").incarnation == "second"
    job = cluster.submit()
    cluster.settle()
    assert cluster.task(f"{job}:0").state is TaskState.RUNNING


def test_a_process_that_was_never_heard_does_not_displace_the_next(cluster: Cluster) -> None:
    """Its first message may have lain in the socket of a controller that stood still until it was dead."""
    early = next_incarnation("")
    cluster.join("w-2", incarnation=next_incarnation(early))
    late = FakeWorker("w-2", incarnation=early).report()
    with pytest.raises(Refused, match="runs in a newer process"):
        cluster.run(lambda draft, now: observe(draft, late, now))
    cluster.report("w-2", leaving=True)
    with pytest.raises(Refused, match="has left"):
        cluster.run(lambda draft, now: observe(draft, late, now))


def test_a_worker_may_say_twice_that_it_leaves(cluster: Cluster) -> None:
    cluster.report(leaving=True)
    cluster.report(leaving=True)
    assert cluster.state.get(Worker, "w-1").past == ("first",)


def test_a_worker_that_has_left_is_forgotten_in_the_end(cluster: Cluster) -> None:
    cluster.report(leaving=True)
    cluster.advance(3599)
    assert cluster.state.find(Worker, "w-1") is not None
    cluster.advance(2)
    assert cluster.state.find(Worker, "w-1") is None


def test_a_new_incarnation_may_adopt(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    cluster.workers["w-1"] = evolve(cluster.workers["w-1"], incarnation="second", sequence=0, known=0)
    cluster.report()
    assert cluster.task(f"{job}:0").state is TaskState.RUNNING


def test_what_a_new_incarnation_does_not_have_is_lost(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    cluster.workers["w-1"] = FakeWorker("w-1", incarnation="second")
    cluster.report()
    assert cause_message(cluster, f"{job}:0") == "worker w-1 started anew without it"


def test_an_earlier_incarnation_is_told_to_end(cluster: Cluster) -> None:
    old = cluster.workers["w-1"]
    cluster.join("w-1", incarnation="second")
    report = old.report()
    with pytest.raises(Refused, match="runs in a newer process"):
        cluster.run(lambda draft, now: observe(draft, report, now))


def test_another_workers_attempt_is_not_touched(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    cluster.join("w-2")
    uid = cluster.attempt(f"{job}:0").uid
    cluster.workers["w-2"].has[uid] = Observed(state=TaskState.RUNNING, exit=OK)
    cluster.report("w-2")
    assert cluster.task(f"{job}:0").state is TaskState.RUNNING


def test_a_worker_that_knows_an_earlier_controllers_desire_is_given_a_newer_one() -> None:
    cluster = Cluster()
    cluster.workers["w-1"] = FakeWorker("w-1", known=57)
    cluster.report()
    assert cluster.state.get(Worker, "w-1").revision > 57


def test_a_controller_that_slept_blames_no_worker(cluster: Cluster) -> None:
    cluster.clock.advance(500)
    cluster.run(lambda draft, now: forgive(draft, now))
    assert not cluster.state.get(Worker, "w-1").lost


def test_a_lost_attempt_keeps_its_order_as_cause(cluster: Cluster) -> None:
    job = cluster.submit()
    cluster.settle()
    cluster.terminate(job)
    cluster.advance(31)
    cause = cluster.attempt(f"{job}:0").cause
    assert cause is not None
    assert cause.kind is CauseKind.CANCELLED
    assert cluster.job(job).state is JobState.KILLED
