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
        """A task goes on when its worker is killed. The next worker finds it, gets its output from the first
        line, and can wait for its end."""
        launch = attempts.launch(Program(lines=_FIRST, until="go", after=("last",), code=6))
        _leave(make_runtime, attempts, launch, patience)
        task = _adopt(make_runtime(), attempts, launch)
        assert task.line() == "first"
        assert task.sandbox.wait(0) is None
        (launch.workdir / "go").touch()
        end = task.end()
        assert (end.code, end.stopped) == (6, False)
        assert task.output.of("stdout") == ["first", "last"]

    @needs("adopt")
    def test_adopt_finds_what_has_ended(
        self, make_runtime: MakeRuntime, attempts: Attempts, patience: float
    ) -> None:
        """A task that has ended while no worker was there is found with all its output and its exit."""
        launch = attempts.launch(Program(lines=_FIRST, until="go", after=("last",), code=6))
        _leave(make_runtime, attempts, launch, patience)
        (launch.workdir / "go").touch()
        wait_for_condition(
            lambda: not attempts.processes_of(launch.uid), patience, message="the end of the task"
        )
        task = _adopt(make_runtime(), attempts, launch)
        assert (task.end().code, task.output.of("stdout")) == (6, ["first", "last"])

    @needs("adopt")
    def test_adopted_can_be_stopped(
        self, make_runtime: MakeRuntime, attempts: Attempts, patience: float
    ) -> None:
        """What was adopted is stopped as what this process has started."""
        launch = attempts.launch(Program(lines=_FIRST, stays=True))
        _leave(make_runtime, attempts, launch, patience)
        task = _adopt(make_runtime(), attempts, launch)
        task.sandbox.stop(patience / 2)
        assert task.end().stopped
        assert list(attempts.processes_of(launch.uid)) == []

    @needs("adopt")
    def test_adopt_leaves_out_what_is_forgotten(
        self, make_runtime: MakeRuntime, attempts: Attempts, patience: float
    ) -> None:
        """What has ended is found by every next worker until one has forgotten it."""
        launch = attempts.launch(Program(lines=_FIRST, stays=True))
        _leave(make_runtime, attempts, launch, patience)
        second = make_runtime()
        task = _adopt(second, attempts, launch)
        task.sandbox.stop(0)
        task.end()
        third = make_runtime()
        assert _adopt(third, attempts, launch).end() == task.end()
        third.forget(launch.uid)
        assert list(make_runtime().adopt(lambda uid: KeptOutput())) == []


def _leave(make_runtime: MakeRuntime, attempts: Attempts, launch: Launch, patience: float) -> None:
    """An earlier worker starts it, sees its first line, and is killed."""

    def work() -> None:
        runtime = make_runtime()
        assert list(runtime.adopt(lambda uid: KeptOutput())) == []
        attempts.begin(runtime, launch).line()

    run_and_kill(work, 2 * patience)


def _adopt(runtime: Runtime, attempts: Attempts, launch: Launch) -> Task:
    outputs: dict[str, KeptOutput] = {}
    found = runtime.adopt(lambda uid: outputs.setdefault(uid, KeptOutput()))
    uids = [sandbox.uid for sandbox in found]
    assert uids == [launch.uid], f"adopt found {uids}, and an earlier worker left {[launch.uid]}"
    return attempts.hold(runtime, found[0], outputs[launch.uid])
