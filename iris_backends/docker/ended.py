"""EndedSandbox: an attempt that has ended before it could be followed."""

from __future__ import annotations

from attrs import frozen

from iris_api.platform import Exit, Sandbox

__all__ = ["EndedSandbox"]


@frozen
class EndedSandbox(Sandbox):
    uid: str
    end: Exit

    def wait(self, timeout: float | None = None) -> Exit:
        return self.end

    def stop(self, grace: float) -> None:
        """It has ended."""
