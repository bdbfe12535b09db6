"""What a daemon answers becomes an error that says what to do."""

from __future__ import annotations

import pickle

import pytest

from iris_backends.docker.errors import (
    DaemonFault,
    DockerError,
    Gone,
    ImageMissing,
    NameTaken,
    NoSpace,
    NoSubnet,
    NotAllowed,
    NotRunnable,
    PortTaken,
    RegistryUnreachable,
    explain,
)

_RUNC = "OCI runtime create failed: container_linux.go:380: starting container process caused: "


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (404, "No such image: nope:1", ImageMissing),
        (404, "No such container: 0123456789ab", Gone),
        (404, "network nope not found", Gone),
        (409, 'Conflict. The container name "/x" is already in use by container "abc".', NameTaken),
        (409, "Container abc is not running", DockerError),
        (400, "Unknown runtime specified nope", DockerError),
        (400, "invalid mount config for type \"bind\": bind source path does not exist: /nope", DockerError),
        (400, "Minimum memory limit allowed is 6MB", DockerError),
        (400, f'{_RUNC}exec: "nope": executable file not found in $PATH: unknown', NotRunnable),
        (400, f'{_RUNC}exec: "/etc/passwd": permission denied: unknown', NotRunnable),
        (400, f"{_RUNC}exec format error: unknown", NotRunnable),
        (500, f"{_RUNC}unable to apply caps: operation not permitted: unknown", NotAllowed),
        (403, "authorization denied by plugin x", NotAllowed),
        (404, "could not find an available, non-overlapping IPv4 address pool among the defaults", NoSubnet),
        (400, f'{_RUNC}chdir to cwd ("/x") failed: permission denied: unknown', DockerError),
        (500, 'exec: "docker-init": executable file not found in $PATH', DockerError),
        (500, "write /var/lib/docker/tmp/x: no space left on device", NoSpace),
        (500, "driver failed programming external connectivity on endpoint x: Error starting userland proxy: "
              "listen tcp4 0.0.0.0:8080: bind: address already in use", PortTaken),
        (500, "driver failed ...: Bind for 0.0.0.0:8080 failed: port is already allocated", PortTaken),
        (500, 'could not select device driver "" with capabilities: [[gpu]]', DaemonFault),
        (503, "the daemon is shutting down", DaemonFault),
    ],
)  # fmt: skip
def test_answers(status: int, text: str, kind: type[DockerError]) -> None:
    error = explain(status, text, "container iris-1")
    assert type(error) is kind
    assert text.split("...")[0].strip()[:40] in str(error)


_GET = 'Get "https://registry-1.docker.io/v2/": '


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (500, _GET + "dial tcp: lookup registry-1.docker.io: no such host", RegistryUnreachable),
        (500, _GET + "dial tcp 127.0.0.1:5: connect: connection refused", RegistryUnreachable),
        (500, _GET + "net/http: TLS handshake timeout", RegistryUnreachable),
        (500, _GET + "net/http: request canceled (Client.Timeout exceeded)", RegistryUnreachable),
        (500, _GET + "context deadline exceeded", RegistryUnreachable),
        (500, _GET + "EOF", RegistryUnreachable),
        (500, _GET + "x509: certificate signed by unknown authority", RegistryUnreachable),
        (500, "toomanyrequests: You have reached your pull rate limit.", RegistryUnreachable),
        (404, "manifest for img:1 not found: manifest unknown: manifest unknown", ImageMissing),
        (404, "pull access denied for img, repository does not exist or may require 'docker login': denied",
         ImageMissing),
        (500, 'Head "https://ghcr.io/v2/x/manifests/1": denied', ImageMissing),
        (500, "unauthorized: authentication required", ImageMissing),
        (404, "no matching manifest for linux/arm64/v8 in the manifest list entries", ImageMissing),
        (400, "invalid reference format: repository name must be lowercase", ImageMissing),
        (404, "manifest for lookup/dial:1 not found: manifest unknown", ImageMissing),
        (500, "write /var/lib/docker/tmp/GetImageBlob1: no space left on device", NoSpace),
        (500, "mkdir /var/lib/docker/x: permission denied", DaemonFault),
        (500, "filesystem layer verification failed for digest sha256:00", DaemonFault),
    ],
)  # fmt: skip
def test_answers_to_a_pull(status: int, text: str, kind: type[DockerError]) -> None:
    error = explain(status, text, "image img:1", "img:1")
    assert type(error) is kind
    assert "img:1" in str(error)
    assert text in str(error)


@pytest.mark.parametrize(
    ("error", "what_to_do"),
    [
        (explain(404, "No such image: nope:1", "container x"), "there is no image nope:1; is its name right"),
        (explain(500, "dial tcp", "image i", "i"), "docker load"),
        (explain(500, "no space left on device", "container x"), "docker system prune"),
        (explain(500, 'exec: "docker-init": not found', "container x"), "install tini"),
    ],
)
def test_they_say_what_to_do(error: DockerError, what_to_do: str) -> None:
    assert what_to_do in str(error)


@pytest.mark.parametrize(
    ("text", "code"), [("executable file not found in $PATH", 127), ("permission denied", 126)]
)
def test_what_cannot_be_run_has_the_code_of_a_shell(text: str, code: int) -> None:
    error = explain(400, f'exec: "x": {text}', "container x")
    assert isinstance(error, NotRunnable)
    assert error.code == pickle.loads(pickle.dumps(error)).code == code


def test_an_error_is_one_line() -> None:
    assert "\n" not in str(explain(500, "several\n  lines\r\n", "container x"))
