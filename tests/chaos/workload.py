"""A mixed workload, and how each job of it must end: so that a lost, doubled or wrong end is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final

from attrs import field, frozen

from iris.client import IrisClient
from iris.client.bundle import Workspace
from iris.client.job import Job
from iris.cluster.types import CauseKind, Entrypoint, JobState, ResourceSpec
from tests.chaos import tasks

__all__ = ["KINDS", "Expected", "Folder", "keeper", "server"]


@frozen(kw_only=True)
class Expected:
    """How a job ends. `lines`: its whole output, of the last attempt of each task; None: not looked at.
    `tries`: attempts of a task that end by the user's code. `stop`: somebody has to cancel it."""

    job_id: str
    kind: str
    state: JobState = JobState.SUCCEEDED
    cause: CauseKind | None = None
    lines: tuple[str, ...] | None = None
    tries: int = 1
    stop: bool = field(default=False)


@frozen
class Folder:
    """Where tasks leave word: `ran` has a line for each attempt that has run."""

    path: Path

    @property
    def ran(self) -> Path:
        return self.path / "ran"

    @property
    def end(self) -> Path:
        """Who stays until told to end looks for this."""
        return self.path / "end"

    def started(self) -> list[str]:
        return self.ran.read_text().split() if self.ran.exists() else []

    def script(self, text: str) -> Entrypoint:
        return Entrypoint.from_command("sh", "-c", f"echo $IRIS_ATTEMPT_UID >> {self.ran}; {text}")


Make = Callable[[IrisClient, Folder, str, Random], Expected]


def _lines(client: IrisClient, folder: Folder, name: str, random: Random) -> Expected:
    count = random.randrange(1, 40)
    pause = random.choice(("", "", "sleep 0.1;"))
    text = f"i=0; while [ $i -lt {count} ]; do echo {name} $i; {pause} i=$((i+1)); done"
    job = client.submit(name=name, entrypoint=folder.script(text))
    return Expected(job_id=job.job_id, kind="lines", lines=tuple(f"{name} {i}" for i in range(count)))


def _both_streams(client: IrisClient, folder: Folder, name: str, _random: Random) -> Expected:
    job = client.submit(name=name, replicas=2, entrypoint=folder.script("echo out; sleep 0.3; echo err >&2"))
    return Expected(job_id=job.job_id, kind="two replicas", lines=("out", "err"))


def _called(client: IrisClient, folder: Folder, name: str, random: Random) -> Expected:
    count = random.randrange(1, 5)
    entry = Entrypoint.from_callable(tasks.prints, str(folder.ran), count)
    job = client.submit(name=name, entrypoint=entry)
    return Expected(job_id=job.job_id, kind="callable", lines=tuple(f"called {i}" for i in range(count)))


def _fails(client: IrisClient, folder: Folder, name: str, _random: Random) -> Expected:
    job = client.submit(name=name, entrypoint=folder.script("echo why; exit 3"), max_retries_failure=2)
    end = {"state": JobState.FAILED, "cause": CauseKind.EXIT}
    return Expected(job_id=job.job_id, kind="fails", lines=("why",), tries=3, **end)  # type: ignore[arg-type]


def _flaky(client: IrisClient, folder: Folder, name: str, _random: Random) -> Expected:
    mark = folder.path / f"{name}.failed"
    script = folder.script(f"[ -e {mark} ] && echo second && exit 0; touch {mark}; exit 1")
    job = client.submit(name=name, entrypoint=script, max_retries_failure=1)
    return Expected(job_id=job.job_id, kind="retried", lines=("second",), tries=2)


def _timeout(client: IrisClient, folder: Folder, name: str, _random: Random) -> Expected:
    job = client.submit(name=name, entrypoint=folder.script("exec sleep 600"), timeout=1.5)
    return Expected(job_id=job.job_id, kind="timeout", state=JobState.FAILED, cause=CauseKind.TIMEOUT)


def _cancelled(client: IrisClient, folder: Folder, name: str, _random: Random) -> Expected:
    job = client.submit(name=name, entrypoint=folder.script("sleep 600 & wait"))
    end = {"state": JobState.KILLED, "cause": CauseKind.CANCELLED}
    return Expected(job_id=job.job_id, kind="cancelled", stop=True, **end)  # type: ignore[arg-type]


def _hopeless(client: IrisClient, folder: Folder, name: str, _random: Random) -> Expected:
    job = client.submit(name=name, entrypoint=folder.script("true"), resources=ResourceSpec(cpu=99_999))
    end = {"state": JobState.UNSCHEDULABLE, "cause": CauseKind.UNSCHEDULABLE}
    return Expected(job_id=job.job_id, kind="hopeless", tries=0, **end)  # type: ignore[arg-type]


def _family(client: IrisClient, folder: Folder, name: str, _random: Random) -> Expected:
    entry = Entrypoint.from_callable(tasks.family, str(folder.ran), str(folder.path / f"{name}.submitted"))
    job = client.submit(name=name, entrypoint=entry)
    return Expected(job_id=job.job_id, kind="family")


def _announces(client: IrisClient, folder: Folder, name: str, _random: Random) -> Expected:
    job = client.submit(
        name=name, entrypoint=Entrypoint.from_callable(tasks.announces, str(folder.ran), name)
    )
    return Expected(job_id=job.job_id, kind="endpoint", lines=("True",))


def _bundle(client: IrisClient, folder: Folder, name: str, random: Random) -> Expected:
    workspace = folder.path / f"{name}.workspace"
    workspace.mkdir()
    (workspace / "data").write_text(f"{name}\n" + random.randbytes(2000).hex() + "\n")
    own = IrisClient(client.connection, workspace=Workspace(workspace))
    job = own.submit(name=name, entrypoint=folder.script("head -1 data"))
    return Expected(job_id=job.job_id, kind="workspace", lines=(name,))


def keeper(client: IrisClient, folder: Folder, name: str) -> Job:
    """A job that counts until it shall end, and says last how far it came."""
    text = f"i=0; until [ -e {folder.end} ]; do echo count $i; i=$((i+1)); sleep 0.2; done; echo counted $i"
    return client.submit(name=name, entrypoint=folder.script(text))


def server(client: IrisClient, folder: Folder, name: str) -> Job:
    """A job that serves the actor `counter`."""
    entry = Entrypoint.from_callable(tasks.serve, str(folder.ran), "counter", str(folder.end))
    return client.submit(name=name, entrypoint=entry)


KINDS: Final[Mapping[str, Make]] = {
    "lines": _lines,
    "two replicas": _both_streams,
    "callable": _called,
    "fails": _fails,
    "retried": _flaky,
    "timeout": _timeout,
    "cancelled": _cancelled,
    "hopeless": _hopeless,
    "family": _family,
    "endpoint": _announces,
    "workspace": _bundle,
}
