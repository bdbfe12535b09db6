"""For how long an address is tried that has not answered yet."""

from __future__ import annotations

import socket
import time

import pytest

import iris.client.connection as connection
from iris.client import ControllerUnreachable, IrisClient
from iris_api.job_info import JobInfo, job_info_scope

SHORT, LONG = 0.3, 1.0


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> str:
    """Where nobody listens."""
    monkeypatch.setattr(connection, "FIRST_CONTACT", SHORT)
    monkeypatch.setattr(connection, "GAP", LONG)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def tried_for(address: str) -> float:
    began = time.monotonic()
    with pytest.raises(ControllerUnreachable):
        IrisClient.remote(address).list_jobs()
    return time.monotonic() - began


def test_an_address_that_may_be_mistyped(address: str) -> None:
    assert tried_for(address) < LONG / 2 + SHORT


def test_a_tasks_own_controller(address: str) -> None:
    """It has started the task, so it is only away for a while, also at the first call."""
    with job_info_scope(JobInfo(job_id="job", attempt_uid="a", controller_address=address)):
        assert tried_for(address) > LONG / 2
