"""The network of a cluster's machines."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from attrs import frozen

from iris_backends.docker.engine import Engine
from iris_backends.docker.errors import DockerError, Gone

__all__ = ["ClusterNetwork", "Found"]

_log = logging.getLogger("iris.machines")


@frozen
class Found:
    """A network: its id, and this machine's address in it."""

    id: str
    gateway: str


class ClusterNetwork:
    """``iris-<cluster>``. Made when it is needed, known by its labels, removed when nobody is in it."""

    def __init__(self, engine: Engine, cluster: str) -> None:
        self._engine = engine
        self._name = f"iris-{cluster}"
        self._labels = {"iris.cluster": cluster, "iris.machines": cluster}

    def find(self) -> Found | None:
        """Of several, which two processes have made at the same moment, the oldest."""
        networks = self._engine.networks(self._labels)
        oldest = min(networks, key=lambda one: (one["Created"], one["Id"]), default=None)
        return _found(oldest) if oldest is not None else None

    def ensure(self) -> Found:
        """Raises NoSubnet and other kinds of DockerError."""
        found = self.find()
        if found is not None:
            return found
        try:
            self._engine.create_network(self._name, self._labels)
        except DockerError:
            if (made := self.find()) is not None:  # by another process
                return made
            raise
        found = self.find()
        if found is None:
            raise Gone(f"network {self._name} was removed as soon as it was made")
        return found

    def remove(self) -> None:
        """One that somebody is in stays."""
        for one in self._engine.networks(self._labels):
            try:
                self._engine.remove_network(one["Id"])
            except DockerError as error:
                _log.warning("network %s is left: %s", one["Name"], error)


def _found(network: Mapping[str, Any]) -> Found:
    plan = network["IPAM"]["Config"][0]
    gateway = plan.get("Gateway") or str(next(ip_network(plan["Subnet"]).hosts()))
    return Found(network["Id"], gateway)
