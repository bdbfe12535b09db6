"""Makes a state file for the tests of migrations: ``python -m tests.store.make_file PATH``.

To be run with the code whose schema is to be kept, before that schema is changed; the file is then never
made again. It has every kind of row, tasks and attempts in many states, and job ``goes-on`` with one running
attempt on worker w-1, incarnation ``first``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from iris_api.jobs import Constraint
from iris_api.resources import ResourceSpec
from iris_controller.store.sql import SqlStore
from iris_controller.store.sqlite import Sqlite
from tests.controller.kit import FAILED, OK, Cluster

__all__ = ["eventful"]


def eventful() -> Cluster:
    """A cluster in which every kind of row has been made, changed, and some deleted."""
    cluster = Cluster()
    cluster.join("w-1", attributes={"zone": "a"})
    cluster.join("w-2")
    first = cluster.submit(
        "first",
        replicas=2,
        max_retries_failure=2,
        env_vars={"A": "1"},
        ports=("web",),
        constraints=(Constraint("zone", "EXISTS"),),
        resources=ResourceSpec(0.5, "1GB"),
        request_id="r-1",
        timeout=100.0,
    )
    cluster.settle()
    child = cluster.child(f"{first}:0")
    cluster.settle()
    cluster.register("e-1", "/x", cluster.attempt(f"{child}:0").uid)
    cluster.register("e-2", "/y", lease=60)
    cluster.end(f"{first}:1", FAILED, last_lines=("boom",))
    cluster.terminate(child)
    cluster.report("w-2", leaving=True)
    cluster.submit("waits", scheduling_timeout=50.0, resources=ResourceSpec(8, "16GB"))
    return cluster


def _goes_on(cluster: Cluster) -> None:
    done = cluster.submit("done")
    cluster.settle("w-1")
    cluster.end(f"{done}:0", OK)
    failed = cluster.submit("failed", replicas=2)
    cluster.settle("w-1")
    cluster.end(f"{failed}:0", FAILED, last_lines=("boom",))
    on_w_1 = (Constraint("zone", "EQ", ("a",)),)
    cluster.submit("goes-on", resources=ResourceSpec(1, "1GB"), constraints=on_w_1)
    cluster.settle("w-1")


def main(path: Path) -> None:
    cluster = eventful()
    _goes_on(cluster)
    store = SqlStore(Sqlite(path))
    for changes in cluster.changes:
        store.commit(changes)
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
