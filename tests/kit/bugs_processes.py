"""Runtimes of real processes with one thing broken in each, and the rule that has to find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve, frozen

from iris_api.jobs import Entrypoint, python_version
from iris_api.platform import Exit, ExitKind, Interpreter, Launch, LogSink, Sandbox
from iris_api.supervised.folder import Folder
from iris_api.supervised.sandbox import SupervisedSandbox
from tests.kit.able import AbleKit, AbleRuntime, AbleSandbox

__all__ = ["BUGS", "BuggyProcessKit", "Healthy"]


class BuggyProcessKit(AbleKit):
    """Less patient, so that what never comes is found soon."""

    @pytest.fixture
    def patience(self) -> float:
        return 4.0


class Healthy(AbleRuntime):
    """Nothing is broken."""


# What an earlier worker has left


class AdoptsNothing(Healthy):
    """What there was before is not looked for."""

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[SupervisedSandbox]:
        return ()


class AdoptsOne(Healthy):
    """Of what there was before it takes the first."""

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[SupervisedSandbox]:
        return super().adopt(sink_for)[:1]


@frozen
class Without:
    """A sink that drops some lines."""

    sink: LogSink
    dropped: Callable[[str, str], bool]

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        if not self.dropped(source, data):
            self.sink.write(source, data, timestamp_us)


class AdoptsFromNowOn(Healthy):
    """What was printed before is lost."""

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[SupervisedSandbox]:
        return super().adopt(lambda uid: Without(sink_for(uid), lambda _, text: text == "first"))


class EndsWithItsWorker(Healthy):
    """Nothing of it survives the process."""

    def __init__(self, directory: Path | None) -> None:
        super().__init__(None)


class NeverForgets(Healthy):
    """What has ended is found for ever."""

    def forget(self, uid: str) -> None:
        return


class WantsADirectory(Healthy):
    """It cannot adopt where there was never anything."""

    def adopt(self, sink_for: Callable[[str], LogSink]) -> Sequence[SupervisedSandbox]:
        list(self._root.iterdir())
        return super().adopt(sink_for)


# What reaches the task


class SwallowsEnvironment(Healthy):
    """The job's own variables are left out."""

    def _environment(self, folder: Folder, launch: Launch) -> Mapping[str, str]:
        return super()._environment(folder, evolve(launch, env={}))


class SwallowsPorts(Healthy):
    """The identity is told in part."""

    def _environment(self, folder: Folder, launch: Launch) -> Mapping[str, str]:
        found = super()._environment(folder, launch)
        return {name: value for name, value in found.items() if not name.startswith("IRIS_PORT_")}


class SwallowsPortsOfCalls(SwallowsPorts):
    """They are told in the same way."""


class TellsTheToken(Healthy):
    """It is in the environment, for all to see."""

    def _environment(self, folder: Folder, launch: Launch) -> Mapping[str, str]:
        token = launch.info.token
        return {**super()._environment(folder, launch), **({"TOKEN": token.reveal()} if token else {})}


class JoinsArguments(Healthy):
    """It gives them to a shell as one text."""

    def start(self, launch: Launch) -> Sandbox:
        argv = ("/bin/sh", "-c", " ".join(launch.entry.argv))
        return super().start(evolve(launch, entry=evolve(launch.entry, argv=argv)))


class RunsElsewhere(Healthy):
    """The workdir is not where the task runs."""

    def start(self, launch: Launch) -> Sandbox:
        return super().start(evolve(launch, workdir=Path("/")))


class MountsAllForWriting(Healthy):
    """Read-only is not looked at."""

    def start(self, launch: Launch) -> Sandbox:
        mounts = tuple(evolve(mount, read_only=False) for mount in launch.mounts)
        return super().start(evolve(launch, mounts=mounts))


class MountsDirectoriesOnly(Healthy):
    """What is no directory is left out."""

    def start(self, launch: Launch) -> Sandbox:
        mounts = tuple(mount for mount in launch.mounts if mount.source.is_dir())
        return super().start(evolve(launch, mounts=mounts))


class TellsAnotherInterpreter(Healthy):
    """The one that it names is not the one that runs the calls."""

    def interpreter(self, image: str) -> Interpreter:
        return evolve(super().interpreter(image), argv=("/bin/echo",))


class HasOneIdentity(Healthy):
    """The first call tells all others who they are."""

    def _environment(self, folder: Folder, launch: Launch) -> Mapping[str, str]:
        found = super()._environment(folder, launch)
        first: Mapping[str, str] = self.__dict__.setdefault("first", found)
        return {**found, **{name: value for name, value in first.items() if name.startswith("IRIS_TASK")}}


class RunsAnyPickle(Healthy):
    """It does not look at what has made it."""

    def start(self, launch: Launch) -> Sandbox:
        return super().start(evolve(launch, entry=evolve(launch.entry, python=python_version())))


class RunsSomethingElse(Healthy):
    """Every call is another one."""

    def start(self, launch: Launch) -> Sandbox:
        def call() -> None:
            raise RuntimeError("[]")

        return super().start(evolve(launch, entry=Entrypoint.from_callable(call).entry()))


# What is told of it


class Swallows(Healthy):
    """Some lines do not arrive."""

    def start(self, launch: Launch) -> Sandbox:
        is_call = bool(launch.entry.call)
        sink = Without(launch.output, lambda source, text: self.dropped(is_call, source, text))
        return super().start(evolve(launch, output=sink))

    def dropped(self, is_call: bool, source: str, text: str) -> bool:
        return False


class SwallowsPrints(Swallows):
    """Only commands have output."""

    def dropped(self, is_call: bool, source: str, text: str) -> bool:
        return is_call and source == "stdout"


class SwallowsWhatIsNoText(Swallows):
    """A line that cannot be decoded is left out."""

    def dropped(self, is_call: bool, source: str, text: str) -> bool:
        return "\ufffd" in text


class Changed(AbleSandbox):
    """`change` has the last word about its exit."""

    change: Callable[[Exit], Exit]

    def wait(self, timeout: float | None = None) -> Exit | None:
        end = super().wait(timeout)
        return None if end is None else self.change(end)


class ChangesExits(Swallows):
    """How a task ended is told wrongly."""

    def start(self, launch: Launch) -> Sandbox:
        made = super().start(launch)
        assert isinstance(made, AbleSandbox)
        changed = Changed(made.inner, launch, self._watchers)
        changed.change = self.change
        return changed

    def change(self, end: Exit) -> Exit:
        return end


class SaysNothingOfThePeak(ChangesExits):
    """It was not measured."""

    def change(self, end: Exit) -> Exit:
        return evolve(end, memory_peak=None)


class MissesWithoutAWord(ChangesExits):
    """A command that there is not has just failed."""

    def change(self, end: Exit) -> Exit:
        return evolve(end, message="")

    def dropped(self, is_call: bool, source: str, text: str) -> bool:
        return source == "stderr"


class ReturnsAreCodes(ChangesExits):
    """What a call returns is taken for its exit code."""

    def change(self, end: Exit) -> Exit:
        return evolve(end, code=7)


class RaisesAreCodes(ChangesExits):
    """An exception is an exit with 1."""

    def change(self, end: Exit) -> Exit:
        return evolve(end, kind=ExitKind.EXITED) if end.kind is ExitKind.RAISED else end


class ExitsAreRaised(ChangesExits):
    """SystemExit is an exception as any other."""

    def change(self, end: Exit) -> Exit:
        return evolve(end, kind=ExitKind.RAISED) if end.code else end


class ExecTellsNoCode(Healthy):
    """A command inside has always succeeded."""

    def start(self, launch: Launch) -> Sandbox:
        made = super().start(launch)
        run = made.exec
        made.exec = lambda argv: (0, run(argv)[1])  # type: ignore[method-assign]
        return made


BUGS: Final[dict[type[Healthy], str]] = {
    AdoptsOne: "adopt_finds_what_runs",
    AdoptsNothing: "adopt_finds_what_runs",
    AdoptsFromNowOn: "adopt_finds_what_has_ended",
    EndsWithItsWorker: "adopted_can_be_stopped",
    NeverForgets: "adopt_leaves_out_what_is_forgotten",
    WantsADirectory: "adopt_where_nothing_was_left",
    SwallowsEnvironment: "environment_reaches_the_task",
    SwallowsPorts: "identity_reaches_the_task",
    SwallowsPortsOfCalls: "call_knows_who_it_is",
    TellsTheToken: "token_is_in_a_file",
    JoinsArguments: "argv_reaches_the_task",
    RunsElsewhere: "workdir_is_where_the_task_runs",
    MountsAllForWriting: "mounts_reach_the_task",
    MountsDirectoriesOnly: "mount_of_a_file",
    TellsAnotherInterpreter: "interpreter_is_that_of_calls",
    HasOneIdentity: "calls_at_once_are_apart",
    RunsAnyPickle: "call_of_another_python",
    RunsSomethingElse: "call_runs_with_its_arguments",
    SwallowsPrints: "prints_of_a_call",
    SwallowsWhatIsNoText: "output_that_is_not_utf8",
    SaysNothingOfThePeak: "memory_peak",
    MissesWithoutAWord: "missing_program",
    ReturnsAreCodes: "call_that_returns",
    RaisesAreCodes: "call_that_raises",
    ExitsAreRaised: "call_that_exits",
    ExecTellsNoCode: "exec",
}
