"""Run one job with an installed Iris; started by `make smoke` outside the checkout."""

from __future__ import annotations

from iris.client import IrisClient
from iris.cluster.types import Entrypoint, ResourceSpec


def greet() -> None:
    print("hello from a task")


def main() -> None:
    client = IrisClient.local(runtime="local")
    try:
        entrypoint = Entrypoint.from_callable(greet)
        job = client.submit(name="smoke", entrypoint=entrypoint, resources=ResourceSpec(cpu=1))
        job.wait()
    finally:
        client.shutdown(wait=True)
    print("OK")


if __name__ == "__main__":
    main()
