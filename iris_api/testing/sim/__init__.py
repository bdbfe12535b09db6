"""Deterministic simulation: code that waits, sleeps and rolls dice, under virtual time and one seed.

Real, unmodified code runs on simulated machines: its threads are greenlets, its event loops are events of
one heap, its clocks and its random numbers are the kernel's. It needs greenlet, which comes with
``iris-cluster[testing]``. A simulation owns its process while it runs::

    kernel = Kernel("1234")
    with simulated(kernel):
        kernel.spawn(program, "main", kernel.host("a").process("p"))
        kernel.run(until=60.0)
    print(kernel.trace.digest())
"""

from iris_api.testing.sim.aio import SimLoop
from iris_api.testing.sim.hosts import EPOCH, Host, Process
from iris_api.testing.sim.kernel import Blocked, Kernel, Timer, Waiter, active
from iris_api.testing.sim.patch import Patch, simulated
from iris_api.testing.sim.trace import Trace

__all__ = [
    "EPOCH",
    "Blocked",
    "Host",
    "Kernel",
    "Patch",
    "Process",
    "SimLoop",
    "Timer",
    "Trace",
    "Waiter",
    "active",
    "simulated",
]
