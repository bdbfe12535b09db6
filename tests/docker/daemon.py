"""A Docker daemon of a test's own beside the machine's, to be killed, suspended and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import psutil
import pytest
from docker.errors import DockerException

from iris_api.testing import wait_for_condition
from tests.rigs.hosts import network
from tests.rigs.program import Program

__all__ = ["Daemon", "own_daemon"]

_LIMIT = 30.0  # seconds; it stops containers that it finds, and gives each 10 s


class Daemon:
    """One dockerd, as often as it is started. Its containers reach this machine at `address`.

    It makes no rule of the firewall: a port is published by a proxy, and no container gets off this machine.
    """

    def __init__(self, directory: Path, bridge: str, address: str, flags: tuple[str, ...]) -> None:
        """`directory` has a short name: it holds sockets."""
        self.url, self.address = f"unix://{directory}/sock", address
        self._directory = directory
        self._program = Program(directory / "log", env={})
        files = ("--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec")
        ways = ("--host", self.url, "--pidfile", f"{directory}/pid", "--bridge", bridge)
        self._argv = ["dockerd", *files, *ways, "--iptables=false", "--ip6tables=false", *flags]

    @property
    def pid(self) -> int:
        return self._program.pid

    def client(self, timeout: float = _LIMIT) -> docker.DockerClient:
        """A new one; the caller closes it."""
        return docker.DockerClient(self.url, timeout=int(timeout))

    def start(self) -> None:
        """Returns when it answers. Without the flag --live-restore it ends first what it finds running."""
        self._program.launch(self._argv)
        assert self._program.wait_to_say("API listen on", _LIMIT), self._program.said()[-2000:]

    def kill(self) -> None:
        """As a crash does; containers run on. Returns when `start` can be called."""
        self._program.kill()
        # It ends with its parent, and its successor does not start while there is a process of that id.
        containerd = int((self._directory / "exec/containerd/containerd.pid").read_text())
        wait_for_condition(lambda: not psutil.pid_exists(containerd), _LIMIT, message="containerd's end")

    def suspend(self) -> None:
        """From now on it accepts connections, and answers nothing."""
        self._program.suspend()

    def resume(self) -> None:
        self._program.resume()

    def close(self) -> None:
        """End it and all of its containers, and remove what it has stored."""
        for process in self._containers():
            process.kill()
        if not self._program.running:
            self.start()  # nobody else takes down mounts and networks
        self.resume()
        self._remove_containers()
        self._program.signal(signal.SIGTERM)
        assert self._program.wait(_LIMIT) is not None, self._program.said()[-2000:]
        self._unmount()
        shutil.rmtree(self._directory)

    def _containers(self) -> list[psutil.Process]:
        """The first process of each."""
        of_it = f"{self._directory}/exec/containerd/containerd.sock"
        shims = [seen for seen in psutil.process_iter(["cmdline"]) if of_it in (seen.info["cmdline"] or ())]
        return [child for shim in shims for child in shim.children()]

    def _unmount(self) -> None:
        """Each start mounts its data once more; a death leaves that."""
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            point = line.split()[1]
            if point.startswith(f"{self._directory}/"):
                subprocess.run(["umount", point], check=True)

    def _remove_containers(self) -> None:
        client = self.client()
        try:
            for container in client.containers.list(all=True):
                container.remove(force=True)
        except DockerException as error:
            error.add_note(self._program.said()[-2000:])
            raise
        finally:
            client.close()


@contextmanager
def own_daemon(*flags: str) -> Iterator[Daemon]:
    """One that answers, with these flags; nothing of it is left. Skips the test where there can be none."""
    if shutil.which("dockerd") is None:
        pytest.skip("dockerd is not installed (package docker.io)")
    with network() as net:
        directory = Path(tempfile.mkdtemp(prefix=f"iris-docker-{os.getpid()}-"))
        daemon = Daemon(directory, net.bridge, net.here.address, flags)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.close()
