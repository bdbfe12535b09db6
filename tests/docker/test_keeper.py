"""What becomes of containers whose worker was killed, with the real daemon."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import docker.types
import pytest

from iris_api.errors import PlatformError
from iris_api.platform import Lease
from iris_api.testing import wait_for_condition
from iris_backends.docker.keeper import Keeper
from tests.backends.support import open_files
from tests.docker.keepers import DAEMON, STUBBORN, Rig, as_labels

LEASE = Lease(grace=1.0, absence=60.0)


@pytest.fixture
def controller() -> Iterator[str]:
    """As far as a keeper can see: somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def stays(rig: Rig, container: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    wait_for_condition(lambda: not rig.is_running(container) or time.monotonic() > until, timeout=20)
    assert rig.is_running(container)


def test_containers_end_when_the_lease_is_over(rig: Rig, controller: str) -> None:
    """By then the controller has given their attempts away. The keeper follows them."""
    containers = [rig.container() for _ in range(3)]
    rig.worker(controller=controller).kill()
    assert 0.8 < rig.seconds_until_gone(*containers) < 5
    wait_for_condition(lambda: not rig.keepers(), message="the keeper's end")
    assert "the containers end: its worker was gone for 1 s" in rig.log()


def test_they_go_on_while_the_controller_is_away_too(rig: Rig) -> None:
    """Until the absence is over."""
    container = rig.container()
    rig.worker(grace=0.5, absence=2.5).kill()
    stays(rig, container, 2.0)
    rig.seconds_until_gone(container)


def test_they_go_on_with_a_worker_that_comes_in_time(rig: Rig, controller: str) -> None:
    """It takes the keeper over, and what it has been told."""
    container = rig.container()
    rig.worker(controller=controller).kill()
    keeper = rig.keeper()
    second = rig.worker(controller=controller)
    stays(rig, container, 2.0)
    assert rig.keeper() == keeper
    second.kill()
    assert 0.8 < rig.seconds_until_gone(container) < 5


def test_a_worker_that_comes_while_they_end_keeps_the_rest(rig: Rig, controller: str) -> None:
    gentle, stubborn = rig.container(), rig.container(STUBBORN)
    rig.worker(controller=controller, grace=0.1).kill()
    rig.seconds_until_gone(gentle)
    rig.worker(controller=controller)
    stays(rig, stubborn, 3.5)


def test_what_is_bound_ends_with_the_worker(rig: Rig, tmp_path: Path) -> None:
    """Whatever it makes of SIGTERM; and after that its directory is removed."""
    directory = tmp_path / "directory"
    directory.mkdir()
    (directory / "file").touch()
    containers = rig.container(), rig.container(STUBBORN)
    rig.worker(bound=True, remove=directory).kill()
    assert rig.seconds_until_gone(*containers) < 4
    wait_for_condition(lambda: not directory.exists(), message="the directory's end")


def test_of_every_state_nothing_is_left(rig: Rig, docker_client: docker.DockerClient) -> None:
    """Ended, never started, paused; and the volumes that were made for them."""
    volume = docker.types.Mount("/data", None, type="volume")
    ended, paused = rig.container("exit 3", mounts=[volume]), rig.container()
    docker_client.api.pause(paused)
    made = docker_client.api.create_container(rig.image, "never", labels=as_labels(rig.label))
    (mount,) = docker_client.api.inspect_container(ended)["Mounts"]
    rig.worker(bound=True).kill()
    rig.seconds_until_gone(ended, paused, made["Id"])
    assert mount["Name"] not in [one.name for one in docker_client.volumes.list()]


def test_containers_of_others_are_let_be(rig: Rig) -> None:
    others = rig.container(labels=as_labels(f"{rig.label}-other"))
    own = rig.container()
    rig.worker(bound=True).kill()
    rig.seconds_until_gone(own)
    wait_for_condition(lambda: not rig.keepers(), message="the keeper's end")
    assert rig.is_running(others)
    rig.remove(others)


def test_without_a_lease_they_go_on(rig: Rig) -> None:
    """The keeper too, as long as one of them runs."""
    container = rig.container()
    rig.worker(grace=None).kill()
    stays(rig, container, 1.5)
    assert rig.keepers()


def test_a_keeper_without_worker_and_containers_ends(rig: Rig) -> None:
    rig.worker().kill()
    wait_for_condition(lambda: not rig.keepers(), timeout=5, message="the keeper's end")


def test_a_worker_ends_all_and_waits_for_it(rig: Rig) -> None:
    containers = [rig.container() for _ in range(3)]
    rig.worker().close(end_containers=True)
    assert not set(containers) & set(rig.containers())
    assert not rig.keepers()


def test_a_worker_that_is_bound_leaves_nothing(rig: Rig, tmp_path: Path) -> None:
    """The keeper's own folder may be in what is removed."""
    container = rig.container()
    worker = rig.worker(bound=True, remove=tmp_path / "all", folder=tmp_path / "all" / "keeper")
    worker.close(end_containers=True)
    assert container not in rig.containers()
    assert not rig.keepers()
    assert not (tmp_path / "all").exists()


def test_a_worker_that_leaves_them_has_a_lease_too(rig: Rig, controller: str) -> None:
    container = rig.container()
    rig.worker(controller=controller).close()
    assert rig.is_running(container)
    assert 0.5 < rig.seconds_until_gone(container) < 5


def test_a_keeper_that_was_killed_is_replaced_at_the_next_hold(rig: Rig) -> None:
    keeper = Keeper(rig.folder, DAEMON, rig.label, bound=False)
    keeper.hold(LEASE)
    first = rig.keeper()
    rig.kill_keeper()
    keeper.hold(LEASE)
    assert rig.keeper() != first
    keeper.close(end_containers=True)


def test_keeper_and_worker_killed_together(rig: Rig, controller: str) -> None:
    """The next worker's keeper looks after what is there."""
    container = rig.container()
    worker = rig.worker(controller=controller)
    rig.kill_keeper()
    worker.kill()
    rig.worker(controller=controller).kill()
    rig.seconds_until_gone(container)


def test_several_threads_have_one_keeper(rig: Rig) -> None:
    keeper = Keeper(rig.folder, DAEMON, rig.label, bound=False)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keeper.hold, [LEASE] * 8))
    assert len(rig.keepers()) == 1
    keeper.close(end_containers=True)


def test_two_folders_have_two_keepers(rig: Rig, tmp_path: Path) -> None:
    """The end of one worker does not concern what another one has."""
    kept = rig.container(labels=as_labels(f"{rig.label}-2"))
    container = rig.container()
    rig.worker(bound=True, folder=tmp_path / "second", label=f"{rig.label}-2")
    rig.worker(bound=True).kill()
    rig.seconds_until_gone(container)
    stays(rig, kept, 0.5)


def test_holding_costs_little(rig: Rig) -> None:
    """Every start of a container does it."""
    keeper = Keeper(rig.folder, DAEMON, rig.label, bound=False)
    keeper.hold(LEASE)
    began = time.perf_counter()
    for _ in range(100):
        keeper.hold(LEASE)
    assert (time.perf_counter() - began) / 100 < 0.001
    keeper.close(end_containers=True)


def test_a_keeper_is_small(rig: Rig, controller: str) -> None:
    """Also once it has looked after containers."""
    rig.container()
    rig.worker(listen="127.0.0.1", controller=controller, grace=1.0).kill()
    wait_for_condition(lambda: "the containers end" in rig.log(), message="the lease to be over")
    assert rig.keeper_memory() < 12 << 20


def test_nothing_of_it_is_left_in_the_worker(rig: Rig) -> None:
    before = open_files(), threading.active_count()
    keeper = Keeper(rig.folder, DAEMON, rig.label, bound=False)
    keeper.hold(LEASE)
    rig.kill_keeper()
    keeper.hold(LEASE)
    keeper.close(end_containers=False)
    keeper.close(end_containers=False)
    assert (open_files(), threading.active_count()) == before
    with pytest.raises(PlatformError, match="closed"):
        keeper.hold(LEASE)


def test_a_daemon_that_is_away_is_waited_for(rig: Rig, tmp_path: Path) -> None:
    socket_path = tmp_path / "docker.sock"
    container = rig.container()
    rig.worker(bound=True, daemon=f"unix://{socket_path}").kill()
    wait_for_condition(lambda: "the daemon:" in rig.log(), message="the keeper to see that it is away")
    socket_path.symlink_to(DAEMON.removeprefix("unix://"))
    rig.seconds_until_gone(container)


def test_a_daemon_that_stays_away_is_given_up(rig: Rig, tmp_path: Path) -> None:
    rig.worker(bound=True, absence=1.0, daemon=f"unix://{tmp_path}/docker.sock").kill()
    wait_for_condition(lambda: not rig.keepers(), message="the keeper's end")
    assert "gives up, the daemon was away for 1 s" in rig.log()


def test_a_daemon_that_it_cannot_speak_to_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"ssh://there.*only to unix://, tcp://, http://"):
        Keeper(tmp_path, "ssh://there", "label", bound=False)


def test_one_that_cannot_be_started_says_where_to_look(tmp_path: Path) -> None:
    (tmp_path / "keeper" / "lock").mkdir(parents=True)
    keeper = Keeper(tmp_path / "keeper", DAEMON, "label", bound=False)
    with pytest.raises(PlatformError, match=r"cannot be started; see .*keeper\.log"):
        keeper.hold(LEASE)
    keeper.close(end_containers=False)
