"""The `process` platform: a runtime that runs each attempt as a process group on the worker's machine."""

from __future__ import annotations

from attrs import frozen

from iris_api.context import Context
from iris_api.hookspecs import hookimpl
from iris_api.platform import Platform, Runtime
from iris_api.provider import Provider
from iris_api.supervised.runtime import SupervisedRuntime

__all__ = ["ProcessConfig", "ProcessPlatform", "iris_platform"]


@frozen
class ProcessConfig:
    """`python` is the interpreter that runs callables; empty: the worker's own."""

    python: str = ""


class ProcessPlatform(Platform):
    """No machines of its own. Attempts outlive the worker where the context has a directory."""

    def __init__(self, config: ProcessConfig, context: Context) -> None:
        self._runtime = SupervisedRuntime(context.directory, context.threads, config.python)

    @property
    def runtime(self) -> Runtime:  # type: ignore[override]
        return self._runtime

    def close(self) -> None:
        self._runtime.close()


@hookimpl
def iris_platform() -> Provider[ProcessConfig, Platform]:
    summary = "each attempt a process group on the worker's machine"
    return Provider(ProcessConfig, ProcessPlatform, summary, "iris_backends.process.conformance")
