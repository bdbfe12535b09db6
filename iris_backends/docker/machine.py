"""One machine: the body of its create request, and the files in it. Pure."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from iris_api.platform import Mount, SliceRequest
from iris_backends.docker.config import DockerConfig
from iris_backends.docker.spec import mount_body
from iris_backends.docker.template import Size

__all__ = ["HOME", "MachinePlan", "archive", "labels", "machine_body", "worker_id"]

HOME: Final = Path("/var/lib/iris")  # of the worker, in the machine
_SETTINGS: Final = HOME / "iris.toml"
_TOKEN: Final = HOME / "token"
_PACKAGES: Final = Path("/opt/iris")
_PIDS: Final = 16_384  # the most processes and threads of a machine
_LOGS: Final = {"max-size": "10m", "max-file": "2"}
# Iris in it is for the Python of whoever made the machine.
_BOOT: Final = (
    "import sys; wanted, packages = sys.argv[1:3]; found = '%d.%d' % sys.version_info[:2]; "
    "found == wanted or sys.exit(f'the image has Python {found}, and its cluster runs on Python {wanted}: "
    "name an image with Python {wanted}'); "
    "sys.path.append(packages); sys.argv[1:3] = []; from iris.cli import main; main()"
)


@frozen(kw_only=True)
class MachinePlan:
    """All that the machines of a slice are made of. `settings` and `token` are what their workers are told,
    `controller` is the controller's address as they reach it, `packages` a directory with Iris."""

    cluster: str
    request: SliceRequest
    config: DockerConfig
    image: str
    size: Size
    cpus: int  # of the daemon's machine
    user: tuple[int, int]
    network: str
    controller: str
    packages: Path


def worker_id(slice_id: str, index: int) -> str:
    return f"{slice_id}-{index}"


def labels(plan: MachinePlan, index: int) -> dict[str, str]:
    """`list` shows a slice by these alone."""
    return {
        "iris.cluster": plan.cluster,
        "iris.machines": plan.cluster,
        "iris.slice": plan.request.slice_id,
        "iris.pool": plan.request.pool,
        "iris.size": str(plan.request.size),
        "iris.index": str(index),
        "iris.memory": str(plan.size.memory),
    }


def machine_body(plan: MachinePlan, index: int) -> dict[str, Any]:
    return {
        "Image": plan.image,
        "Hostname": worker_id(plan.request.slice_id, index),
        "Entrypoint": ["python3"],
        "Cmd": ["-P", "-c", _BOOT, _minor(), str(_PACKAGES), *_worker(plan, index)],
        "Env": [f"HOME={HOME}", f"IRIS_TOKEN_FILE={_TOKEN}", "PYTHONUNBUFFERED=1"],
        "WorkingDir": str(HOME),
        "User": ":".join(map(str, plan.user)),
        "Labels": labels(plan, index),
        "HostConfig": _host_config(plan),
    }


def archive(settings: str, token: str, user: tuple[int, int]) -> bytes:
    """A tar of what is in a machine before it starts, from the root. Not in its environment, which everybody
    who may ask the daemon can read."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        folder = tarfile.TarInfo(str(HOME).lstrip("/"))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        folder.uid, folder.gid = user
        tar.addfile(folder)
        for path, text in ((_SETTINGS, settings), (_TOKEN, token)):
            one, data = tarfile.TarInfo(str(path).lstrip("/")), text.encode()
            one.size, one.mode = len(data), 0o600
            one.uid, one.gid = user
            tar.addfile(one, io.BytesIO(data))
    return made.getvalue()


def _worker(plan: MachinePlan, index: int) -> Sequence[str]:
    options: Mapping[str, str] = {
        "--config": str(_SETTINGS),
        "--controller": plan.controller,
        "--pool": plan.request.pool,
        "--id": worker_id(plan.request.slice_id, index),
        "--slice": plan.request.slice_id,
        "--index": str(index),
        "--directory": str(HOME / "worker"),
    }
    return ["worker", *(word for option in options.items() for word in option)]


def _host_config(plan: MachinePlan) -> dict[str, Any]:
    allowed = plan.config.allowed
    mounts = (Mount(plan.packages, _PACKAGES), *plan.config.parsed_mounts)
    return {
        "NetworkMode": plan.network,
        "Init": True,
        "Privileged": allowed.privileged,
        "CapDrop": [] if allowed.capabilities else ["ALL"],
        "SecurityOpt": [] if allowed.new_privileges else ["no-new-privileges"],
        "Mounts": [mount_body(one) for one in mounts],
        "Memory": plan.size.memory,
        "MemorySwap": plan.size.memory,
        "NanoCpus": int(min(plan.size.cpus, plan.cpus) * 1e9),
        "PidsLimit": _PIDS,
        "ExtraHosts": ["host.docker.internal:host-gateway"],
        "LogConfig": {"Type": "json-file", "Config": _LOGS},
        "RestartPolicy": {"Name": "no"},
    }


def _minor() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
