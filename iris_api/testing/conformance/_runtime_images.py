"""Runtime: images, the interpreter of the calls, and what is mounted for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iris_api.errors import PlatformError
from iris_api.platform import ExitKind, Mount, Runtime
from iris_api.testing.conformance._runtime_base import RuntimeBase, Start
from iris_api.testing.conformance.base import needs
from iris_api.testing.programs import Program

__all__ = ["RuntimeImages"]

_NO_IMAGE = "iris-kit.invalid/no-such-image:none"
_TELL = "import sys; print(sys.executable, sys.version.split()[0], sys.argv[1])"


class RuntimeImages(RuntimeBase):
    """What a job asks for is what it gets, or it gets an error."""

    def test_image_is_not_ignored(self, start: Start) -> None:
        """A launch with an image that cannot be had does not run in another, nor in none: the start raises
        PlatformError, or the exit is ENVIRONMENT; either says why."""
        try:
            task = start(Program(lines=(("stdout", "ran"),)), image=_NO_IMAGE)
        except PlatformError as refused:
            why = str(refused)
            assert why
            return
        end = task.end()
        assert (end.kind, task.output.of("stdout")) == (ExitKind.ENVIRONMENT, [])
        assert end.message

    @needs("interpreter")
    def test_interpreter_is_that_of_calls(self, runtime: Runtime, start: Start) -> None:
        """`interpreter` tells how the Python that runs calls is started as a command, and the same each time
        it is asked."""

        def call() -> None:
            import sys

            raise RuntimeError(f"{sys.executable} {sys.version.split()[0]} a b")

        told = runtime.interpreter("")
        assert told is not None
        assert told.identity
        assert told == runtime.interpreter("")
        task = start((*told.argv, "-c", _TELL, "a b"))
        assert task.end().success, task.output.entries
        assert start(call).end().message == f"RuntimeError: {task.line()}"

    @needs("mounts")
    def test_mount_of_a_file(
        self, start: Start, tmp_path: Path, shell: Callable[[str], tuple[str, ...]]
    ) -> None:
        """A file can be mounted too."""
        source, target = tmp_path / "given", tmp_path / "below" / "target"
        source.write_text("found\n")
        task = start(shell(f"cat {target}"), mounts=(Mount(source, target),))
        assert task.end().success, task.output.entries
        assert task.output.of("stdout") == ["found"]
