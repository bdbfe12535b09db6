"""What a worker may have to act on."""

from iris_api.errors import IrisError

__all__ = ["BadBundle"]


class BadBundle(IrisError):
    """A workspace bundle holds what it must not, or not what its name says."""
