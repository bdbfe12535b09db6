"""What a task in a container can do, and what it cannot."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from iris_api.platform import ExitKind, Runtime
from iris_api.resources import ResourceSpec
from iris_api.testing.conformance._tasks import Attempts, Task
from iris_backends.docker.sandbox import ContainerSandbox

Start = Callable[..., Task]
MakeRuntime = Callable[..., Runtime]

_LOOK = """
echo uid=$(id -u) gid=$(id -g)
grep -E '^(NoNewPrivs|CapEff|CapBnd|Seccomp):' /proc/self/status | tr -d '\\t'
for place in / /etc /usr /tmp . "$HOME"; do
    touch $place/probe 2>/dev/null && echo "$place written" || echo "$place refused"
done
ls -d /var/run/docker.sock /run/docker.sock 2>/dev/null || echo no socket
cat /proc/1/comm
"""


def look(task: Task) -> list[str]:
    assert task.end().success, task.output.entries
    return task.output.of("stdout")


def python(code: str) -> tuple[str, ...]:
    return ("python3", "-c", code)


def shell(code: str) -> tuple[str, ...]:
    return ("sh", "-c", code)


def test_a_task_is_hardened_unless_somebody_says_otherwise(start: Start) -> None:
    seen = look(start(shell(_LOOK)))
    own = (os.getuid(), os.getgid()) if os.getuid() else (65534, 65534)
    assert seen[0] == f"uid={own[0]} gid={own[1]}"
    assert {"NoNewPrivs:1", "CapEff:0000000000000000", "CapBnd:0000000000000000"} <= set(seen)
    assert {"/ refused", "/etc refused", "/usr refused", "/tmp written", ". written"} <= set(seen)
    assert "no socket" in seen
    assert seen[-1] == "docker-init"


@pytest.fixture(scope="module")
def privileges(docker_client: docker.DockerClient, image: str) -> bool:
    """Whether the daemon has what a privileged container is given: in a container of its own it may not."""
    container = docker_client.containers.create(image, ["true"], privileged=True)
    try:
        container.start()
    except docker.errors.APIError:
        return False
    finally:
        container.remove(force=True)
    return True


@pytest.mark.parametrize(
    ("profile", "expected", "unexpected"),
    [
        ("writable", {"NoNewPrivs:1", "CapEff:0000000000000000", "/tmp written"}, {"uid=0 gid=0"}),
        ("root", {"uid=0 gid=0", "NoNewPrivs:1", "/ written"}, {"CapEff:0000000000000000"}),
        ("privileged", {"uid=0 gid=0", "NoNewPrivs:0", "/etc written"}, {"Seccomp:2"}),
    ],
)
def test_a_profile_loosens_it(
    make_runtime: MakeRuntime,
    attempts: Attempts,
    privileges: bool,
    profile: str,
    expected: set[str],
    unexpected: set[str],
) -> None:
    if profile == "privileged" and not privileges:
        pytest.skip("this machine's daemon may not give all privileges")
    seen = set(look(attempts.start(make_runtime(profile=profile), shell(_LOOK))))
    assert expected <= seen
    assert seen.isdisjoint(unexpected)
    assert "no socket" in seen


def test_user_and_mounts_of_the_table(make_runtime: MakeRuntime, attempts: Attempts, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "file").write_text("found\n")
    (tmp_path / "out").mkdir(mode=0o777)
    (tmp_path / "out").chmod(0o777)
    mounts = [f"{tmp_path}/given:/given", f"{tmp_path}/out:/out:rw"]
    code = (
        "id -u; id -g; cat /given/file; touch /given/new 2>/dev/null || echo no; touch /out/new . && echo yes"
    )
    task = attempts.start(make_runtime(user="1234:1235", network="none", mounts=mounts), shell(code))
    assert look(task) == ["1234", "1235", "found", "no", "yes"]
    status = (tmp_path / "out" / "new").stat()
    assert (status.st_uid, status.st_gid) == (1234, 1235)


def test_an_image_of_the_jobs_own(
    make_runtime: MakeRuntime, attempts: Attempts, docker_client: docker.DockerClient, image: str
) -> None:
    """It goes before the table's, which need not be there."""
    runtime = make_runtime(image="iris-test.invalid/none:1", pull="never")
    assert look(attempts.start(runtime, shell("echo ran"), image=image)) == ["ran"]


@pytest.fixture
def below_root() -> Iterator[Path]:
    if os.getuid():
        pytest.skip("only root has files below /root")
    made = Path(tempfile.mkdtemp(dir="/root"))
    yield made
    shutil.rmtree(made)


def test_a_workdir_below_the_home_of_root(start: Start, below_root: Path) -> None:
    """The image's /root is for root alone, and the task is not root."""
    assert look(start(shell("pwd; echo made > file; cat file"), workdir=below_root)) == [
        str(below_root),
        "made",
    ]
    assert (below_root / "file").read_text() == "made\n"


def test_half_a_core_is_half_a_core(start: Start) -> None:
    code = "import time\nend = time.time() + 1\nwhile time.time() < end: pass\nprint(time.process_time())"
    task = start(python(code), limits=ResourceSpec(cpu=0.5))
    assert 0.05 < float(look(task)[0]) < 0.75


_BOMB = """
import os, time
made = 0
for _ in range(10_000):
    try:
        if not os.fork():
            time.sleep(600)
    except BlockingIOError:
        continue
    made += 1
print(made, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_fork_bomb_and_a_memory_hog_harm_no_neighbour(
    make_runtime: MakeRuntime, attempts: Attempts
) -> None:
    runtime = make_runtime(pids=100)
    neighbour = attempts.start(
        runtime, shell("echo here; while [ ! -e ping ]; do sleep 0.05; done; echo pong")
    )
    bomb = attempts.start(runtime, python(_BOMB))
    assert neighbour.line() == "here"
    assert 50 < int(bomb.line()) < 100
    hog = attempts.start(
        runtime, python("x = b'x' * 2**30; print(len(x))"), limits=ResourceSpec(memory="64MiB")
    )
    end = hog.end()
    assert (end.kind, end.memory_peak, hog.output.of("stdout")) == (ExitKind.OUT_OF_MEMORY, 2**26, [])
    assert bomb.sandbox.wait(0) is None
    (neighbour.workdir / "ping").touch()
    assert look(neighbour) == ["here", "pong"]
    bomb.sandbox.stop(0)
    assert bomb.end().stopped


def test_memory_of_a_child_is_the_tasks_own_affair(start: Start) -> None:
    """It is killed, and the task goes on; how that ends is told, and what may be why."""
    child = "python3 -c 'x = b\"x\" * 2**28'"
    limits = ResourceSpec(memory="64MiB")
    survivor, victim = (start(shell(f"{child}; exit {code}"), limits=limits) for code in (0, 3))
    assert survivor.end().success
    end = victim.end()
    assert (end.kind, end.code) == (ExitKind.EXITED, 3)
    assert end.message == "one of its processes was killed for memory"


def test_files_in_tmp_are_memory(start: Start) -> None:
    task = start(
        shell("exec dd if=/dev/zero of=/tmp/file bs=1M count=200"), limits=ResourceSpec(memory="64MiB")
    )
    assert task.end().kind is ExitKind.OUT_OF_MEMORY


def test_what_a_task_uses(start: Start) -> None:
    code = "import time; x = b'x' * 2**26; sum(range(10**7)); print('ready', flush=True); time.sleep(600)"
    task = start(python(code), limits=ResourceSpec(memory="256MiB"))
    task.line()
    stats = task.sandbox.stats()
    assert stats is not None
    assert 2**26 <= stats.memory <= 2**28
    assert stats.cpu_seconds > 0
    assert stats.processes == 2  # with its init


def test_the_peak_is_that_of_the_task(start: Start) -> None:
    """As far as it has been looked at, which happens each second."""
    code = "x = b'x' * 2**26\ndel x\nprint('ready', flush=True)\nimport time; time.sleep(600)"
    task = start(python(code))
    task.line()
    assert isinstance(task.sandbox, ContainerSandbox)
    task.sandbox.sample()
    task.sandbox.stop(0)
    assert 2**26 <= (task.end().memory_peak or 0) < 2**28


def test_a_command_inside(start: Start) -> None:
    """As the task itself: its user, its directory, its variables; both streams; also when it goes on after it
    has closed its output."""
    task = start(shell("echo ready; sleep 600"), env={"MINE": "1"})
    task.line()
    code, output = task.sandbox.exec(
        ("sh", "-c", "id -u; pwd; echo $MINE; echo error >&2; exec >&- 2>&-; sleep 0.3; exit 4")
    )
    assert code == 4
    assert sorted(output.decode().split()) == sorted(
        [str(os.getuid() or 65534), str(task.workdir), "1", "error"]
    )
