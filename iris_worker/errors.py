"""What a worker may have to act on."""

from iris_api.errors import IrisError

__all__ = ["BadBundle", "BadEnvironment", "StoppedEarly"]


class BadBundle(IrisError):
    """A workspace bundle holds what it must not, or not what its name says."""


class BadEnvironment(IrisError):
    """The packages of a job could not be had. `of_job`: because of what it asks for, not of this machine."""

    def __init__(self, reason: str, *, of_job: bool = True) -> None:
        super().__init__(f"the job's environment could not be built: {reason}")
        self.of_job = of_job


class StoppedEarly(IrisError):
    """An attempt was stopped while it was being built."""
