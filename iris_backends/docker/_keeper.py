"""The keeper of a worker's containers, a process that outlives the worker. Standard library only.

It is their way in to the controller, and ends them when their worker is gone for good.
"""

import fcntl
import os
import select
import sys
import time

from iris_api.supervised import _files as files
from iris_api.supervised._lease import Watch

TYPE_CHECKING = False  # of typing, which takes memory
if TYPE_CHECKING:
    from iris_backends.docker._relay import Relay
    from iris_backends.docker._sweep import Sweep

WISH = "wish"  # what the worker wants: fields separated by NUL, see Wish
CONTROL = "control"  # FIFO to the keeper: a byte says that there is another wish
STATE = "state"  # "<mark of the wish>\n<port that is listened on, or 0>\n<what is wrong>"
OWNER = "owner"  # "<pid> <start time>" of the keeper
LOCK = "lock"  # held by the keeper
LOG = "keeper.log"

_FOREVER = float("inf")
_BOUND_GRACE = 1.0  # seconds that containers have when they end because their worker has
_LEASE_GRACE = 3.0  # seconds that they have when their lease is over
_LOOK = 1.0  # seconds between looks at containers that may go on, and until what failed is tried again
_STEP = 0.1  # seconds between looks at containers that are being ended
_CERTAIN = 1.0  # seconds without any, for a start that a worker had asked for may still be under way
_GIVE_UP = 3600.0  # seconds for which a daemon that is away is asked again, where no lease says it


class Wish:
    """What the worker wants. `worker`: pid and start time; `lease`: grace and absence; `controller`: its host
    and port; `relay`: host and port to listen on; each may be empty. `bound`: containers end with the worker,
    and `remove` is removed then. `end`: they end now."""

    def __init__(self, data: bytes) -> None:
        self.mark, *fields = data.decode().split("\0")
        worker, lease, controller, relay, self.daemon, self.label, self.remove, bound, end = fields
        self.worker, self.relay = worker.split(), relay.split()
        self.lease = [float(span) for span in lease.split()]  # seconds
        self.controller = _address(controller.split()) if controller else None
        self.bound, self.end = bound == "1", end == "1"


class Keeper:
    """Serves the worker of the last wish, and looks after the containers once that is gone."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._control = os.open(f"{folder}/{CONTROL}", os.O_RDWR | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        self._watch = Watch(_FOREVER, _FOREVER, None)
        self._relay: Relay | None = None
        self._relay_trouble = ""
        self._sweep: Sweep | None = None
        self._next = 0.0  # when to look at the containers
        self._told = ""  # the last line in the log
        self._obey()

    def run(self) -> None:
        """Until there is nothing left to keep."""
        sys.modules["ssl"] = None  # type: ignore[assignment]  # a quarter of the memory, and never used
        # Nobody waits for it any more, and when it is needed the installation may be another one.
        import iris_backends.docker._sweep  # noqa: F401

        while not self._step():
            pass
        if self._wish.bound and self._wish.remove:
            import shutil

            shutil.rmtree(self._wish.remove, ignore_errors=True)

    def _step(self) -> bool:
        """True once there is nothing left to keep."""
        ready = dict(self._poll.poll(self._patience()))
        if self._control in ready:
            os.read(self._control, 4096)
            self._obey()
        if self._watch.fd in ready:
            self._leave()
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + min(_LOOK, max(_STEP, self._watch.left() or _LOOK))
        if self._relay_trouble:
            self._pass_on()
        return self._is_alone() and self._look()

    def _patience(self) -> "float | None":
        """Milliseconds until something is to be done though nothing has come."""
        if not self._is_alone() and not self._relay_trouble:
            return None
        return max(0.0, self._next - time.monotonic()) * 1000 + 1

    def _is_alone(self) -> bool:
        return self._watch.fd is None or self._wish.end

    def _obey(self) -> None:
        with open(f"{self._folder}/{WISH}", "rb") as file:  # noqa: PTH123
            self._wish = Wish(file.read())
        self._leave()
        grace, absence = self._wish.lease or (_FOREVER, _FOREVER)
        self._watch = Watch(grace, absence, self._wish.controller)
        if self._wish.worker:
            pid, started = self._wish.worker
            self._watch.serve(pid.encode(), started.encode())
        if self._watch.fd is not None:
            self._poll.register(self._watch.fd, select.POLLIN)
        self._pass_on()
        port = 0 if self._relay is None else self._relay.port
        state = f"{self._wish.mark}\n{port}\n{self._relay_trouble}"
        try:
            files.write_atomically(f"{self._folder}/{STATE}", state.encode())
        except OSError as error:  # the worker will wait in vain, and say so
            self._say(f"no answer: {error}")

    def _leave(self) -> None:
        """There is no worker now."""
        if self._watch.fd is not None:
            self._poll.unregister(self._watch.fd)
        self._watch.release()
        self._sweep = None
        self._next = 0.0

    def _pass_on(self) -> None:
        """Be the way in that is wished for."""
        wish, self._relay_trouble = self._wish, ""
        if self._relay is not None and [self._relay.host, str(self._relay.port)] != wish.relay:
            self._relay.close()
            self._relay = None
        if not wish.relay or wish.controller is None:
            return
        from iris_backends.docker import _relay  # not every keeper has one

        try:
            target = _relay.resolve(*wish.controller)
            if self._relay is None:
                self._relay = _relay.Relay(_relay.listen(*_address(wish.relay)), target, _relay.most())
            self._relay.target = target
        except OSError as error:
            self._relay_trouble = str(error)
            self._say(f"no way in: {error}")

    def _look(self) -> bool:
        """At the containers of a worker that is gone. True once none is left, or all is in vain."""
        from iris_backends.docker._sweep import Sweep

        wish = self._wish
        if self._sweep is None:
            self._sweep = Sweep(wish.daemon, wish.label, 0.0 if wish.end else _CERTAIN)
        sweep = self._sweep
        if sweep.grace is None and (why := self._why()):
            self._say(f"the containers end: {why}")
            sweep.grace = _BOUND_GRACE if wish.bound else _LEASE_GRACE
        done = sweep.step(running_only=sweep.grace is None and not wish.lease)
        if sweep.trouble:
            self._say(f"the daemon: {sweep.trouble}")
        elif sweep.grace is not None:
            self._next = time.monotonic() + _STEP
        return done or self._is_in_vain(sweep)

    def _why(self) -> str:
        """Why the containers are to end; empty: they may go on."""
        if self._wish.end:
            return "their worker wishes it"
        return "their worker has ended" if self._wish.bound else self._watch.look()

    def _is_in_vain(self, sweep: "Sweep") -> bool:
        limit = self._wish.lease[1] if self._wish.lease else _GIVE_UP
        if sweep.away() < limit:
            return False
        self._say(f"gives up, the daemon was away for {limit:.0f} s")
        return True

    def _say(self, what: str) -> None:
        """Once, however often it happens on end."""
        if what == self._told:
            return
        self._told = what
        try:
            os.write(2, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {what}\n".encode())
        except OSError:  # a full disk must not end it
            return


def _address(words: "list[str]") -> "tuple[str, int]":
    host, port = words
    return host, int(port)


def main(folder: str) -> None:
    """Leave a keeper behind, which is no child of the caller's. At once if there is one already."""
    lock = os.open(f"{folder}/{LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    pid = os.fork()
    if pid:
        owner = f"{pid} {files.start_time(pid)}"
        files.write_atomically(f"{folder}/{OWNER}", owner.encode())
        os._exit(0)
    os.chdir("/")
    Keeper(folder).run()
