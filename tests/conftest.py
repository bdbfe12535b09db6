"""Every test has a thread registry of its own and leaves no thread and no process behind."""

import pytest

from iris_api.testing.fixtures import no_leaks, thread_registry

__all__ = ["hermetic", "no_leaks", "thread_registry"]


@pytest.fixture(autouse=True)
def hermetic(no_leaks: None, thread_registry: object) -> None:
    """Apply both fixtures to every test."""
