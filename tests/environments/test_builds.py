"""A build is one attempt of the runtime for all that want the same, and ends with the last that waits."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from iris_api.errors import PlatformError
from iris_api.platform import Exit, ExitKind, Interpreter
from iris_api.testing import FakeRuntime, wait_for_condition
from iris_worker.environments.cache import PackageCache
from iris_worker.environments.wanted import Wanted
from iris_worker.errors import BadEnvironment, StoppedEarly
from tests.environments.kit import DONE, FAILED, Attempt, Builder, environments


@pytest.fixture
def runtime() -> Builder:
    return Builder()


def test_twenty_attempts_have_it_built_once(tmp_path: Path, runtime: Builder) -> None:
    worker = environments(tmp_path / "e", runtime)
    attempts = [Attempt(tmp_path, "x", "y").begin(worker) for _ in range(20)]
    build = runtime.wait_for()
    (build.launch.workdir / "packages" / "x.py").touch()
    build.finish(DONE)
    assert len({attempt.result() for attempt in attempts}) == 1
    assert (attempts[0].result() / "x.py").exists()
    assert len(runtime.launches) == 1
    assert runtime.attempts == {}  # it is forgotten


def test_two_workers_of_a_machine_have_it_built_once(tmp_path: Path, runtime: Builder) -> None:
    """Each in its own process, for all that it knows of the other."""
    other = Builder()
    first = Attempt(tmp_path, "x").begin(environments(tmp_path / "e", runtime))
    build = runtime.wait_for()
    second = Attempt(tmp_path, "x").begin(environments(tmp_path / "e", other))
    wait_for_condition(second.built, message="the second to be told")
    assert second.built() == [
        "iris: waiting for another worker of this machine, which installs the same packages"
    ]
    build.finish(DONE)
    assert first.result() == second.result()
    assert other.launches == []


def test_the_next_attempt_finds_it(tmp_path: Path, runtime: Builder) -> None:
    """In whatever order it names the packages; and is told who had them installed."""
    worker = environments(tmp_path / "e", runtime)
    first = Attempt(tmp_path, "x", "y").begin(worker)
    runtime.wait_for().finish(DONE)
    packages = first.result()
    second = Attempt(tmp_path, "y", "x").begin(worker)
    assert second.result() == packages
    (line,) = second.built()
    assert "which job:0 had installed at 20" in line
    assert len(runtime.launches) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"texts": ("x", "y")},
        {"interpreter": Interpreter(("python",), "another one")},
        {"env": {"PIP_INDEX_URL": "https://host/simple"}},
    ],
)
def test_what_differs_is_built_for_itself(tmp_path: Path, runtime: Builder, other: dict[str, object]) -> None:
    worker = environments(tmp_path / "e", runtime)
    first = Attempt(tmp_path, "x").begin(worker)
    runtime.wait_for(1).finish(DONE)
    texts = other.get("texts", ("x",))
    options = {key: value for key, value in other.items() if key == "interpreter"}
    second = Attempt(tmp_path, *texts, **options, **other.get("env", {})).begin(worker)  # type: ignore[misc, arg-type]
    runtime.wait_for(2).finish(DONE)
    assert first.result() != second.result()


def test_variables_of_the_job_s_own_do_not_matter(tmp_path: Path) -> None:
    plain, other = Attempt(tmp_path, "x"), Attempt(tmp_path, "x", MODE="fast", HTTPS_PROXY="http://p")
    assert plain.order.key == other.order.key


def test_the_build_is_an_attempt_of_its_own(
    tmp_path: Path, runtime: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a directory of its own, with the lines in a file and the workspace's files, and what the worker has
    been told of indexes and proxies; without a token, and without the job's own variables."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://worker/simple")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("https_proxy", "http://proxy")
    (tmp_path / "a.whl").write_bytes(b"wheel")
    lines = (
        Wanted("x", "pip_packages[0]", "x"),
        Wanted("./a.whl[gpu]", "pip_packages[1]", "./files/01/a.whl[gpu]", tmp_path / "a.whl"),
    )
    attempt = Attempt(tmp_path, wanted=lines, MODE="fast", PIP_TIMEOUT="7")
    attempt.begin(environments(tmp_path / "e", runtime))
    launch = runtime.wait_for().launch
    assert launch.uid == f"{attempt.uid}-build" == launch.info.attempt_uid
    assert (launch.workdir / "requirements.txt").read_text() == "./files/01/a.whl[gpu]\nx\n"
    assert (launch.workdir / "files" / "01" / "a.whl").read_bytes() == b"wheel"
    assert launch.env["PIP_INDEX_URL"] == "https://worker/simple"
    assert (launch.env["https_proxy"], launch.env["PIP_TIMEOUT"]) == ("http://proxy", "7")
    assert not {"MODE", "PIP_TARGET", "PATH"} & launch.env.keys()
    assert launch.entry.argv[:2] == ("python", str(launch.workdir / "install.py"))
    runtime.wait_for().finish(DONE)
    attempt.result()


def test_its_output_is_in_the_log_of_each(tmp_path: Path, runtime: Builder) -> None:
    """Of one that comes later too, from the first line."""
    worker = environments(tmp_path / "e", runtime)
    first = Attempt(tmp_path, "x").begin(worker)
    build = runtime.wait_for()
    build.print("resolving")
    second = Attempt(tmp_path, "x").begin(worker)
    wait_for_condition(lambda: "resolving" in second.built(), message="the second to join")
    build.print("downloading", "stderr")
    build.finish(DONE)
    first.result(), second.result()
    begin = f"iris: installing 1 requirements into environment {first.order.key[:12]}"
    assert first.built() == second.built() == [begin, "resolving", "downloading"]
    assert {source for source, _ in first.log.entries} == {"build"}


def test_a_failure_names_the_line_as_each_has_written_it(tmp_path: Path, runtime: Builder) -> None:
    worker = environments(tmp_path / "e", runtime)
    first = Attempt(tmp_path, "x", "nosuch==1").begin(worker)
    build = runtime.wait_for()
    second = Attempt(tmp_path, "nosuch==1", "x").begin(worker)
    wait_for_condition(second.built, message="the second to join")
    build.print("ERROR: No matching distribution found for nosuch==1", "stderr")
    build.finish(FAILED)
    reason = "'nosuch==1': No matching distribution found for nosuch==1"
    for attempt, index in ((first, 1), (second, 0)):
        error = attempt.error()
        assert isinstance(error, BadEnvironment)
        assert str(error) == f"the job's environment could not be built: pip_packages[{index}] {reason}"
        assert error.of_job


def test_a_failure_is_not_remembered(tmp_path: Path, runtime: Builder) -> None:
    """The next attempt tries again, and nothing is left of the first."""
    worker = environments(tmp_path / "e", runtime)
    first = Attempt(tmp_path, "x").begin(worker)
    build = runtime.wait_for(1)
    (build.launch.workdir / "packages" / "half").touch()
    build.finish(FAILED)
    assert first.error() is not None
    second = Attempt(tmp_path, "x").begin(worker)
    runtime.wait_for(2).finish(DONE)
    assert list(second.result().iterdir()) == []


def test_a_network_that_fails_is_the_machine_s_fault(tmp_path: Path, runtime: Builder) -> None:
    attempt = Attempt(tmp_path, "x").begin(environments(tmp_path / "e", runtime))
    build = runtime.wait_for()
    build.print("ERROR: x: Temporary failure in name resolution")
    build.finish(FAILED)
    error = attempt.error()
    assert isinstance(error, BadEnvironment)
    assert not error.of_job


@pytest.mark.parametrize(
    ("end", "said", "of_job"),
    [
        (Exit(kind=ExitKind.OUT_OF_MEMORY, message="over 1GB"), "over 1GB", True),
        (Exit(kind=ExitKind.SIGNALED, signal=9), "not run to its end: it was ended by signal 9", False),
        (Exit(kind=ExitKind.ENVIRONMENT, message="no image"), "not run to its end: no image", False),
    ],
)
def test_a_build_that_is_ended(tmp_path: Path, runtime: Builder, end: Exit, said: str, of_job: bool) -> None:
    attempt = Attempt(tmp_path, "x").begin(environments(tmp_path / "e", runtime))
    runtime.wait_for().finish(end)
    error = attempt.error()
    assert isinstance(error, BadEnvironment)
    assert said in str(error)
    assert error.of_job is of_job


def test_a_runtime_that_cannot_start_it(tmp_path: Path) -> None:
    runtime = FakeRuntime()
    runtime.fail("the daemon is down")
    attempt = Attempt(tmp_path, "x").begin(environments(tmp_path / "e", runtime))
    error = attempt.error()
    assert isinstance(error, PlatformError)
    assert "could not be built: attempt" in str(error)
    assert "the daemon is down" in str(error)


def test_a_build_has_a_bound(tmp_path: Path, runtime: Builder) -> None:
    attempt = Attempt(tmp_path, "x").begin(environments(tmp_path / "e", runtime, patience=0.2))
    build = runtime.wait_for()
    build.print("downloading")
    error = attempt.error()
    assert "it was not done in 0.2 s; the last line was: downloading" in str(error)
    assert build.wait(0) is not None


def test_it_ends_with_the_last_that_waits(tmp_path: Path, runtime: Builder) -> None:
    worker = environments(tmp_path / "e", runtime)
    first = Attempt(tmp_path, "x").begin(worker)
    build = runtime.wait_for()
    second = Attempt(tmp_path, "x").begin(worker)
    first.stop()
    assert isinstance(first.error(), StoppedEarly)
    assert build.wait(0) is None
    second.stop()
    assert isinstance(second.error(), StoppedEarly)
    assert build.wait(10) is not None


def test_who_comes_after_a_build_was_given_up_has_another(tmp_path: Path, runtime: Builder) -> None:
    worker = environments(tmp_path / "e", runtime)
    first = Attempt(tmp_path, "x").begin(worker)
    runtime.wait_for(1)
    first.stop()
    second = Attempt(tmp_path, "x").begin(worker)
    runtime.wait_for(2).finish(DONE)
    assert second.result().is_dir()


def test_it_goes_on_with_the_files_of_another(tmp_path: Path, runtime: Builder) -> None:
    """The first is stopped before its build has the lock: its directory may be gone by then."""
    worker = environments(tmp_path / "e", runtime)
    files = [tmp_path / name for name in ("1.whl", "2.whl")]
    attempts = []
    for file in files:
        file.write_bytes(b"wheel")
        line = Wanted("./a.whl", "pip_packages[0]", "./files/01/a.whl", file)
        attempts.append(Attempt(tmp_path, wanted=(line,)))
    lock = PackageCache(tmp_path / "e", limit=0).lock(attempts[0].order.key)
    assert lock.try_acquire()
    for attempt in attempts:
        attempt.begin(worker)
        wait_for_condition(attempt.built, message="the attempt to wait")
    attempts[0].stop()
    files[0].unlink()
    lock.release()
    runtime.wait_for().finish(DONE)
    assert attempts[1].result().is_dir()


def test_the_limit_is_kept(tmp_path: Path, runtime: Builder) -> None:
    """What nobody uses makes room for the new."""
    worker = environments(tmp_path / "e", runtime, limit=1500)
    places = []
    for number, text in enumerate("xy", start=1):
        attempt = Attempt(tmp_path, text).begin(worker)
        build = runtime.wait_for(number)
        (build.launch.workdir / "packages" / "data").write_bytes(bytes(1000))
        build.finish(DONE)
        places.append(attempt.result())
        worker.release(attempt.uid)
    wait_for_condition(lambda: not places[0].exists(), message="the first to be removed")
    assert places[1].exists()


def test_a_job_that_asks_for_another_memory_shares_it(tmp_path: Path) -> None:
    order = Attempt(tmp_path, "x").order
    assert evolve(order, limits=evolve(order.limits, memory=10**9)).key == order.key
