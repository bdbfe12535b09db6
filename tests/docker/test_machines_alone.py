"""DockerMachines without a cluster: what it refuses, and what it goes on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import docker
import pytest

from iris_api.credentials import new_token
from iris_api.errors import Denied, NoCapacity, PlatformError
from iris_api.ids import new_id
from iris_api.platform import Machines, SliceRequest, SliceState
from iris_api.resources import ResourceSpec
from iris_api.testing import Installed, wait_for_condition
from iris_api.testing.conformance._calls import run_and_kill

LIMIT = 30.0  # seconds
Make = Callable[..., Machines]


def settings(pool: str, resources: ResourceSpec | None) -> Mapping[str, Any]:
    """Of a pool that is named as its runtime."""
    return {"platforms": {}, "pools": {pool: {"platform": pool, "runtime": pool}}}


@pytest.fixture
def make(installed: Callable[..., Installed], image: str) -> Iterator[Make]:
    """Makes one of a cluster of the test's own; the arguments are options of the platform."""
    made: list[Machines] = []
    name = new_id("alone")

    def machines(**options: Any) -> Machines:
        plugin = installed("docker", **{"image": image, **options})
        controller = "http://192.0.2.1:10000"  # nobody has this address
        made.append(
            plugin.machines(cluster=name, controller=controller, token=new_token(), worker_settings=settings)
        )
        return made[-1]

    yield machines
    for one in made[:1]:
        for found in one.list():
            one.delete(found.slice_id)


def state_of(machines: Machines) -> SliceState | None:
    found = machines.list()
    return found[0].state if found else None


def test_a_runtime_that_needs_a_daemon_is_refused(make: Make) -> None:
    with pytest.raises(Denied, match="pool docker: runtime 'docker' needs a Docker daemon"):
        make().create(SliceRequest(slice_id="s", pool="docker"))


def test_an_image_that_is_not_there_is_refused(make: Make) -> None:
    with pytest.raises(PlatformError, match="there is no image iris-none:1 on this machine") as raised:
        make(image="iris-none:1", pull="never").create(SliceRequest(slice_id="s", pool="process"))
    assert not isinstance(raised.value, NoCapacity | Denied)


def test_an_image_is_fetched_while_nobody_waits(make: Make) -> None:
    """That it cannot be had is told by a later call, once."""
    machines = make(image="127.0.0.1:9/iris-none:1")
    request = SliceRequest(slice_id="s", pool="process")

    def refused() -> str:
        with pytest.raises(PlatformError) as raised:
            machines.create(request)
        return "" if isinstance(raised.value, NoCapacity) else str(raised.value)

    assert refused() == ""
    told = wait_for_condition(refused, LIMIT, message="the end of the fetch")
    assert "the registry of image 127.0.0.1:9/iris-none:1 cannot be reached" in told


def test_nothing_is_left_of_a_slice_that_cannot_be_made(
    make: Make, docker_client: docker.DockerClient
) -> None:
    """The second machine's name is taken."""
    machines = make()
    cluster = machines._context.cluster  # type: ignore[attr-defined]
    taken = docker_client.containers.create(
        machines._config.image,  # type: ignore[attr-defined]
        name=f"iris-{cluster}-s-1",
    )
    try:
        with pytest.raises(PlatformError, match="already in use"):
            machines.create(SliceRequest(slice_id="s", pool="process", size=2))
        assert machines.list() == []
        assert not docker_client.networks.list(names=[f"iris-{cluster}"])
    finally:
        taken.remove()


def test_a_worker_that_ends_fails_its_slice(make: Make) -> None:
    """Its last words say why."""
    machines = make()
    machines.create(SliceRequest(slice_id="s", pool="no-runtime"))
    wait_for_condition(lambda: state_of(machines) is SliceState.FAILED, LIMIT, message="it to fail")
    told = machines.list()[0].message
    assert "machine s-0 has ended: Exited (2)" in told
    assert "no plugin 'no-runtime' is installed" in told


def test_what_a_killed_process_has_begun_is_brought_to_its_end(make: Make) -> None:
    request = SliceRequest(slice_id="s", pool="process", size=2)

    def begin() -> None:
        machines = make()
        machines._tender.start = lambda machine: None  # type: ignore[attr-defined]
        machines.create(request)

    run_and_kill(begin, LIMIT)
    machines = make()
    assert state_of(machines) is SliceState.CREATING
    wait_for_condition(lambda: state_of(machines) is SliceState.READY, LIMIT, message="both to start")


def test_what_a_killed_process_has_begun_to_delete_is_deleted(make: Make) -> None:
    request = SliceRequest(slice_id="s", pool="process")

    def begin() -> None:
        machines = make()
        machines.create(request)
        machines._tender.end = lambda machine: None  # type: ignore[attr-defined]
        machines.delete(request.slice_id)

    run_and_kill(begin, LIMIT)
    machines = make()
    assert state_of(machines) is SliceState.DELETING
    wait_for_condition(lambda: state_of(machines) is None, LIMIT, message="it to be gone")
