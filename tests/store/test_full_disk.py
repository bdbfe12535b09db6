"""A disk without room: nothing that was acknowledged is lost, who asks is told, and it goes on with room."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_api.errors import PlatformError, Refused
from iris_api.testing import wait_for_condition
from iris_controller.rows import Job
from iris_controller.store.opening import open_store
from tests.controller.client import Client
from tests.controller.conftest import Start

BALLAST = "x" * 200_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB. To be asked for before `start`, whose controllers use it."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "iris-test", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return ballast


def submit_until_refused(client: Client, names: Iterator[str]) -> tuple[list[str], Refused]:
    accepted = []
    for name in names:
        try:
            accepted.append(client.submit(name, spec={"environment": {"env_vars": {"A": BALLAST}}}))
        except Refused as refusal:
            return accepted, refusal
    raise AssertionError("there was always room")


def test_a_controller_waits_for_room_and_loses_nothing(small: Path, start: Start) -> None:
    state = small / "state"
    client = start(state)
    names = (f"job{number}" for number in range(1000))
    accepted = [client.submit(next(names))]
    ballast = fill(small)
    more, refusal = submit_until_refused(client, names)
    assert refusal.code == "unavailable"
    assert "not done: PlatformError: the state could not be stored in" in refusal.message
    assert "the disk is full: " in refusal.message
    assert "0 MiB are free" in refusal.message
    assert "the disk is full" in str(client.http("GET", "/health")[1])
    assert client.job(accepted[0]).state == "PENDING"
    ballast.unlink()
    after: list[str] = []
    wait_for_condition(lambda: try_submit(client, "after", after), timeout=20)
    assert client.http("GET", "/health")[0] == 200
    client.stop()
    assert jobs_in(state) >= {*accepted, *more, *after}
    assert start(state).job(after[0]).state == "PENDING"


def try_submit(client: Client, name: str, accepted: list[str]) -> bool:
    try:
        accepted.append(client.submit(name, request_id=name))
    except Refused:
        return False
    return True


def jobs_in(state: Path) -> set[str]:
    store = open_store(state)
    found = {row.id for row in store.load() if isinstance(row, Job)}
    store.close()
    return {str(job) for job in found}


def test_a_controller_that_finds_no_room_says_so(small: Path, start: Start) -> None:
    fill(small)
    with pytest.raises(PlatformError, match=r"disk is full|No space left"):
        start(small / "state")


def test_a_bundle_that_finds_no_room_is_refused(small: Path, start: Start) -> None:
    client = start(small / "state")
    data = b"x" * 5 * 2**20
    status, body, _ = client.http("PUT", f"/bundles/{hashlib.sha256(data).hexdigest()}", data)
    assert (status, b"could not be kept: No space left on device" in body) == (503, True)
    assert [path.name for path in (small / "state" / "bundles").iterdir()] == []
    assert client.submit("goes-on")
