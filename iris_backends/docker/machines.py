"""DockerMachines: worker machines as containers of this Docker host."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from iris_api.context import Context
from iris_api.errors import NoCapacity, PlatformError
from iris_api.platform import Machines, Slice, SliceRequest
from iris_api.resources import format_memory
from iris_backends.docker.config import DockerConfig
from iris_backends.docker.engine import Engine
from iris_backends.docker.errors import DockerError, Gone
from iris_backends.docker.fetching import Fetching
from iris_backends.docker.machine import MachinePlan, archive, machine_body, worker_id
from iris_backends.docker.network import ClusterNetwork
from iris_backends.docker.packages import packages, shared_cache
from iris_backends.docker.slices import DELETING, Machine, by_slice, seen
from iris_backends.docker.template import MachineTemplate, Size, offer, size
from iris_backends.docker.tender import Tender
from iris_backends.docker.told import told
from iris_backends.docker.way_in import WayIn

__all__ = ["DockerMachines"]

_log = logging.getLogger("iris.machines")
_PATIENCE: Final = 1.0  # seconds for a daemon that is away: a pool asks again
_FRESH: Final = 3.0  # seconds that whoever has made a machine has to start it


class DockerMachines(Machines):
    """A slice is as many containers, in a network of the cluster. All that is known of it is in their labels
    and names, so any process of the cluster goes on with what another one has begun."""

    template = MachineTemplate

    def __init__(self, config: DockerConfig, context: Context) -> None:
        self._config, self._context, self._cluster = config, context, context.cluster
        self._engine = Engine(config.host, _PATIENCE)
        self._network = ClusterNetwork(self._engine, context.cluster)
        self._way_in = WayIn(context, self._engine.url)
        threads = context.threads.child("machines")
        self._fetching = Fetching(self._engine, config.pull, threads)
        self._tender = Tender(self._engine, threads, self._leave)
        self._making = threading.Lock()  # the network is not removed while machines are made for it

    def create(self, request: SliceRequest) -> Slice:
        template = request.template if request.template is not None else MachineTemplate()
        with self._making:
            there = self._machines()
            own = by_slice(there).get(request.slice_id, ())
            if len(own) < request.size and not any(one.deleting for one in own):
                try:
                    self._make(request, template, there)
                except BaseException:
                    self._remove_network()
                    raise
                own = by_slice(self._machines()).get(request.slice_id, ())
        if not own:
            raise PlatformError(f"slice {request.slice_id} was removed while it was made")
        self._tend(own, _FRESH)
        return seen(own, time.time())

    def list(self) -> Sequence[Slice]:
        slices = by_slice(self._machines())
        self._tender.forget(but=slices)
        if slices:
            self._keep_way_in()
        for machines in slices.values():
            self._tend(machines)
        return [
            seen(machines, time.time(), self._tender.trouble(slice_id) or self._last_words(machines))
            for slice_id, machines in slices.items()
        ]

    def delete(self, slice_id: str) -> None:
        for machine in by_slice(self._machines()).get(slice_id, ()):
            try:
                if not machine.deleting:
                    self._engine.rename(machine.id, f"{DELETING}{machine.id[:12]}")
            except Gone:  # another process was faster
                continue
            self._tender.end(machine)

    def close(self) -> None:
        """Machines go on. What is being deleted is gone after this, or is deleted by the next process."""
        self._tender.close()
        self._way_in.close()
        self._engine.close()

    def _machines(self) -> Sequence[Machine]:
        found = self._engine.containers({"iris.machines": self._cluster})
        return [Machine.of(one) for one in found]

    def _make(self, request: SliceRequest, template: MachineTemplate, there: Sequence[Machine]) -> None:
        """All of those that are missing, or none."""
        host = self._engine.info()
        settings = told(self._context, request, offer(template, host["MemTotal"]))
        plan = self._plan(request, template, there, host)
        assert self._context.token is not None  # `told` has looked
        files = archive(settings, self._context.token.reveal(), plan.user)
        own = by_slice(there).get(request.slice_id, ())
        made = [one.id for one in own]
        try:
            for index in sorted(set(range(request.size)) - {one.index for one in own}):
                name = f"iris-{self._cluster}-{worker_id(request.slice_id, index)}"
                made.append(self._engine.create(name, machine_body(plan, index)))
            for container in made:
                self._engine.put(container, files)
        except BaseException:
            self._undo(made)
            raise

    def _plan(
        self, request: SliceRequest, template: MachineTemplate, there: Sequence[Machine], host: Any
    ) -> MachinePlan:
        """Raises NoCapacity, and DockerError, before anything is made but the network."""
        image, wanted = template.image or self._config.image, size(template, request.resources)
        others = sum(one.memory for one in there if one.slice_id != request.slice_id)
        _check_room(wanted, request.size, others, host["MemTotal"])
        self._fetching.require(image)
        lent = packages(shared_cache())
        network = self._network.ensure()
        return MachinePlan(
            cluster=self._cluster,
            request=request,
            config=self._config,
            image=image,
            size=wanted,
            cpus=host["NCPU"],
            user=self._config.owner,
            network=network.id,
            controller=self._way_in.to(network),
            packages=lent,
        )

    def _undo(self, made: Sequence[str]) -> None:
        for container in made:
            try:
                self._engine.remove(container)
            except DockerError as error:
                _log.warning("container %s, which was made in vain, is left: %s", container[:12], error)

    def _tend(self, machines: Sequence[Machine], fresh: float = 0.0) -> None:
        """Go on with what was begun, perhaps by a process that is gone. A machine is left to who has made it
        until it is old enough; `fresh` seconds are taken off that."""
        whole = len(machines) == machines[0].size
        for machine in machines:
            if machine.deleting:
                self._tender.end(machine)
            elif whole and machine.state == "created" and time.time() - machine.created >= _FRESH - fresh:
                self._tender.start(machine)

    def _keep_way_in(self) -> None:
        """For machines of an earlier process, and where somebody has ended what passes the controller on."""
        if not self._way_in.needed:
            return
        try:
            network = self._network.find()
            if network is not None:
                self._way_in.to(network)
        except PlatformError as error:
            _log.warning("machines of cluster %s have no way in: %s", self._cluster, error)

    def _last_words(self, machines: Sequence[Machine]) -> str:
        """The last line of a machine that has ended by itself."""
        for machine in machines:
            if machine.ended and not machine.deleting:
                try:
                    return self._engine.last_lines(machine.id, 1)
                except DockerError:  # removed meanwhile
                    return ""
        return ""

    def _leave(self) -> None:
        """A machine is gone."""
        with self._making:
            self._remove_network()

    def _remove_network(self) -> None:
        """It goes with the last machine."""
        try:
            if not self._machines():
                self._network.remove()
        except DockerError as error:
            _log.warning("the network of cluster %s is left: %s", self._cluster, error)


def _check_room(wanted: Size, count: int, taken: int, memory: int) -> None:
    """Memory is what machines cannot share. `taken` by the cluster's others, of `memory` bytes in all."""
    if taken + wanted.memory * count > memory:
        raise NoCapacity(
            f"there is no room for machines with {format_memory(wanted.memory * count)}: the Docker host has "
            f"{format_memory(memory)}, and other machines of the cluster have {format_memory(taken)} of it"
        )
