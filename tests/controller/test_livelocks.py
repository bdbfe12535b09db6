"""What would have tasks wait, or start over, for ever."""

from iris_api.jobs import CauseKind, CoschedulingConfig, JobState, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from iris_controller.clock import Now
from iris_controller.prospects import explain
from iris_controller.state import Draft
from iris_controller.transitions.submit import Submit, submit
from tests.controller.kit import OK, Cluster, FakeWorker, spec

KILLED = Exit(kind=ExitKind.SIGNALED, signal=15)


def test_a_child_does_not_preempt_the_job_that_it_would_end_with() -> None:
    """However important it is: it would be submitted again, and preempt again."""
    cluster = Cluster()
    cluster.join(resources=ResourceSpec(8, "16GB"))
    parent = cluster.submit("parent", resources=ResourceSpec(8))
    cluster.settle()
    child = cluster.child(f"{parent}:0", priority=90, resources=ResourceSpec(8))
    cluster.settle()
    assert cluster.attempt(f"{parent}:0").kill is None
    assert cluster.task(f"{child}:0").state is TaskState.PENDING


def test_a_child_may_preempt_others() -> None:
    cluster = Cluster()
    cluster.join(resources=ResourceSpec(8, "16GB"))
    other = cluster.submit("other", resources=ResourceSpec(4))
    parent = cluster.submit("parent", resources=ResourceSpec(4))
    cluster.settle()
    child = cluster.child(f"{parent}:0", priority=90, resources=ResourceSpec(4))
    cluster.settle()
    assert cluster.task(f"{other}:0").state is TaskState.PENDING
    assert cluster.task(f"{child}:0").state is TaskState.RUNNING


def test_a_preempted_member_that_succeeds_all_the_same_starts_again_with_its_gang() -> None:
    """The others wait for a place for all of them."""
    cluster = Cluster()
    cluster.join(resources=ResourceSpec(8, "16GB"))
    gang = cluster.submit("gang", replicas=2, coscheduling=CoschedulingConfig(), resources=ResourceSpec(4))
    cluster.settle()
    urgent = cluster.submit("urgent", priority=90, resources=ResourceSpec(4))
    victim = next(task for task in (f"{gang}:0", f"{gang}:1") if _is_preempted(cluster, task))
    cluster.end(victim, OK)
    cluster.settle()
    assert cluster.task(victim).state is TaskState.PENDING
    cluster.end(f"{urgent}:0", OK)
    cluster.advance(60.0)
    cluster.settle()
    assert [cluster.task(f"{gang}:{i}").state for i in (0, 1)] == [TaskState.RUNNING] * 2
    cluster.end(f"{gang}:0", OK)
    cluster.end(f"{gang}:1", OK)
    assert cluster.job(gang).state is JobState.SUCCEEDED


def _is_preempted(cluster: Cluster, task: str) -> bool:
    order = cluster.attempt(task).kill
    return order is not None and order.kind is CauseKind.PREEMPTED


def test_a_member_that_succeeds_while_its_cancelled_gang_ends_has_succeeded() -> None:
    cluster = Cluster()
    cluster.join(resources=ResourceSpec(8, "16GB"))
    gang = cluster.submit("gang", replicas=2, coscheduling=CoschedulingConfig())
    cluster.settle()
    cluster.terminate(gang)
    cluster.end(f"{gang}:0", OK)
    cluster.end(f"{gang}:1", KILLED, stopped=True)
    assert cluster.task(f"{gang}:0").state is TaskState.SUCCEEDED
    assert cluster.job(gang).state is JobState.KILLED


def test_a_job_that_has_ended_by_preemption_has_no_member_wait_again() -> None:
    """Two members wait for room and are ended at once; the first such end is that of the job."""
    cluster = Cluster()
    cluster.join("w-0")
    cluster.submit("low", priority=10, resources=ResourceSpec(8))
    cluster.join("w-1")
    cluster.submit("small", priority=10, resources=ResourceSpec(4))
    cluster.settle()
    gang = cluster.submit("gang", replicas=3, coscheduling=CoschedulingConfig(), resources=ResourceSpec(4),
                          max_retries_preemption=0)  # fmt: skip
    (told,) = [task for task in _tasks(gang, 3) if not cluster.attempt(task).after]
    cluster.end(told)
    cluster.submit("urgent", priority=90, replicas=2, resources=ResourceSpec(8))
    assert cluster.job(gang).state is JobState.WORKER_FAILED
    assert cluster.task(told).state is TaskState.SUCCEEDED


def test_what_waits_for_room_goes_elsewhere_if_its_worker_comes_back_smaller() -> None:
    cluster = Cluster()
    cluster.join("w-0")
    cluster.submit("low", priority=10, resources=ResourceSpec(8))
    cluster.settle()
    large = cluster.submit("large", priority=90, resources=ResourceSpec(8))
    assert cluster.attempt(f"{large}:0").after
    cluster.workers["w-0"] = FakeWorker("w-0", incarnation="second", resources=ResourceSpec(4, "16GB"))
    cluster.report("w-0")
    assert cluster.task(f"{large}:0").state is TaskState.PENDING
    assert cluster.state.used("w-0").cpu == 0


def test_what_reserves_no_cores_starts_where_others_wait_for_some() -> None:
    cluster = Cluster()
    cluster.join("w-0")
    cluster.submit("low", priority=10, resources=ResourceSpec(8))
    cluster.settle()
    cluster.submit("high", resources=ResourceSpec(8))
    tiny = cluster.submit("tiny", resources=ResourceSpec(0))
    assert cluster.attempt(f"{tiny}:0").after == ()


def _tasks(job: str, count: int) -> list[str]:
    return [f"{job}:{index}" for index in range(count)]


def test_nobody_is_ended_whose_child_is_as_important() -> None:
    """The child would end too, and the next one would have the other ended in turn."""
    cluster = Cluster()
    cluster.join()
    parent = cluster.submit("parent", priority=10, resources=ResourceSpec(4))
    cluster.settle()
    cluster.child(f"{parent}:0", priority=90, resources=ResourceSpec(4))
    cluster.settle()
    other = cluster.submit("other", priority=50, resources=ResourceSpec(4))
    assert cluster.attempt(f"{parent}:0").kill is None
    assert cluster.task(f"{other}:0").state is TaskState.PENDING


def test_a_worker_that_is_never_emptied_is_not_kept_for_ever() -> None:
    cluster = Cluster(grace=1e6)
    cluster.join()
    cluster.submit("service")
    cluster.submit("large", resources=ResourceSpec(8))
    cluster.advance(61.0)
    small = cluster.submit("small")
    assert cluster.task(f"{small}:0").state is TaskState.PENDING
    (prospect,) = explain(cluster.state, cluster.rules, cluster.now(), cluster.job(small))
    assert prospect.reason.why == "worker w-1 is being emptied for a task that waits longer"
    cluster.advance(60.0)
    assert cluster.task(f"{small}:0").state is TaskState.ASSIGNED


def test_nobody_is_ended_where_something_as_important_is_ending_anyway() -> None:
    cluster = Cluster()
    for worker in ("w-1", "w-2"):
        cluster.join(worker)
    same = cluster.submit("same", priority=90, resources=ResourceSpec(8))
    low = cluster.submit("low", priority=10, resources=ResourceSpec(8))
    cluster.settle()
    cluster.terminate(same)
    cluster.submit("high", priority=90, resources=ResourceSpec(8))
    assert cluster.attempt(f"{low}:0").kill is None


def test_users_share_what_others_are_ended_for() -> None:
    cluster = Cluster()
    for worker in ("w-1", "w-2"):
        cluster.join(worker)
    cluster.submit("low", priority=10, resources=ResourceSpec(4), replicas=4)
    cluster.settle()
    requests = [Submit(spec=spec(user, priority=90, resources=ResourceSpec(4), replicas=4), user=user)
                for user in ("ann", "bob")]  # fmt: skip

    def both(draft: Draft, now: Now) -> None:
        for request in requests:
            submit(draft, request, lambda name: f"{name}-x", now, cluster.rules)

    cluster.run(both)
    assert [cluster.state.running(user) for user in ("ann", "bob")] == [2, 2]
