"""The supervisor of one attempt, a process in a session of its own. Standard library only.

It keeps the task's output and exit while no worker is there, and ends all that the task has started.
What it imports before the task runs delays the task; the rest it imports after.
"""

import ctypes
import os
import time

from iris_api.supervised import _files as files
from iris_api.supervised._spool import Spool, Stream

TYPE_CHECKING = False  # of typing, whose import would delay the task
if TYPE_CHECKING:
    from iris_api.supervised._lease import Watch

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_POLLIN = 1
_PF_EXITING = 4  # of the flags in /proc/<pid>/stat
_SIGKILL, _SIGPIPE, _SIGTERM, _SIGCONT, _SIGXFSZ = 9, 13, 15, 18, 25
_GIVE_UP = 10.0  # seconds to end what is left of an attempt, before it is reported as left
_BOUND_GRACE = 1.0  # seconds that a task has when it ends because its worker has
_LEASE_GRACE = 3.0  # seconds that it has when its lease is over


class Launch:
    """What is to run. `fault` is the exit kind if it cannot be started; `bound`: it ends with the worker.
    `worker`: pid and start time. `lease`: grace, absence, and the controller's host and port."""

    def __init__(self, data: bytes) -> None:
        cwd, limit, bound, fault, worker, lease, count, *rest = data.split(b"\0")
        self.cwd, self.limit, self.bound, self.fault = cwd, int(limit), bound == b"1", fault
        self.worker, self.lease = worker.split(), lease.split()
        self.argv = rest[: int(count)]
        self.env = dict(pair.split(b"=", 1) for pair in rest[int(count) :])


class Task:
    """The task's process, leader of a process group of its own. Its pipes: `out` and `err`."""

    def __init__(self, folder: str, launch: Launch, libc: ctypes.CDLL) -> None:
        self._folder = folder
        self.out, out = os.pipe()
        self.err, err = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._become(launch, libc, parent, out, err)
            finally:
                os._exit(127)
        os.close(out)
        os.close(err)
        try:
            os.setpgid(self.pid, self.pid)
        except OSError:  # it was faster itself
            return

    def signal(self, number: int) -> None:
        """Signal the group. Only until the task is collected: then its id may be somebody else's."""
        os.killpg(self.pid, number)

    def _become(self, launch: Launch, libc: ctypes.CDLL, parent: int, out: int, err: int) -> None:
        os.setpgid(0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            return
        for number in (_SIGPIPE, _SIGXFSZ):  # Python ignores them, and a program does not expect that
            libc.signal(number, None)
        for fd, target in ((os.open("/dev/null", os.O_RDONLY), 0), (out, 1), (err, 2)):
            os.dup2(fd, target)
        kind, what = b"environment", launch.cwd
        try:
            os.chdir(launch.cwd)
            kind, what = launch.fault, launch.argv[0]
            os.execvpe(launch.argv[0], launch.argv, launch.env)  # noqa: S606  that is the task
        except (OSError, ValueError) as error:  # ValueError: an empty name
            why = getattr(error, "strerror", None) or "it cannot be started"
            message = b"cannot run %s: %s" % (what or b"''", why.encode())
            files.write_surely(f"{self._folder}/{files.NOTE}", kind + b"\n" + message)
            os.write(2, b"iris: " + message + b"\n")


class Supervisor:
    """One attempt, from its start to its exit record."""

    def __init__(self, folder: str, launch: Launch, task: Task) -> None:
        import select
        import signal

        self._folder = folder
        self._task = task
        self._started = time.time()
        self._control = os.open(f"{folder}/{files.CONTROL}", os.O_RDWR | os.O_NONBLOCK)
        self._commands = b""
        wake = os.open(f"{folder}/{files.WAKE}", os.O_RDWR | os.O_NONBLOCK)
        self._spool = Spool(f"{folder}/{files.SPOOL}", launch.limit, wake)
        out, err = Stream(task.out, b"o", self._spool), Stream(task.err, b"e", self._spool)
        self._streams = {out.fd: out, err.fd: err}
        self._memory = 0  # KiB, of the largest process
        self._stopped = False
        self._why = ""
        self._kill_at: float | None = None
        self._children, wakeup = os.pipe()
        for fd in (self._children, wakeup):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll = select.poll()
        for fd in (self._children, self._control, *self._streams, *((0,) if launch.bound else ())):
            self._poll.register(fd, select.POLLIN)
        self._lease = _watch(launch.lease) if launch.lease else None
        self._serve(*launch.worker)

    def run(self) -> None:
        while not self._reap():
            self._step()
        self._end()

    def _step(self) -> None:
        ready = dict(self._poll.poll(self._patience()))
        for fd in self._streams.keys() & ready.keys():
            if not self._streams[fd].pump():
                self._poll.unregister(fd)  # its end
        if self._reap():  # before any command: what has ended by itself was not stopped
            return
        if self._lease is not None and self._lease.fd in ready:
            self._serve()
        if self._control in ready:
            self._obey()
        if 0 in ready:  # the worker's end of the pipe is gone, and the worker with it
            self._poll.unregister(0)
            self._stop(_BOUND_GRACE)
        if self._lease is not None and not self._stopped and (why := self._lease.look()):
            self._why = why
            self._stop(_LEASE_GRACE)
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            self._task.signal(_SIGKILL)

    def _patience(self) -> "float | None":
        """Milliseconds until something is to be done though nothing has come."""
        kill = None if self._kill_at is None else self._kill_at - time.monotonic()
        look = None if self._lease is None or self._stopped else self._lease.left()
        spans = [span for span in (kill, look) if span is not None]
        return max(0.0, min(spans)) * 1000 + 1 if spans else None

    def _serve(self, *worker: bytes) -> None:
        """`worker`, or nobody, follows this attempt now."""
        if self._lease is None:
            return
        if self._lease.fd is not None:
            self._poll.unregister(self._lease.fd)
        self._lease.release()
        if worker:
            self._lease.serve(*worker)
        if self._lease.fd is not None:
            self._poll.register(self._lease.fd, _POLLIN)

    def _obey(self) -> None:
        *commands, self._commands = (self._commands + os.read(self._control, 4096)).split(b"\n")
        for command in commands:
            word, *given = command.split()
            if word == b"stop":
                self._stop(float(given[0]))
            else:
                self._serve(*given)

    def _stop(self, grace: float) -> None:
        if not self._stopped:
            self._stopped = True
            self._kill_at = time.monotonic() + grace
            self._task.signal(_SIGTERM)
            self._task.signal(_SIGCONT)
        elif self._kill_at is not None:
            self._kill_at = min(self._kill_at, time.monotonic() + grace)

    def _reap(self) -> bool:
        """Collect orphans that have ended. True once the task has; that is left uncollected, so that
        the id of its group stays its own."""
        _drain(self._children)
        while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if found.si_pid == self._task.pid:
                return True
            self._collect(found.si_pid)
        return False

    def _collect(self, pid: int) -> int:
        _, status, usage = os.wait4(pid, 0)
        self._memory = max(self._memory, usage.ru_maxrss)
        return status

    def _end(self) -> None:
        ended = time.time()
        self._task.signal(_SIGKILL)  # the rest of its group
        status = self._collect(self._task.pid)
        left = self._kill_descendants()
        for stream in self._streams.values():
            stream.finish()
        self._spool.finish()
        for secret in (files.CALL, files.TOKEN):
            _remove(f"{self._folder}/{secret}")
        record = {
            "signal" if os.WIFSIGNALED(status) else "code": abs(os.waitstatus_to_exitcode(status)),
            "stopped": int(self._stopped),
            "memory_peak": self._memory * 1024,
            "started": self._started,
            "ended": ended,
            "left": left,
            "why": self._why,
        }
        text = "".join(f"{key} {value}\n" for key, value in record.items())
        files.write_surely(f"{self._folder}/{files.EXIT}", text.encode())

    def _kill_descendants(self) -> int:
        """Kill all that is below, whatever session it is in: orphans become children of this process,
        until there are none. The number of those that could not be ended."""
        deadline = time.monotonic() + _GIVE_UP
        while (children := self._living_children()) and time.monotonic() < deadline:
            for pid in children:
                _kill(pid)
            _wait_readable(self._children, 0.05)
            _drain(self._children)
        return len(children)

    def _living_children(self) -> list[int]:
        try:
            while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                self._collect(found.si_pid)
        except ChildProcessError:
            return []
        own = str(os.getpid()).encode()
        return [pid for pid in files.all_pids() if _parent(pid) == own]


def main(folder: str) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    path = f"{folder}/{files.LAUNCH}"
    with open(path, "rb") as file:  # noqa: PTH123
        launch = Launch(file.read())
    owner = f"{os.getpid()} {files.start_time('self')}"
    files.write_surely(f"{folder}/{files.OWNER}", owner.encode())
    os.unlink(path)  # noqa: PTH108  raises if a later worker has given this attempt up
    parent = os.getppid()
    task = Task(folder, launch, libc)
    Supervisor(folder, launch, task).run()
    if launch.bound and (os.getppid() != parent or _is_ending(parent)):
        _remove_all(folder)  # nobody will ask how it ended


def _watch(lease: "list[bytes]") -> "Watch":
    from iris_api.supervised._lease import Watch

    grace, absence, *controller = lease
    there = (controller[0].decode(), int(controller[1])) if controller else None
    return Watch(float(grace), float(absence), there)


def _is_ending(pid: int) -> bool:
    """A process that was killed closes its files, which is heard here, before its children see it go."""
    try:
        return bool(int(files.stat_fields(pid)[6]) & _PF_EXITING)
    except (FileNotFoundError, ProcessLookupError):
        return True


def _parent(pid: int) -> bytes:
    try:
        return files.stat_fields(pid)[1]
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, _SIGKILL)
    except (ProcessLookupError, PermissionError):  # another user's: counted as left
        return


def _wait_readable(fd: int, timeout: float) -> None:
    import select

    select.select([fd], [], [], timeout)


def _drain(fd: int) -> None:
    try:
        os.read(fd, 4096)
    except BlockingIOError:  # no child has changed
        return


def _remove_all(folder: str) -> None:
    """The folder, and with the last of them the directory that they are in."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rmdir(os.path.dirname(folder))  # noqa: PTH106, PTH120
    except OSError:  # others are there, or one of them was faster
        return


def _remove(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:  # not every task has one
        return
