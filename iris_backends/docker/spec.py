"""From a launch to the body of a create request. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen

from iris_api.platform import Launch, Mount
from iris_backends.docker.config import DockerConfig
from iris_backends.docker.folder import Folder

__all__ = ["Place", "Plan", "container_body", "labels", "mount_body", "needs_way_in", "place"]

_LEAST_MEMORY: Final = 6 * 2**20  # bytes; the daemon refuses less
_LOG_ROOM: Final = 8  # times the output limit: each line has its time and its stream with it, 27 bytes
_LEAST_CPU: Final = 0.01  # cores, as well
_TMP: Final = Path("/tmp")  # noqa: S108  of the container
_HOME_OF_ROOT: Final = Path("/root")
_LOOPBACK: Final = ("", "127.0.0.1", "localhost", "::1")
_OWN: Final = "0.0.0.0"  # noqa: S104  the address that a sandbox finds to be its own


@frozen(kw_only=True)
class Place:
    """What a container is told of this machine: the `controller`'s address as it is reached from inside."""

    controller: str
    advertise_host: str
    publish_on: str = ""  # the address of this machine on which ports are published; empty: on none


@frozen(kw_only=True)
class Plan:
    """All that a container is made of."""

    launch: Launch
    config: DockerConfig
    folder: Folder
    place: Place
    image: str
    user: tuple[int, int]
    cpus: int  # of the daemon's machine
    python: tuple[str, ...]  # runs a call: interpreter, runner, call, packages
    provided: tuple[Mount, ...]  # what Iris lends to it
    labels: Mapping[str, str]


def labels(cluster: str, root: str, launch: Launch) -> Mapping[str, str]:
    return {
        "iris.cluster": cluster,
        "iris.root": root,
        "iris.attempt": launch.uid,
        "iris.task": launch.info.task_id,
    }


def place(launch: Launch, config: DockerConfig, way_in: str) -> Place:
    """In a network of its own a task of a worker that nobody else reaches tells its own address, which this
    machine and its other containers reach; else its ports are published and the worker's is told."""
    worker = launch.info.advertise_host
    if config.network == "host":
        return Place(controller=launch.info.controller_address, advertise_host=worker)
    local = worker in _LOOPBACK
    return Place(
        controller=way_in or launch.info.controller_address,
        advertise_host=_OWN if local else worker,
        publish_on="" if config.network == "none" else "127.0.0.1" if local else _OWN,
    )


def needs_way_in(launch: Launch, config: DockerConfig) -> bool:
    """A controller at this machine's loopback is not to be reached from another network."""
    host = urlsplit(launch.info.controller_address).hostname or ""
    return config.network not in ("host", "none") and bool(host) and host in _LOOPBACK


def container_body(plan: Plan) -> dict[str, Any]:
    argv = plan.python if plan.launch.entry.call else plan.launch.entry.argv
    ports = sorted(plan.launch.info.ports.values()) if plan.place.publish_on else []
    return {
        "Image": plan.image,
        "Entrypoint": [*argv[:1]],
        "Cmd": [*argv[1:]],
        "Env": [f"{key}={value}" for key, value in environment(plan).items()],
        "WorkingDir": str(plan.launch.workdir),
        "User": ":".join(map(str, plan.user)),
        "Labels": dict(plan.labels),
        "ExposedPorts": {f"{port}/tcp": {} for port in ports},
        "HostConfig": _host_config(plan, ports),
    }


def environment(plan: Plan) -> Mapping[str, str]:
    """The job's own values over a few of Iris; its identity over both."""
    info = plan.launch.info
    told = {
        "IRIS_CONTROLLER_ADDRESS": plan.place.controller,
        "IRIS_ADVERTISE_HOST": plan.place.advertise_host,
    }
    token = {"IRIS_TOKEN_FILE": str(plan.folder.token)} if info.token is not None else {}
    own = {"HOME": str(_TMP), "PYTHONUNBUFFERED": "1"}
    return own | dict(plan.launch.env) | info.to_env() | told | token


def _host_config(plan: Plan, ports: Sequence[int]) -> dict[str, Any]:
    allowed, limits, mounts = plan.config.allowed, plan.launch.limits, _mounts(plan)
    memory = max(limits.memory, _LEAST_MEMORY) if limits.memory else 0
    cpu = min(max(limits.cpu, _LEAST_CPU), plan.cpus) if limits.cpu else 0
    return {
        "NetworkMode": plan.config.network,
        "Init": True,
        "ReadonlyRootfs": allowed.read_only,
        "Privileged": allowed.privileged,
        "CapDrop": [] if allowed.capabilities else ["ALL"],
        "SecurityOpt": [] if allowed.new_privileges else ["no-new-privileges"],
        "Tmpfs": _tmpfs(plan.user, mounts),
        "Mounts": [mount_body(one) for one in mounts],
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": int(cpu * 1e9),
        "PidsLimit": plan.config.pids,
        "PortBindings": {f"{p}/tcp": [{"HostIp": plan.place.publish_on, "HostPort": str(p)}] for p in ports},
        "ExtraHosts": [] if plan.config.network == "none" else ["host.docker.internal:host-gateway"],
        "LogConfig": _log_config(plan.launch.output_limit),
        "RestartPolicy": {"Name": "no"},
    }


def _mounts(plan: Plan) -> Sequence[Mount]:
    """At the paths that they have on this machine, so that there is one name for each."""
    own = (
        Mount(plan.launch.workdir, plan.launch.workdir, read_only=False),
        Mount(plan.folder.inside, plan.folder.inside, read_only=False),
    )
    return (*own, *plan.provided, *plan.config.parsed_mounts, *plan.launch.mounts)


def _tmpfs(user: tuple[int, int], mounts: Sequence[Mount]) -> dict[str, str]:
    """The home of root in an image is for root alone, and nobody else would reach what is mounted there. What
    somebody has mounted himself is that."""
    targets = {mount.target for mount in mounts}
    found = {_TMP: "exec,mode=1777"}
    if user[0] and any(_HOME_OF_ROOT in target.parents for target in targets):
        found[_HOME_OF_ROOT] = f"uid={user[0]},gid={user[1]}"
    return {str(path): options for path, options in found.items() if path not in targets}


def mount_body(mount: Mount) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(mount.source.absolute()),
        "Target": str(mount.target),
        "ReadOnly": mount.read_only,
    }


def _log_config(limit: int) -> dict[str, Any]:
    """Driver `local` keeps bytes as they are; `json-file` breaks characters of long lines. Whoever follows a
    log misses some lines, or has them twice, where a file is full: that is to be beyond the limit."""
    size = str(max(_LOG_ROOM * limit, 2**20))
    return {"Type": "local", "Config": {"max-size": size, "max-file": "2", "compress": "false"}}
