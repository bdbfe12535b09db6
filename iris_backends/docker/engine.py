"""Engine: one Docker daemon, asked through its low-level API."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import docker
import docker.errors
import requests.exceptions
import tenacity
import urllib3.exceptions
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.utils import parse_repository_tag

from iris_backends.docker.adapter import UnixAdapter
from iris_backends.docker.errors import (
    DaemonDown,
    DaemonFault,
    DockerError,
    Gone,
    ImageMissing,
    NotAllowed,
    explain,
)

__all__ = ["SOCKET", "Engine"]

T = TypeVar("T")
SOCKET: Final = "unix:///var/run/docker.sock"
_TIMEOUT: Final = 60  # seconds of one request
_LOOK: Final = 0.02  # seconds between two looks
_TRIES: Final = 20.0  # seconds for which a daemon that fails or is away is asked again


class Engine:
    """A daemon by its URL. Safe from several threads. Each call raises DockerError or one of its kinds;
    faults of the daemon itself are tried again for up to `patience` seconds."""

    def __init__(self, host: str = "", patience: float = _TRIES) -> None:
        self.url = host or os.environ.get("DOCKER_HOST", "") or SOCKET
        self._patience = patience
        self._lock = threading.Lock()
        self._client: docker.APIClient | None = None

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        """The id of a new container."""
        made = self._ask(lambda api: api.create_container_from_config(dict(body), name), f"container {name}")
        return str(made["Id"])

    def start(self, container: str, what: str) -> None:
        self._ask(lambda api: api.start(container), what)

    def inspect(self, container: str, patience: float | None = None) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._ask(
            lambda api: api.inspect_container(container), f"container {container[:12]}", patience=patience
        )
        return found

    def signal(self, container: str, number: int) -> None:
        """Nothing happens to one that has ended or is gone."""
        try:
            self._ask(lambda api: api.kill(container, number), f"container {container[:12]}")
        except Gone:
            return

    def unpause(self, container: str) -> None:
        self._ask(lambda api: api.unpause(container), f"container {container[:12]}")

    def remove(self, container: str, patience: float | None = None) -> None:
        """With its volumes, whatever it does; one that is gone is fine."""
        what = f"container {container[:12]}"
        with contextlib.suppress(Gone):
            self._ask(
                lambda api: api.remove_container(container, v=True, force=True), what, patience=patience
            )

    def containers(
        self, labels: Mapping[str, str], patience: float | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """All with these labels, whatever state they are in."""
        wanted = [f"{key}={value}" for key, value in labels.items()]
        found: Sequence[Mapping[str, Any]] = self._ask(
            lambda api: api.containers(all=True, filters={"label": wanted}),
            "the list of containers",
            patience=patience,
        )
        return found

    def execute(self, container: str, argv: Sequence[str]) -> tuple[int, bytes]:
        """Run a command inside, once: its exit code and its output. Blocks until it has ended."""
        what = f"a command in container {container[:12]}"
        made = self._ask(lambda api: api.exec_create(container, list(argv))["Id"], what)
        output = self._ask(lambda api: api.exec_start(made), what, patience=0)
        while self._ask(lambda api: api.exec_inspect(made)["Running"], what):
            time.sleep(_LOOK)  # it has closed its output before its end
        return int(self._ask(lambda api: api.exec_inspect(made)["ExitCode"], what)), bytes(output)

    def image(self, name: str) -> Mapping[str, Any] | None:
        """What the daemon knows of an image; None if it has none of this name."""
        try:
            found: Mapping[str, Any] = self._ask(lambda api: api.inspect_image(name), f"image {name}")
        except (Gone, ImageMissing):
            return None
        return found

    def pull(self, name: str) -> None:
        """Fetch it; raises ImageMissing, RegistryUnreachable or NoSpace."""
        repository, tag = parse_repository_tag(name)

        def pull(api: docker.APIClient) -> None:
            for news in api.pull(repository, tag=tag or "latest", stream=True, decode=True):
                if "error" in news:  # in the midst of an answer that has begun well
                    raise explain(500, str(news["error"]), f"image {name}", name)

        self._ask(pull, f"image {name}", name)

    def stop(self, container: str, grace: int) -> None:
        """Ask its first process to end, and after `grace` seconds end it. One that is gone is fine."""
        try:
            self._ask(lambda api: api.stop(container, timeout=grace), f"container {container[:12]}")
        except Gone:
            return

    def rename(self, container: str, name: str) -> None:
        self._ask(lambda api: api.rename(container, name), f"container {container[:12]}")

    def put(self, container: str, archive: bytes) -> None:
        """Unpack a tar at its root, also before it starts."""
        self._ask(lambda api: api.put_archive(container, "/", archive), f"container {container[:12]}")

    def last_lines(self, container: str, count: int) -> str:
        """The end of its output."""
        what = f"container {container[:12]}"
        found: bytes = self._ask(lambda api: api.logs(container, tail=count), what)
        return found.decode(errors="replace").strip()

    def networks(self, labels: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        wanted = [f"{key}={value}" for key, value in labels.items()]
        found: Sequence[Mapping[str, Any]] = self._ask(
            lambda api: api.networks(filters={"label": wanted}), "the list of networks"
        )
        return found

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        self._ask(
            lambda api: api.create_network(name, driver="bridge", labels=dict(labels)), f"network {name}"
        )

    def remove_network(self, network: str) -> None:
        """One that is gone is fine; raises DockerError while somebody is in it."""
        try:
            self._ask(lambda api: api.remove_network(network), f"network {network[:12]}")
        except Gone:
            return

    def network(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._ask(lambda api: api.inspect_network(name), f"network {name}")
        return found

    def info(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._ask(lambda api: api.info(), "the daemon")
        return found

    def version(self) -> str:
        """Of its API, such as 1.41."""
        return str(self._ask(lambda api: api.api_version, "the daemon"))

    def _ask(
        self,
        call: Callable[[docker.APIClient], T],
        what: str,
        pulled: str = "",
        patience: float | None = None,
    ) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((DaemonDown, DaemonFault)),
            stop=tenacity.stop_after_delay(self._patience if patience is None else patience),
            wait=tenacity.wait_random_exponential(0.1, 2.0),
            reraise=True,
        )
        found: T = retrying(self._ask_once, call, what, pulled)
        return found

    def _ask_once(self, call: Callable[[docker.APIClient], T], what: str, pulled: str) -> T:
        try:
            return call(self._connected())
        except docker.errors.APIError as error:
            status = error.response.status_code if error.response is not None else 500
            raise explain(status, str(error.explanation or error), what, pulled) from error
        except requests.exceptions.ReadTimeout as error:
            silent = f"the Docker daemon at {self.url} has not answered within {_TIMEOUT} s"
            raise DaemonDown(f"{what}: {silent}") from error
        except (OSError, urllib3.exceptions.HTTPError) as error:  # those of requests among them
            raise self._away(what, error, type(error).__name__) from error
        except docker.errors.DockerException as error:
            raise self._away(what, error, str(error)) from error

    def _connected(self) -> docker.APIClient:
        with self._lock:
            if self._client is None:
                with contextlib.closing(self._make(DEFAULT_DOCKER_API_VERSION)) as first:
                    version = first.version(api_version=False)["ApiVersion"]
                self._client = self._make(version)
            return self._client

    def _make(self, version: str) -> docker.APIClient:
        """A client of a daemon of this version. Asks nothing."""
        client = docker.APIClient(base_url=self.url, version=version, timeout=_TIMEOUT)
        if self.url.startswith("unix://"):
            client.mount("http+docker://", UnixAdapter(self.url, _TIMEOUT))
        return client

    def _away(self, what: str, error: Exception, shown: str) -> DockerError:
        if "Permission denied" in str(error):
            return NotAllowed(
                f"{what}: this user may not reach the Docker daemon at {self.url}; is it in the group docker?"
            )
        return DaemonDown(f"{what}: no Docker daemon answers at {self.url}; is dockerd up? ({shown})")
