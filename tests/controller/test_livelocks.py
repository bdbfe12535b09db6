"""What would have tasks wait, or start over, for ever."""

from iris_api.jobs import CauseKind, CoschedulingConfig, JobState, TaskState
from iris_api.platform import Exit, ExitKind
from iris_api.resources import ResourceSpec
from tests.controller.kit import OK, Cluster

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
