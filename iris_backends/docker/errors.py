"""What a Docker daemon refuses, as typed errors that say what to do."""

from __future__ import annotations

import re
from typing import Final

from iris_api.errors import Denied, JobFault, NoCapacity, PlatformError

__all__ = [
    "DaemonDown",
    "DaemonFault",
    "DockerError",
    "Gone",
    "ImageMissing",
    "NameTaken",
    "NoSpace",
    "NoSubnet",
    "NotAllowed",
    "NotRunnable",
    "PortTaken",
    "RegistryUnreachable",
    "explain",
]


class DockerError(PlatformError):
    """The daemon refused; the message has its reason and what to do."""


class DaemonDown(DockerError):
    """No daemon answers."""


class DaemonFault(DockerError):
    """The daemon failed by itself."""


class ImageMissing(DockerError, JobFault):
    """The image is not there, and cannot be fetched by its name."""


class RegistryUnreachable(DockerError):
    """The image is not there, and its registry cannot be reached."""


class NameTaken(DockerError):
    """There is a container of this name."""


class PortTaken(DockerError):
    """A port that was to be published is somebody else's."""


class NoSpace(DockerError, NoCapacity):
    """The daemon's disk is full."""


class NoSubnet(DockerError, NoCapacity):
    """The daemon has no addresses for one more network."""


class NotAllowed(DockerError, Denied):
    """The daemon does not do this for this user."""


class NotRunnable(DockerError):
    """The program is not in the image, or is none; `code` as a shell tells it: 127 or 126."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[NotRunnable], tuple[str, int]]:
        return type(self), (str(self), self.code)


class Gone(DockerError):
    """There is no such container, or network."""


_REGISTRY: Final = re.compile(
    r"dial tcp|\blookup \S+( on \S+)?: |connection refused|no such host|i/o timeout|TLS handshake"
    r"|request canceled|deadline exceeded|toomanyrequests",
    re.IGNORECASE,
)
_REFUSED: Final = re.compile(
    r"no such image|manifest unknown|blob unknown|unknown blob|no matching manifest|not found|does not exist"
    r"|(?<!permission )denied|unauthorized|authentication required|invalid reference format",
    re.IGNORECASE,
)
_ASKED: Final = re.compile(r"\b(Get|Head) \"?https?://")  # what Docker calls its talk to a registry
_NO_IMAGE: Final = re.compile(r"no such image: (?P<image>\S+)", re.IGNORECASE)
_NO_PROGRAM: Final = re.compile(
    r'exec: "[^"]*": (executable file not found|stat .*no such file)|no such file or directory: unknown'
    r"|no command spec",
    re.IGNORECASE,
)
_NO_RIGHT: Final = re.compile(r'exec: "[^"]*": (permission denied|is a directory)|exec format error')
_TAKEN: Final = re.compile(r"address already in use|port is already allocated", re.IGNORECASE)


def explain(status: int, text: str, what: str, pulled: str = "") -> DockerError:
    """The error for an answer of the daemon: its HTTP status and its message, to `what` was asked. `pulled`:
    the image that was to be fetched."""
    told = " ".join(text.split())
    if "no space left on device" in told:
        return NoSpace(
            f"{what}: the disk of the Docker daemon is full; free it: docker system prune ({told})"
        )
    if "address pool" in told:
        return NoSubnet(
            f"{what}: the Docker daemon has no addresses for one more network; remove some: docker network "
            f"prune, or give it more: default-address-pools ({told})"
        )
    if pulled:
        return _of_registry(told, pulled) or _by_status(status, told, what)
    if missing := _NO_IMAGE.search(told):
        return _no_image(missing["image"], told)
    if _TAKEN.search(told):
        return PortTaken(f"{what}: a port is taken by another program or container: {told}")
    if "docker-init" in told:
        return DockerError(f"{what}: the daemon's machine has no docker-init; install tini there ({told})")
    if "OCI runtime" in told and "operation not permitted" in told:
        return NotAllowed(f"{what}: the daemon's machine does not allow what the profile gives: {told}")
    if _NO_PROGRAM.search(told):
        return NotRunnable(f"{what}: {told}", 127)
    if _NO_RIGHT.search(told):
        return NotRunnable(f"{what}: {told}", 126)
    return _by_status(status, told, what)


def _of_registry(told: str, image: str) -> DockerError | None:
    away = RegistryUnreachable(
        f"the registry of image {image} cannot be reached; load the image by docker load, or mend the "
        f"daemon's network ({told})"
    )
    if _REGISTRY.search(told):
        return away
    if _REFUSED.search(told):
        return _no_image(image, told)
    return away if _ASKED.search(told) else None


def _no_image(image: str, told: str) -> ImageMissing:
    return ImageMissing(
        f"there is no image {image}; is its name right, and is the daemon logged in? ({told})"
    )


def _by_status(status: int, told: str, what: str) -> DockerError:
    if status in (401, 403):
        return NotAllowed(f"{what}: the Docker daemon does not allow it: {told}")
    if status == 404:
        return Gone(f"{what}: {told}")
    if status == 409 and "already in use" in told:
        return NameTaken(f"{what}: {told}")
    if status >= 500:
        return DaemonFault(f"{what}: the Docker daemon failed: {told}")
    return DockerError(f"{what}: {told}")
