"""Many seeds: each in a process of its own, forked from one that has imported everything and run once, so
that no seed sees what another left behind."""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

from iris.sim.plan import Plan
from iris.sim.run import Result, simulate

__all__ = ["run_seeds"]

_WARM: Final = 0  # the seed that fills the caches of imported libraries
_HANGS: Final = 120  # real seconds after which a seed is given up


def run_seeds(plans: Iterable[Plan | int], jobs: int = 1, *, keep_trace: bool = False) -> Iterator[Result]:
    """The results, as they come. This process must have no other threads."""
    simulate(_WARM)
    gc.collect()
    gc.freeze()
    waiting = iter(plans)
    with selectors.DefaultSelector() as selector:
        more = True
        while True:
            while more and len(selector.get_map()) < jobs:
                plan = next(waiting, None)
                more = plan is not None
                if plan is not None:
                    pipe, pid = _fork(lambda plan=plan: simulate(plan, keep_trace=keep_trace))  # type: ignore[misc]
                    selector.register(pipe, selectors.EVENT_READ, (plan, pid, bytearray()))
            if not selector.get_map():
                return
            for key, _ in selector.select():
                plan, pid, received = key.data
                chunk = os.read(key.fd, 1 << 16)
                received += chunk
                if not chunk:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    yield _result(plan, bytes(received), os.waitpid(pid, 0)[1])


def _fork(work: Callable[[], Result]) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return reader, pid
    signal.alarm(_HANGS)
    gc.disable()  # it is over soon, and a collection would copy the pages that it shares
    code = 1
    try:
        message = json.dumps(attrs.asdict(work())).encode()
        code = 0
    except BaseException:
        message = traceback.format_exc().encode()
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(message)
    os._exit(code)


def _result(plan: Plan | int, message: bytes, status: int) -> Result:
    if status == 0:
        fields = json.loads(message)
        return Result(**fields | {"lines": tuple(fields["lines"])})
    why = os.waitstatus_to_exitcode(status)
    hung = f"it was still running after {_HANGS} s" if why == -signal.SIGALRM else f"ended with {why}"
    return Result(
        seed=plan if isinstance(plan, int) else plan["seed"],
        broken=f"the simulation itself failed: {hung}",
        digest="",
        steps=0,
        virtual=0.0,
        cpu=0.0,
        lines=tuple(message.decode(errors="replace").splitlines()),
    )
