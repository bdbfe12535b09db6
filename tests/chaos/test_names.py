"""Names and actor calls while the controller is away, or stands still."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from iris.actor import ActorClient
from iris_api.errors import TransportError
from iris_api.testing import wait_for_condition
from iris_api.threads import ThreadContainer
from tests.chaos.workload import Folder, server
from tests.rigs.program import Program
from tests.rigs.site import Site

LIMIT = 30.0


@pytest.fixture
def controller(site: Site) -> Program:
    program = site.program("controller")
    site.start_up(program)
    return program


@pytest.fixture
def worker(site: Site, controller: Program) -> Program:
    program = site.program("one")
    site.start_worker(program, "one")
    return program


@pytest.mark.chaos
def test_a_name_is_resolved_through_a_restart(
    site: Site, controller: Program, threads: ThreadContainer
) -> None:
    """Who asks while the controller is away waits for it."""
    resolver = site.client().resolver("root")
    controller.kill()
    found: list[object] = []
    asking = threads.spawn(lambda _stop: found.append(resolver.resolve("nobody")), "asks")
    site.start_up(controller)
    asking.join(LIMIT)
    assert found == [()]
    controller.stop()


@pytest.mark.chaos
def test_a_name_that_nobody_can_tell(site: Site, controller: Program) -> None:
    """The wait for an absent controller ends, with the reason."""
    resolver = site.client().resolver("root")
    controller.kill()
    began = time.monotonic()
    with pytest.raises(TransportError, match="refused"):
        resolver.resolve_within("nobody", 1.0)
    assert time.monotonic() - began < 2.0


@pytest.mark.slow
@pytest.mark.parametrize("fault", [pytest.param("killed", marks=pytest.mark.chaos), "suspended"])
def test_actor_calls_go_on_without_a_controller(
    site: Site, controller: Program, worker: Program, tmp_path: Path, fault: str
) -> None:
    """New ones too: who was told where an actor is does not need to be told again, nor waits for that."""
    folder = Folder(tmp_path)
    job = server(site.client(), folder, "server")
    actor = ActorClient(site.client().resolver(job), "counter", timeout=5.0)
    uid, _, _ = actor.bump(0.0)
    (controller.kill if fault == "killed" else controller.suspend)()
    until = time.monotonic() + 3.0  # longer than any answer of the controller is used
    counts: list[int] = []
    while time.monotonic() < until:
        again, _, count = actor.bump(0.05)
        assert again == uid
        counts.append(count)
    assert counts == list(range(2, len(counts) + 2))
    assert actor.bump.remote(0.0).result(timeout=5.0)[0] == uid
    if fault == "killed":
        site.start_up(controller)
    else:
        controller.resume()
    folder.end.touch()
    assert len(job.wait(timeout=LIMIT).tasks or job.status().tasks[0].attempts) == 1
    worker.stop()
    controller.stop()
    wait_for_condition(lambda: not site.attempt_folders(), 5.0)
