"""Runtime: what an earlier worker process has left is found by the next."""

from __future__ import annotations

from iris_api.platform import Launch, Runtime
from iris_api.testing.conformance._calls import run_and_kill
from iris_api.testing.conformance._runtime_base import MakeRuntime, RuntimeBase
from iris_api.testing.conformance._tasks import Attempts, KeptOutput, Task
from iris_api.testing.conformance.base import needs
from iris_api.testing.programs import Program
from iris_api.testing.waiting import wait_for_condition

__all__ = ["RuntimeAdopt"]

_FIRST = (("stdout", "first"),)


class RuntimeAdopt(RuntimeBase):
    """The earlier worker is a process of its own, killed with SIGKILL while its task runs."""

    def test_adopt_where_nothing_was_left(self, make_runtime: MakeRuntime) -> None:
        """Where nothing was left `adopt` finds nothing, and that is no error."""
        assert list(make_runtime().adopt(lambda uid: KeptOutput())) == []

    @needs("adopt")
    def test_adopt_finds_what_runs(
        self, make_runtime: MakeRuntime, attempts: Attempts, patience: float
    ) -> None:
        """Tasks go on when their worker is killed. The next worker finds them all, gets the output of each
        from its first line, and can wait for its end."""
        launches = [
            attempts.launch(Program(lines=_FIRST, until="go", after=(f"last {code}",), code=code))
            for code in (6, 7)
        ]
        _leave(make_runtime, attempts, patience, *launches)
        tasks = _adopt(make_runtime(), attempts, *launches)
        for task, code in zip(tasks, (6, 7), strict=True):
            assert task.line() == "first"
            assert task.sandbox.wait(0) is None
            (task.workdir / "go").touch()
            end = task.end()
            assert (end.code, end.stopped) == (code, False)
            assert task.output.of("stdout") == ["first", f"last {code}"]

    @needs("adopt")
    def test_adopt_finds_what_has_ended(
        self, make_runtime: MakeRuntime, attempts: Attempts, patience: float
    ) -> None:
        """A task that has ended while no worker was there is found with all its output and its exit."""
        launch = attempts.launch(Program(lines=_FIRST, until="go", after=("last",), code=6))
        _leave(make_runtime, attempts, patience, launch)
        (launch.workdir / "go").touch()
        wait_for_condition(
            lambda: not attempts.processes_of(launch.uid), patience, message="the end of the task"
        )
        (task,) = _adopt(make_runtime(), attempts, launch)
        assert (task.end().code, task.output.of("stdout")) == (6, ["first", "last"])

    @needs("adopt")
    def test_adopted_can_be_stopped(
        self, make_runtime: MakeRuntime, attempts: Attempts, patience: float
    ) -> None:
        """What was adopted is stopped as what this process has started."""
        launch = attempts.launch(Program(lines=_FIRST, stays=True))
        _leave(make_runtime, attempts, patience, launch)
        (task,) = _adopt(make_runtime(), attempts, launch)
        task.sandbox.stop(patience / 2)
        assert task.end().stopped
        assert list(attempts.processes_of(launch.uid)) == []

    @needs("adopt")
    def test_adopt_leaves_out_what_is_forgotten(
        self, make_runtime: MakeRuntime, attempts: Attempts, patience: float
    ) -> None:
        """What has ended is found by every next worker until one has forgotten it."""
        launch = attempts.launch(Program(lines=_FIRST, stays=True))
        _leave(make_runtime, attempts, patience, launch)
        second = make_runtime()
        (task,) = _adopt(second, attempts, launch)
        task.sandbox.stop(0)
        task.end()
        third = make_runtime()
        (again,) = _adopt(third, attempts, launch)
        assert again.end() == task.end()
        third.forget(launch.uid)
        assert list(make_runtime().adopt(lambda uid: KeptOutput())) == []


def _leave(make_runtime: MakeRuntime, attempts: Attempts, patience: float, *launches: Launch) -> None:
    """An earlier worker starts them, sees their first lines, and is killed."""

    def work() -> None:
        runtime = make_runtime()
        assert list(runtime.adopt(lambda uid: KeptOutput())) == []
        for task in [attempts.begin(runtime, launch) for launch in launches]:
            task.line()

    run_and_kill(work, 2 * patience)


def _adopt(runtime: Runtime, attempts: Attempts, *launches: Launch) -> list[Task]:
    """In the order of the launches."""
    outputs: dict[str, KeptOutput] = {}
    sandboxes = runtime.adopt(lambda uid: outputs.setdefault(uid, KeptOutput()))
    found, left = [sandbox.uid for sandbox in sandboxes], [launch.uid for launch in launches]
    assert sorted(found) == sorted(left), f"adopt found {found}, and an earlier worker left {left}"
    held = [attempts.hold(runtime, sandbox, outputs[sandbox.uid]) for sandbox in sandboxes]
    return sorted(held, key=lambda task: left.index(task.uid))
