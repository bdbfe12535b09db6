"""Builds as processes: with pip and with uv, killed in the middle, and found by the next worker process."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iris_api.platform import Interpreter
from iris_api.rpc import cluster_pb2 as pb
from iris_api.supervised.runtime import SupervisedRuntime
from iris_api.testing import wait_for_condition
from iris_api.testing.conformance._tasks import KeptOutput, marked_processes
from iris_api.threads import get_thread_registry
from iris_worker.environments import found_first, wanted
from iris_worker.errors import BadEnvironment
from tests.environments.kit import Attempt, environments
from tests.rigs.wheels import wheel

MakeRuntime = Callable[[], SupervisedRuntime]
SLOW = Interpreter(("/bin/sh", "-c", "touch packages/half; echo begun; sleep 600", "sh"), "the same")
QUICK = Interpreter(("/bin/sh", "-c", "touch packages/whole", "sh"), "the same")
_WORKER = """
import sys
from pathlib import Path
from iris_api.supervised.runtime import SupervisedRuntime
from iris_api.threads import get_thread_registry
from tests.environments.kit import Attempt, environments
from tests.environments.test_real_builds import SLOW

root = Path(sys.argv[1])
runtime = SupervisedRuntime(root / "sandboxes", get_thread_registry().container)
attempt = Attempt(root, "x", interpreter=SLOW)
print(attempt.uid, flush=True)
attempt.begin(environments(root / "e", runtime)).result()
"""


@pytest.fixture
def make_runtime(tmp_path: Path) -> Iterator[MakeRuntime]:
    made: list[SupervisedRuntime] = []

    def make() -> SupervisedRuntime:
        made.append(SupervisedRuntime(tmp_path / "sandboxes", get_thread_registry().container))
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()


@pytest.fixture(params=["pip", "uv"])
def installer(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What installs: uv if it is on the worker's PATH. No registry is asked, and no setting of this machine
    counts."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    beside = Path(sys.executable).parent
    uv = shutil.which("uv", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if request.param == "uv" and uv is None:
        pytest.skip("there is no uv on this machine")
    if request.param == "pip" and importlib.util.find_spec("pip") is None:
        pytest.skip("this interpreter has no pip")
    (tmp_path / "bin").mkdir()
    if request.param == "uv":
        (tmp_path / "bin" / "uv").symlink_to(str(uv))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    if request.param == "pip" and shutil.which("uv"):
        pytest.skip("uv is where it cannot be hidden")
    return str(request.param)


def order(root: Path, runtime: SupervisedRuntime, *packages: str) -> Attempt:
    """An attempt whose workspace has two wheels, one of which needs the other."""
    workspace = root / "workspace"
    wheel(workspace / "wheels", "thing")
    wheel(workspace / "wheels", "needy", requires=["thing>=1"])
    lines = wanted(pb.Environment(pip_packages=packages), workspace)
    return Attempt(root, interpreter=runtime.interpreter(""), wanted=lines)


THING, NEEDY = "./wheels/thing-1.0-py3-none-any.whl", "wheels/needy-1.0-py3-none-any.whl"


def test_a_wheel_of_the_workspace(tmp_path: Path, make_runtime: MakeRuntime, installer: str) -> None:
    """Its modules and its programs are found, and are compiled already."""
    runtime = make_runtime()
    attempt = order(tmp_path, runtime, THING, NEEDY).begin(environments(tmp_path / "e", runtime))
    packages = attempt.result()
    env = found_first(packages, {"PYTHONPATH": "/own"}, "/usr/bin:/bin")
    assert env["PYTHONPATH"] == f"{packages}:/own"
    assert env["PATH"] == f"{packages}/bin:/usr/bin:/bin"
    argv = [sys.executable, "-c", "import needy, thing; print(thing.__file__)"]
    assert subprocess.check_output(argv, env=env, text=True).strip() == str(packages / "thing.py")
    assert subprocess.check_output(["thing"], env=env, text=True) == "1.0\n"
    assert list((packages / "__pycache__").glob("thing.*.pyc"))
    assert attempt.built()[1] == f"iris: {installer} installs"


def test_a_requirement_that_there_is_not(tmp_path: Path, make_runtime: MakeRuntime, installer: str) -> None:
    runtime = make_runtime()
    attempt = order(tmp_path, runtime, THING, "nosuch==1").begin(environments(tmp_path / "e", runtime))
    error = attempt.error()
    assert isinstance(error, BadEnvironment)
    said = {
        "pip": "No matching distribution found for nosuch==1",
        "uv": "Because nosuch was not found in the ",
    }
    start = "the job's environment could not be built: pip_packages[1] 'nosuch==1': "
    assert str(error).startswith(start + said[installer])
    assert error.of_job


def test_what_a_wheel_needs_and_there_is_not(
    tmp_path: Path, make_runtime: MakeRuntime, installer: str
) -> None:
    """The line that asks for the wheel is named."""
    runtime = make_runtime()
    attempt = order(tmp_path, runtime, NEEDY).begin(environments(tmp_path / "e", runtime))
    assert f"pip_packages[0] '{NEEDY}': " in str(attempt.error())
    assert "thing>=1" in str(attempt.error())


def test_an_index_that_only_pip_was_told(tmp_path: Path, make_runtime: MakeRuntime, installer: str) -> None:
    """A machine's settings of pip hold for uv too."""
    (tmp_path / "pip.conf").write_text(f"[install]\nno-index = true\nfind-links = {tmp_path}/links\n")
    wheel(tmp_path / "links", "other")
    os.environ["PIP_CONFIG_FILE"] = str(tmp_path / "pip.conf")
    runtime = make_runtime()
    attempt = order(tmp_path, runtime, "other==1.0").begin(environments(tmp_path / "e", runtime))
    assert (attempt.result() / "other.py").exists()


def test_a_worker_that_is_killed_leaves_nothing_that_is_taken_for_whole(
    tmp_path: Path, make_runtime: MakeRuntime
) -> None:
    """The next process of it ends the build that went on alone, and clears up after it."""
    argv = [sys.executable, "-c", _WORKER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        uid = worker.stdout.readline().strip()
        wait_for_condition(lambda: list((tmp_path / "e").glob(".*/packages/half")), message="half of it")
        worker.send_signal(signal.SIGKILL)
    runtime = make_runtime()
    again = environments(tmp_path / "e", runtime)
    adopted = {sandbox.uid: sandbox for sandbox in runtime.adopt(lambda _: KeptOutput())}
    assert list(adopted) == [f"{uid}-build"]
    assert again.clear_up(adopted) == {}
    assert marked_processes(f"{uid}-build") == []
    assert [path for path in (tmp_path / "e").iterdir() if path.is_dir()] == []
    packages = Attempt(tmp_path, "x", interpreter=QUICK).begin(again).result()
    assert [path.name for path in packages.iterdir()] == ["whole"]


def test_another_worker_goes_on_where_one_was_killed(tmp_path: Path, make_runtime: MakeRuntime) -> None:
    """It waits for the same packages, and has them built itself as soon as the lock is free."""
    runtime = make_runtime()
    argv = [sys.executable, "-c", _WORKER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as worker:
        wait_for_condition(lambda: list((tmp_path / "e").glob(".*/packages/half")), message="half of it")
        attempt = Attempt(tmp_path, "x", interpreter=QUICK).begin(environments(tmp_path / "e", runtime))
        wait_for_condition(attempt.built, message="it to wait")
        worker.kill()
    assert [path.name for path in attempt.result().iterdir()] == ["whole"]
    for orphan in runtime.adopt(lambda _: KeptOutput()):
        if orphan.uid != f"{attempt.uid}-build":
            orphan.stop(0)
            assert orphan.wait(10) is not None


def test_an_interpreter_without_an_installer(tmp_path: Path, make_runtime: MakeRuntime) -> None:
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    script.chmod(0o755)
    os.environ["PATH"] = "/usr/bin:/bin"
    attempt = Attempt(tmp_path, "x", interpreter=Interpreter((str(script),), "bare"))
    error = attempt.begin(environments(tmp_path / "e", make_runtime())).error()
    assert "has no pip, and the worker has no uv" in str(error)
