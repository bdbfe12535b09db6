"""Runtime: what of a launch reaches the task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iris_api.credentials import Token
from iris_api.jobs import Entry, Entrypoint
from iris_api.platform import ExitKind, Mount, Runtime
from iris_api.testing.conformance._runtime_base import RuntimeBase, Start
from iris_api.testing.conformance._tasks import Attempts, Task
from iris_api.testing.conformance.base import needs

__all__ = ["RuntimeLaunch"]

_ODD = ("", "two words", 'it\'s "quoted"', "$HOME `x` \\", "a=b", "naïve ☃", "-n")
Shell = Callable[[str], tuple[str, ...]]


class RuntimeLaunch(RuntimeBase):
    """Commands tell by what they print; calls by the message of what they raise, which needs no output."""

    @needs("commands")
    def test_argv_reaches_the_task(self, start: Start, shell: Shell) -> None:
        """Every argument of a command arrives as it is: empty, with blanks, quotes, dollars, beyond ASCII."""
        task = start((*shell("printf '<%s>\\n' \"$@\""), "sh", *_ODD))
        assert task.end().success
        assert task.output.of("stdout") == [f"<{text}>" for text in _ODD]

    @needs("commands")
    def test_environment_reaches_the_task(self, start: Start, shell: Shell) -> None:
        """The job's variables arrive with their values as they are."""
        env = {f"KIT_{index}": text for index, text in enumerate(_ODD)}
        task = start(shell("printf '%s\\n' " + " ".join(f'"<${name}>"' for name in env)), env=env)
        assert task.end().success
        assert task.output.of("stdout") == [f"<{text}>" for text in _ODD]

    @needs("commands")
    def test_identity_reaches_the_task(self, start: Start, shell: Shell) -> None:
        """The uid, the ports and all else of the attempt's identity are in the environment."""
        ports = {"actor": 12345, "web": 12346}
        task = start(shell("env"), info={"task_index": 2, "num_tasks": 3, "ports": ports, "worker_id": "w-1"})
        assert task.end().success
        got = dict(line.split("=", 1) for line in task.output.of("stdout") if line.startswith("IRIS_"))
        assert (got["IRIS_ATTEMPT_UID"], got["IRIS_TASK_ID"]) == (task.uid, "kit:2")
        assert (got["IRIS_PORT_ACTOR"], got["IRIS_PORT_WEB"]) == ("12345", "12346")
        assert (got["IRIS_WORKER_ID"], got["IRIS_NUM_TASKS"]) == ("w-1", "3")

    @needs("commands")
    def test_token_is_in_a_file(self, start: Start, shell: Shell) -> None:
        """The token is not in the environment, but in a file that IRIS_TOKEN_FILE names."""
        code = 'cat "$IRIS_TOKEN_FILE"; echo; env'
        task = start(shell(code), info={"token": Token("t0ps3cret")})
        assert task.end().success
        token, *env = task.output.of("stdout")
        assert token == "t0ps3cret"
        assert not [line for line in env if "t0ps3cret" in line]

    @needs("commands")
    def test_workdir_is_where_the_task_runs(self, runtime: Runtime, attempts: Attempts, shell: Shell) -> None:
        """A task runs in its workdir: it finds there what the worker has put there, and the worker finds what
        it has written."""
        launch = attempts.launch(shell("cat given && printf made > result"))
        launch.workdir.mkdir(parents=True)
        (launch.workdir / "given").write_text("found\n")
        task = attempts.begin(runtime, launch)
        assert task.end().success, task.output.entries
        assert task.output.of("stdout") == ["found"]
        assert (task.workdir / "result").read_text() == "made"

    @needs("mounts")
    def test_mounts_reach_the_task(self, start: Start, tmp_path: Path, shell: Shell) -> None:
        """A mount is seen at its target, and can be written unless it is read-only."""
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        (source / "given").write_text("found\n")
        code = f"cat {target}/given; touch {target}/new 2>/dev/null && echo written || echo refused"
        for read_only, answer in ((True, "refused"), (False, "written")):
            task = start(shell(code), mounts=(Mount(source, target, read_only),))
            task.end()
            assert task.output.of("stdout") == ["found", answer]
        assert (source / "new").exists()

    @needs("calls")
    def test_call_runs_with_its_arguments(self, start: Start) -> None:
        """A callable gets what it was submitted with."""

        def call(*args: object, **kwargs: object) -> None:
            import json

            raise RuntimeError(json.dumps([args, kwargs]))

        entry = Entrypoint.from_callable(call, 1, "ä", [2.5], key=None).entry()
        assert _told(start(entry)) == [[1, "ä", [2.5]], {"key": None}]

    @needs("calls")
    def test_call_knows_who_it_is(self, start: Start) -> None:
        """`get_job_info` tells a call its uid, its ports, and the job's environment."""

        def call() -> None:
            import json

            from iris_api.job_info import get_job_info

            info: Any = get_job_info()  # no assert: pytest writes it anew, and a sandbox may have no pytest
            told = [info.attempt_uid, info.task_id, dict(info.ports), info.env["MINE"]]
            raise RuntimeError(json.dumps(told))

        task = start(call, env={"MINE": "1"}, info={"ports": {"actor": 12345}, "task_index": 1})
        assert _told(task) == [task.uid, "kit:1", {"actor": 12345}, "1"]

    @needs("calls")
    def test_calls_at_once_are_apart(self, start: Start) -> None:
        """Of ten calls that run at the same time each has its own arguments and its own identity."""

        def call(number: int) -> None:
            import json
            import time

            from iris_api.job_info import get_job_info

            time.sleep(0.1)
            info: Any = get_job_info()
            raise RuntimeError(json.dumps([number, info.attempt_uid, info.task_index]))

        tasks = [start(call, number, info={"task_index": number, "num_tasks": 10}) for number in range(10)]
        assert [_told(task) for task in tasks] == [[n, task.uid, n] for n, task in enumerate(tasks)]

    @needs("calls")
    def test_call_that_returns(self, start: Start) -> None:
        """The exit of a call that returns is EXITED with code 0, whatever it returns."""
        end = start(int, "7").end()
        assert (end.kind, end.code, end.success) == (ExitKind.EXITED, 0, True)

    @needs("calls")
    def test_call_that_raises(self, start: Start) -> None:
        """The exit of a call that raises is RAISED with the exception's own line, and the traceback is in the
        output."""

        def call() -> None:
            raise ValueError("boom")

        task = start(call)
        end = task.end()
        assert (end.kind, end.message, end.success) == (ExitKind.RAISED, "ValueError: boom", False)
        assert "ValueError: boom" in [text for _, text in task.output.entries]

    @needs("calls")
    def test_call_that_exits(self, start: Start) -> None:
        """`sys.exit` in a call gives the exit code, as in a program."""

        def call() -> None:
            raise SystemExit(4)

        end = start(call).end()
        assert (end.kind, end.code) == (ExitKind.EXITED, 4)

    @needs("calls")
    def test_call_of_another_python(self, start: Start) -> None:
        """A call that another version of Python has pickled is not run: the exit is ENVIRONMENT, and names
        that version."""
        made = Entrypoint.from_callable(print, "ran").entry()
        task = start(Entry(call=made.call, python="3.9"))
        end = task.end()
        assert end.kind is ExitKind.ENVIRONMENT
        assert "3.9" in end.message
        assert task.output.of("stdout") == []

    @needs("prints")
    def test_prints_of_a_call(self, start: Start) -> None:
        """What a call prints is in its output."""
        task = start(print, "hello")
        assert task.end().success
        assert task.output.of("stdout") == ["hello"]


def _told(task: Task) -> Any:
    """What a call has raised as its message."""
    end = task.end()
    assert end.kind is ExitKind.RAISED
    prefix = "RuntimeError: "
    assert end.message.startswith(prefix), end.message
    return json.loads(end.message.removeprefix(prefix))
