"""Submit: ids, parents, inheritance, names that are taken, and the same request a second time."""

from __future__ import annotations

from typing import Any

import pytest

from iris_api.errors import Refused
from iris_api.jobs import CauseKind, JobState
from iris_controller.transitions import submit as submit_module
from tests.controller.kit import FAILED, Cluster


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def running_parent(cluster: Cluster, **given: Any) -> str:
    cluster.join()
    parent = cluster.submit("parent", **given)
    cluster.settle()
    return str(parent)


def test_a_root_gets_an_id_of_the_controllers_making(cluster: Cluster) -> None:
    assert cluster.submit("train") == "train-0"


def test_a_childs_id_is_its_parents_and_its_name(cluster: Cluster) -> None:
    parent = running_parent(cluster)
    assert cluster.child(f"{parent}:0", "part") == f"{parent}/part"


def test_the_same_request_twice_is_one_job(cluster: Cluster) -> None:
    first = cluster.submit("a", request_id="r")
    assert cluster.submit("a", request_id="r") == first


def test_explicit_values_go_before_the_parents(cluster: Cluster) -> None:
    parent = running_parent(cluster, env_vars={"A": "parent", "B": "parent"}, bundle="ab" * 32)
    child = cluster.job(cluster.child(f"{parent}:0", env_vars={"A": "child"}))
    assert (child.spec.env_vars, child.spec.bundle) == ({"A": "child", "B": "parent"}, "ab" * 32)


def test_what_is_installed_is_inherited_field_by_field(cluster: Cluster) -> None:
    parent = running_parent(
        cluster, image="a:1", pip_packages=("x",), python_packages_from="pyproject", extras=("gpu",)
    )
    child = cluster.job(cluster.child(f"{parent}:0", image="b:2", pip_packages=("y", "z"))).spec
    assert (child.image, child.pip_packages) == ("b:2", ("y", "z"))
    assert (child.python_packages_from, child.extras) == ("pyproject", ("gpu",))
    heir = cluster.job(cluster.child(f"{parent}:0", "heir")).spec
    assert (heir.image, heir.pip_packages) == ("a:1", ("x",))


def test_a_childs_own_bundle_stays(cluster: Cluster) -> None:
    parent = running_parent(cluster, bundle="ab" * 32)
    assert cluster.job(cluster.child(f"{parent}:0", bundle="cd" * 32)).spec.bundle == "cd" * 32


def test_an_unknown_parent_is_named(cluster: Cluster) -> None:
    with pytest.raises(Refused, match="no parent job 'x'"):
        cluster.submit("a", parent="x", parent_attempt="u")


def test_an_ended_parent_has_no_new_children(cluster: Cluster) -> None:
    parent = running_parent(cluster)
    cluster.end(f"{parent}:0")
    with pytest.raises(Refused, match="has ended"):
        cluster.child(f"{parent}:0")


def test_only_a_live_attempt_submits_children(cluster: Cluster) -> None:
    parent = running_parent(cluster, max_retries_failure=1)
    old = cluster.attempt(f"{parent}:0").uid
    cluster.end(f"{parent}:0", FAILED)
    with pytest.raises(Refused, match="no live attempt") as refusal:
        cluster.submit("a", parent=parent, parent_attempt=old)
    assert refusal.value.code == "failed_precondition"


def test_an_unfinished_root_of_that_name_is_an_error(cluster: Cluster) -> None:
    cluster.submit("a")
    with pytest.raises(Refused, match="exists and is PENDING") as refusal:
        cluster.submit("a")
    assert refusal.value.code == "already_exists"


def test_a_finished_roots_name_is_free(cluster: Cluster) -> None:
    first = cluster.submit("a")
    cluster.terminate(first)
    assert cluster.submit("a") != first


@pytest.mark.parametrize("existing", ["error", "keep", "recreate"])
def test_a_root_that_is_stopping_is_waited_for(cluster: Cluster, existing: str) -> None:
    first = running_parent(cluster)
    cluster.terminate(first)
    answer = cluster.submit("parent", existing=existing)
    assert isinstance(answer, Refused)
    assert answer.code == "aborted"
    cluster.settle()
    assert cluster.submit("parent", existing=existing) != first


def test_keep_returns_the_root_that_goes_on(cluster: Cluster) -> None:
    assert cluster.submit("a") == cluster.submit("a", existing="keep")


def test_recreate_replaces_what_has_not_started(cluster: Cluster) -> None:
    first = cluster.submit("a")
    second = cluster.submit("a", existing="recreate")
    assert second != first
    assert cluster.states(first, second) == [JobState.KILLED, JobState.PENDING]


def test_recreate_waits_until_the_old_one_is_gone(cluster: Cluster) -> None:
    first = running_parent(cluster)
    answer = cluster.submit("parent", existing="recreate")
    assert isinstance(answer, Refused)
    assert answer.code == "aborted"
    cluster.settle()
    assert cluster.submit("parent", existing="recreate") not in (first, answer)


@pytest.mark.parametrize("existing", ["error", "keep", "recreate"])
def test_an_ended_child_keeps_its_name(cluster: Cluster, existing: str) -> None:
    parent = running_parent(cluster)
    child = cluster.child(f"{parent}:0")
    cluster.terminate(child)
    cluster.settle()
    if existing == "error":
        with pytest.raises(Refused, match="exists and is KILLED"):
            cluster.child(f"{parent}:0", existing=existing)
    else:
        assert cluster.child(f"{parent}:0", existing=existing) == child
        state = JobState.KILLED if existing == "keep" else JobState.PENDING
        assert cluster.job(child).state is state


def test_a_child_of_an_earlier_attempt_is_replaced(cluster: Cluster) -> None:
    parent = running_parent(cluster, max_retries_failure=1)
    child = cluster.child(f"{parent}:0")
    cluster.settle()
    old = cluster.attempt(f"{child}:0").uid
    cluster.end(f"{parent}:0", FAILED)
    cluster.advance(1)
    answer = cluster.child(f"{parent}:0", existing="keep")
    assert isinstance(answer, Refused)
    assert "stopping: try again" in answer.message
    cluster.settle()
    assert cluster.child(f"{parent}:0", existing="keep") == child
    assert old not in cluster.task(f"{child}:0").attempts


def test_two_replicas_may_share_a_child(cluster: Cluster) -> None:
    parent = running_parent(cluster, replicas=2)
    first = cluster.child(f"{parent}:0")
    assert cluster.child(f"{parent}:1", existing="keep") == first


def test_jobs_nest_to_a_bound(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit_module, "MAX_DEPTH", 2)
    parent = running_parent(cluster)
    child = cluster.child(f"{parent}:0")
    cluster.settle()
    with pytest.raises(Refused, match="nested 2 deep"):
        cluster.child(f"{child}:0")


def test_too_many_waiting_tasks_are_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit_module, "MAX_WAITING", 5)
    cluster.submit("a", replicas=4)
    with pytest.raises(Refused, match="4 tasks wait for a place, and 5 may") as refusal:
        cluster.submit("b", replicas=2)
    assert refusal.value.code == "resource_exhausted"


def test_a_refused_submit_leaves_nothing_behind(cluster: Cluster) -> None:
    cluster.submit("a")
    before = list(cluster.state.everything())
    with pytest.raises(Refused):
        cluster.submit("a", replicas=9)
    assert list(cluster.state.everything()) == before


def test_the_cause_of_a_replaced_job_says_so(cluster: Cluster) -> None:
    first = cluster.submit("a")
    cluster.submit("a", existing="recreate")
    cause = cluster.job(first).cause
    assert cause is not None
    assert (cause.kind, cause.message) == (CauseKind.CANCELLED, "ended: replaced by a new 'a'")
