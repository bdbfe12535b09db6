"""pytest fixtures; import them into a conftest.py. `no_leaks` is meant to be used by every test there::

from iris_api.testing.fixtures import no_leaks, thread_registry

@pytest.fixture(autouse=True)
def hermetic(no_leaks, thread_registry): ...
"""

from collections.abc import Iterator

import pytest

from iris_api.testing.leaks import leaked_processes, leaked_threads, process_snapshot, thread_snapshot
from iris_api.threads import ThreadRegistry, thread_registry_scope

__all__ = ["no_leaks", "thread_registry"]


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fail the test if a thread or process that it or its fixtures made is there 2 s after its end.

    What fixtures of a wider scope have made before is not counted.
    """
    threads, processes = thread_snapshot(), process_snapshot()
    yield
    leaked = leaked_processes(processes) + leaked_threads(threads)
    if leaked:
        pytest.fail("the test left behind:\n" + "\n".join(leaked), pytrace=False)


@pytest.fixture
def thread_registry(no_leaks: None, request: pytest.FixtureRequest) -> Iterator[ThreadRegistry]:
    """A registry of the test's own, stopped at its end; `get_thread_registry()` returns it."""
    with thread_registry_scope(request.node.name) as registry:
        yield registry
