"""What becomes of containers that somebody else touches, and of those whose worker is gone."""

from __future__ import annotations

import shutil
import signal
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from iris_api.platform import ExitKind
from iris_api.testing import Installed
from iris_api.testing.conformance._tasks import Attempts, KeptOutput, Task
from iris_backends.docker.folder import Folder, Order

Start = Callable[..., Task]
Install = Callable[..., Installed]
_LIMIT = 40.0
_STAYS = ("sh", "-c", "echo ready; sleep 600")


def container_of(client: docker.DockerClient, uid: str) -> Container:
    (found,) = client.containers.list(all=True, filters={"label": f"iris.attempt={uid}"})
    return found


def test_a_container_tells_whose_it_is(
    installed: Install, attempts: Attempts, docker_client: docker.DockerClient, image: str
) -> None:
    plugin = installed("docker", image=image)
    task = attempts.start(plugin.runtime(), _STAYS, info={"job_id": "training", "task_index": 1})
    labels = container_of(docker_client, task.uid).labels
    assert labels.pop("iris.root")
    assert labels == {
        "iris.cluster": plugin.cluster,
        "iris.attempt": task.uid,
        "iris.task": "training:1",
    }


def test_docker_kill_from_outside(start: Start, docker_client: docker.DockerClient) -> None:
    """It was not Iris that has ended it."""
    task = start(_STAYS)
    task.line()
    container_of(docker_client, task.uid).kill()
    end = task.end()
    assert (end.kind, end.signal, end.stopped) == (ExitKind.SIGNALED, signal.SIGKILL, False)


def test_a_container_that_somebody_removes(start: Start, docker_client: docker.DockerClient) -> None:
    task = start(_STAYS)
    task.line()
    container_of(docker_client, task.uid).remove(force=True)
    end = task.end()
    assert (end.kind, end.stopped) == (ExitKind.UNKNOWN, False)
    assert end.message == "its container is gone: somebody has removed it"


def test_a_paused_container_can_be_stopped(start: Start, docker_client: docker.DockerClient) -> None:
    task = start(_STAYS)
    task.line()
    container_of(docker_client, task.uid).pause()
    assert task.sandbox.wait(0) is None
    task.sandbox.stop(0.5)
    assert task.end().stopped


def test_an_end_is_told_also_when_it_cannot_be_kept(start: Start, tmp_path: Path) -> None:
    task = start(("sh", "-c", "echo ready; while [ ! -e go ]; do sleep 0.05; done; exit 3"))
    task.line()
    (folder,) = tmp_path.glob(f"directory/*/attempts/{task.uid}")
    (folder / "exit.new").mkdir()
    (task.workdir / "go").touch()
    assert task.end().code == 3


class _BadSink(KeptOutput):
    """It fails with the second line."""

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        super().write(source, data, timestamp_us)
        if data == "two":
            raise OSError("no space left")


def test_output_that_nobody_takes_does_not_keep_the_end(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    sink = _BadSink()
    task = start(
        ("sh", "-c", "for i in one two three four; do echo $i; sleep 0.1; done; exit 5"), output=sink
    )
    assert task.end().code == 5
    assert {"one", "four"} <= set(sink.of("stdout"))
    assert "output is lost" in caplog.text


def test_nothing_is_left_when_a_runtime_without_a_directory_is_closed(
    installed: Install, attempts: Attempts, docker_client: docker.DockerClient, image: str
) -> None:
    plugin = installed("docker", image=image)
    runtime = plugin.runtime(directory=None)
    running, ended = attempts.start(runtime, _STAYS), attempts.start(runtime, ("true",))
    running.line()
    ended.end()
    plugin.close()
    found = docker_client.containers.list(all=True, filters={"label": f"iris.cluster={plugin.cluster}"})
    assert found == []


class Left:
    """What a worker leaves that is gone: its containers go on."""

    def __init__(
        self, plugin: Installed, attempts: Attempts, client: docker.DockerClient, place: Path
    ) -> None:
        self._plugin, self._attempts, self._client = plugin, attempts, client
        self._root = place / "directory" / plugin.cluster / "attempts"

    def running(self) -> str:
        """The uid of one that has said something."""
        runtime, launch = self._plugin.runtime(), self._attempts.launch(_STAYS)
        launch.workdir.mkdir(parents=True)
        output = self._attempts.output_of(launch)
        Task(runtime.start(launch), output, launch.workdir, _LIMIT).line()
        self._plugin.close_platform_of(runtime)
        return launch.uid

    def created(self, like: str) -> str:
        """One that the worker was killed before it could start."""
        launch, other = self._attempts.launch(("true",)), container_of(self._client, like)
        folder = Folder(self._root / launch.uid)
        folder.make(launch, (0, 0))
        made = self._client.containers.create(
            other.attrs["Config"]["Image"], ["true"], labels={**other.labels, "iris.attempt": launch.uid}
        )
        folder.keep_order(Order(container=str(made.id)))
        return launch.uid

    def path(self, uid: str) -> Path:
        return self._root / uid

    def exists(self, uid: str) -> bool:
        found = self._client.containers.list(all=True, filters={"label": f"iris.attempt={uid}"})
        return bool(found or self.path(uid).exists())


@pytest.fixture
def plugin(installed: Install, image: str) -> Installed:
    return installed("docker", image=image)


@pytest.fixture
def left(plugin: Installed, attempts: Attempts, docker_client: docker.DockerClient, tmp_path: Path) -> Left:
    return Left(plugin, attempts, docker_client, tmp_path)


@pytest.fixture
def adopt(plugin: Installed, attempts: Attempts) -> Callable[[], dict[str, Task]]:
    """What the next worker finds, by uid. It is ended at the end of the test."""

    def adopt() -> dict[str, Task]:
        runtime, outputs = plugin.runtime(), defaultdict[str, KeptOutput](KeptOutput)
        found = runtime.adopt(lambda uid: outputs[uid])
        return {one.uid: attempts.hold(runtime, one, outputs[one.uid]) for one in found}

    return adopt


def test_the_next_worker_sweeps_what_nobody_wants(left: Left, adopt: Callable[[], dict[str, Task]]) -> None:
    """What was never started has not begun: it is nobody's end. What has no folder is not known any more."""
    kept, lost = left.running(), left.running()
    never = left.created(like=kept)
    shutil.rmtree(left.path(lost))
    adopted = adopt()
    assert list(adopted) == [kept]
    assert (left.exists(kept), left.exists(lost), left.exists(never)) == (True, False, False)
    assert adopted[kept].line() == "ready"


def test_a_container_that_was_made_by_a_request_whose_answer_was_lost(
    plugin: Installed, attempts: Attempts, docker_client: docker.DockerClient, image: str
) -> None:
    """The daemon refuses its name a second time, and it is ours."""
    runtime = plugin.runtime()
    labels = container_of(docker_client, attempts.start(runtime, _STAYS).uid).labels
    launch = attempts.launch(("true",))
    launch.workdir.mkdir(parents=True)
    labels["iris.attempt"] = launch.uid
    docker_client.containers.create(image, ["echo", "ours"], name=f"iris-{launch.uid}", labels=labels)
    task = attempts.hold(runtime, runtime.start(launch), attempts.output_of(launch))
    assert task.line() == "ours"


def test_a_container_that_was_removed_while_no_worker_was_there(
    left: Left, adopt: Callable[[], dict[str, Task]], docker_client: docker.DockerClient
) -> None:
    uid = left.running()
    container_of(docker_client, uid).remove(force=True)
    end = adopt()[uid].end()
    assert (end.kind, end.message) == (ExitKind.UNKNOWN, "its container is gone: somebody has removed it")


def test_what_is_torn_keeps_no_worker_from_the_others(
    left: Left, adopt: Callable[[], dict[str, Task]], attempts: Attempts
) -> None:
    """As after a loss of power."""
    torn, whole = left.running(), left.running()
    (left.path(torn) / "order").write_text("")
    adopted = adopt()
    end = adopted[torn].end()
    assert end.kind is ExitKind.UNKNOWN
    assert "it cannot be adopted" in end.message
    assert adopted[whole].sandbox.wait(0) is None
    attempts.clean()
    assert not left.exists(torn)
