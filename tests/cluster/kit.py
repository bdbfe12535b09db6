"""What tasks of these tests import: light, so that a process task starts fast. And how tests hear of them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from iris.actor import ActorClient, ActorServer
from iris.client import iris_ctx
from iris.client.resolver import ClusterResolver
from iris.cluster.types import Constraint, Entrypoint
from iris.managed_thread import get_thread_registry
from iris_api.job_info import get_job_info, stop_event
from iris_api.testing import wait_for_condition

__all__ = [
    "LIMIT",
    "ON_EXTRA",
    "Caller",
    "Witness",
    "all_gone",
    "heard",
    "host",
    "is_alive",
    "park",
    "report_and_park_on_extra",
    "run_in",
    "tell",
    "waits_for",
]

WAITS: Final = "echo before; until [ -e {go} ]; do sleep 0.05; done; echo after"
ON_EXTRA: Final = (Constraint("slice", "EQ", "extra"),)
LIMIT: Final = 30.0  # seconds that any wait of these tests may take


def tell(path: Path, value: object) -> None:
    """Leave word for the test; it is there as a whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    draft.write_text(json.dumps(value))
    draft.replace(path)


def heard(path: Path, timeout: float = LIMIT) -> Any:
    """What a task told."""
    wait_for_condition(path.exists, timeout=timeout, message=f"word in {path.name}")
    return json.loads(path.read_text())


def park() -> None:
    """Stay until the task shall end: a thread is asked by its event, a process by SIGTERM."""
    (stop_event() or threading.Event()).wait(2 * LIMIT)


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_gone(pids: Iterable[int]) -> bool:
    return not any(is_alive(pid) for pid in pids)


def run_in(how: str, call: Callable[[], Any]) -> Any:
    """The result of `call`, on a thread of that kind."""
    results: list[Any] = []
    if how == "managed":
        get_thread_registry().container.spawn(lambda _stop: results.append(call()), "deeper").join(LIMIT)
    elif how == "raw":
        thread = threading.Thread(target=lambda: results.append(call()))
        thread.start()
        thread.join(LIMIT)
    elif how == "executor":
        with ThreadPoolExecutor(1) as executor:
            results.append(executor.submit(call).result(LIMIT))
    elif how == "raw in executor":
        return run_in("executor", lambda: run_in("raw", call))
    else:
        raise ValueError(how)
    (result,) = results
    return result


class Witness:
    """An actor that tells whose job it sees."""

    def see(self, how: str) -> list[str]:
        """Job, task, attempt and controller, as a thread below the handler sees them."""
        return list(run_in(how, _identity))


class Caller(Witness):
    """An actor whose handler calls another actor from a thread of its own."""

    def see_both(self, how: str, other: str) -> tuple[list[str], list[str]]:
        """What a thread below this handler sees, and what the handler that it calls does."""
        mine, theirs = run_in(how, lambda: (_identity(), _ask(other, how)))
        return mine, theirs


def _identity() -> list[str]:
    info = get_job_info()
    assert info is not None
    return [info.job_id, info.task_id, info.attempt_uid, iris_ctx().controller.address]


def _ask(name: str, how: str) -> list[str]:
    return list(ActorClient(ClusterResolver(iris_ctx().controller.address), name).see(how))


def host(name: str, kind: type[Witness], ready: Path) -> None:
    """A task that serves an actor until it shall end, and tells once that is so."""
    with ActorServer() as server:
        server.register(name, kind())
        server.serve_background()
        tell(ready, _identity())
        park()


def report_and_park_on_extra(told: str) -> None:
    """Ends at once, but on the extra worker."""
    tell(Path(told) / iris_ctx().worker_id, os.getpid())
    if iris_ctx().worker_id == "extra":
        park()


def waits_for(go: Path) -> Entrypoint:
    return Entrypoint.from_command("sh", "-c", WAITS.format(go=go))
