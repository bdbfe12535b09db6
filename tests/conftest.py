"""Every test has a thread registry and a user's state of its own, and leaves no thread or process behind."""

import os
from pathlib import Path

import pytest

from iris_api.testing.fixtures import no_leaks, thread_registry

__all__ = ["hermetic", "no_leaks", "own_state", "thread_registry"]


@pytest.fixture
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tokens of this test are kept apart from those of the user who runs it, and no IRIS_* leaks in."""
    state = tmp_path_factory.mktemp("state")
    for name in [name for name in os.environ if name.startswith("IRIS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    return state


@pytest.fixture(autouse=True)
def hermetic(own_state: Path, no_leaks: None, thread_registry: object) -> None:
    """Apply these fixtures to every test."""
