"""The rigs do what they say, and leave nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iris_api.testing.relay import relay_to
from iris_api.threads import ThreadRegistry
from tests.rigs.disk import small_disk
from tests.rigs.hosts import network, reaper

MAKES_AND_DIES = """
import os, signal
from tests.rigs.hosts import Network
made = Network()
made.open()
print(made.host("a").name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def names() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.chaos
def test_hosts_reach_one_another_until_they_are_cut() -> None:
    """And are gone afterwards."""
    with network() as net:
        one, two = net.host("one"), net.host("two")
        ping = [*one.within, sys.executable, "-c", REACHES, two.address]
        with subprocess.Popen([*two.within, sys.executable, "-c", SERVES, two.address]) as serves:
            assert subprocess.run(ping, check=False).returncode == 0
            two.drop_from(one)
            assert subprocess.run(ping, check=False).returncode != 0
            two.heal()
            assert subprocess.run(ping, check=False).returncode == 0
            one.reset_to(two)
            assert subprocess.run(ping, check=False).returncode != 0
            serves.kill()
    assert one.name not in names()


SERVES = """
import socket, sys
server = socket.create_server((sys.argv[1], 4000))
while True:
    server.accept()
"""
REACHES = """
import socket, sys, time
until = time.monotonic() + 1.5
while time.monotonic() < until:
    try:
        sys.exit(socket.create_connection((sys.argv[1], 4000), 0.5).close())
    except OSError:
        time.sleep(0.05)
sys.exit(1)
"""


def test_what_a_killed_run_left_is_removed() -> None:
    """By the next one."""
    with network():  # skips where there can be none
        done = subprocess.run(
            [sys.executable, "-c", MAKES_AND_DIES], capture_output=True, text=True, check=False
        )
        left = done.stdout.strip()
        assert left in names()
        reaper()
        assert left not in names()


def test_a_disk_is_full_and_empty_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.path / "more").write_bytes(b"x")
        disk.empty()
        (disk.path / "more").write_bytes(b"x")
    assert not (tmp_path / "disk" / "more").exists()


def test_a_relay_delays_keeps_silent_and_resets(thread_registry: ThreadRegistry) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        relay_to("127.0.0.1", server.getsockname()[1], thread_registry.container) as relay,
        socket.create_connection(("127.0.0.1", relay.port), 5.0) as client,
        server.accept()[0] as there,
    ):
        relay.delay = 0.2
        began = time.monotonic()
        client.sendall(b"a")
        assert there.recv(1) == b"a"
        assert time.monotonic() - began >= 0.2
        relay.delay, relay.silent = 0.0, True
        client.sendall(b"b")
        there.settimeout(0.3)
        with pytest.raises(TimeoutError):
            there.recv(1)
        relay.silent = False
        there.settimeout(5.0)
        assert there.recv(1) == b"b"
        relay.reset_all()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
