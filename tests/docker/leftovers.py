"""What a cluster has left at a daemon."""

from __future__ import annotations

from typing import Any

import docker

__all__ = ["remove_leftovers"]


def remove_leftovers(client: docker.DockerClient, cluster: str) -> list[str]:
    """What there was of it; it is gone then. Others use the daemon at the same time."""
    found: list[str] = []
    wanted: dict[str, Any] = {"label": f"iris.cluster={cluster}"}
    for container in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        found.append(f"container {container.name} ({container.status}): {container.labels}")
        container.remove(v=True, force=True)
    for network in client.networks.list(filters=wanted):
        found.append(f"network {network.name}")
        network.remove()
    for volume in client.volumes.list(filters=wanted):
        found.append(f"volume {volume.name}")
        volume.remove()
    return found
