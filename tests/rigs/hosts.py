"""Hosts on one machine: network namespaces on a bridge, whose traffic can be dropped, reset and lost.

Needs root, iproute2 and iptables. Names begin with the pid of whoever made them, so that what a killed run
left is known by that, and removed by the next.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["Host", "Network", "missing", "network", "reaper"]

_PREFIX = "iris"
_counter = itertools.count()


def missing() -> str:
    """Why there can be no such hosts here; empty if there can."""
    absent = [name for name in ("ip", "iptables") if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} is not installed (packages iproute2, iptables)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"{_PREFIX}{os.getpid()}try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"no network namespace can be made: {made.stderr.strip()}"
    _run("ip", "netns", "del", name)
    return ""


class Host:
    """A network namespace with one address. Rules are its own, and go with it."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address

    @property
    def within(self) -> tuple[str, ...]:
        """Put before an argv, it runs there."""
        return ("ip", "netns", "exec", self.name)

    def drop_to(self, other: Host) -> None:
        """What it sends to `other` is gone; what comes from there arrives."""
        self._rule("OUTPUT", "-d", other.address, "-j", "DROP")

    def drop_from(self, other: Host) -> None:
        """What `other` sends here is gone on arrival, though it leaves there."""
        self._rule("INPUT", "-s", other.address, "-j", "DROP")

    def reset_to(self, other: Host) -> None:
        """Every segment that it sends to `other` is answered by a reset."""
        self._rule("OUTPUT", "-p", "tcp", "-d", other.address, "-j", "REJECT", "--reject-with", "tcp-reset")

    def lose(self, share: float) -> None:
        """That share of all that arrives is gone, by chance."""
        chance = ("-m", "statistic", "--mode", "random", "--probability", f"{share}")
        self._rule("INPUT", "!", "-i", "lo", *chance, "-j", "DROP")

    def heal(self) -> None:
        """No rule any more."""
        _run(*self.within, "iptables", "-F")

    def _rule(self, *rule: str) -> None:
        _run(*self.within, "iptables", "-A", *rule)


class Network:
    """A bridge, and hosts on it. `here` is this process as they see it."""

    def __init__(self) -> None:
        self._mark = f"{_PREFIX}{os.getpid()}n{next(_counter)}"
        self._hosts: list[Host] = []
        self._net = f"10.{100 + os.getpid() % 100}.{next(_counter) % 250}"

    @property
    def bridge(self) -> str:
        """The name of its interface."""
        return self._mark

    @property
    def here(self) -> Host:
        """Without a namespace of its own: only what it is to the others can be ruled."""
        return Host("", f"{self._net}.1")

    def open(self) -> None:
        _run("ip", "link", "add", self._mark, "type", "bridge")
        _run("ip", "addr", "add", f"{self._net}.1/24", "dev", self._mark)
        _run("ip", "link", "set", self._mark, "up")
        # Where Docker runs, the host drops what a bridge that it does not know forwards.
        _run("iptables", "-w", "-I", *_forwarding(self._mark))

    def host(self, name: str) -> Host:
        """One more, reached by all the others and by this process."""
        number = len(self._hosts) + 2
        host = Host(f"{self._mark}{name}", f"{self._net}.{number}")
        self._hosts.append(host)
        _run("ip", "netns", "add", host.name)
        outer = f"{_PREFIX}{os.getpid() % 100000}v{next(_counter)}"  # at most 15 characters
        _run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        _run("ip", "link", "set", outer, "master", self._mark, "up")
        _run(*host.within, "ip", "addr", "add", f"{host.address}/24", "dev", "eth0")
        _run(*host.within, "ip", "link", "set", "eth0", "up")
        _run(*host.within, "ip", "link", "set", "lo", "up")
        return host

    def close(self) -> None:
        """Whatever of it there is."""
        for host in self._hosts:
            _end_all_in(host.name)
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True, check=False)
        _remove_bridge(self._mark)


@contextmanager
def network() -> Iterator[Network]:
    """Skips the test where there can be none. Removes first what killed runs have left."""
    if reason := missing():
        pytest.skip(reason)
    reaper()
    made = Network()
    try:
        made.open()
        yield made
    finally:
        made.close()


def reaper() -> None:
    """Remove the namespaces and bridges of processes that are gone."""
    for name in [line.split()[0] for line in _run("ip", "netns", "list").splitlines() if line]:
        if _is_orphan(name):
            _end_all_in(name)
            _run("ip", "netns", "del", name)
    for line in _run("ip", "-o", "link", "show", "type", "bridge").splitlines():
        name = line.split(": ")[1]
        if _is_orphan(name):
            _remove_bridge(name)


def _forwarding(bridge: str) -> Sequence[str]:
    return ("FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT")


def _remove_bridge(name: str) -> None:
    """Fine when there is none."""
    subprocess.run(["iptables", "-w", "-D", *_forwarding(name)], capture_output=True, check=False)
    subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)


def _is_orphan(name: str) -> bool:
    digits = "".join(itertools.takewhile(str.isdigit, name.removeprefix(_PREFIX)))
    return name.startswith(_PREFIX) and bool(digits) and not Path(f"/proc/{digits}").exists()


def _end_all_in(name: str) -> None:
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    pids: Sequence[str] = listed.stdout.split()
    if pids:
        subprocess.run(["kill", "-9", *pids], capture_output=True, check=False)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip()}"
    return done.stdout
