"""Endpoints of real jobs: in the family, absolute, cluster-wide, and gone with their owner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iris.actor import ActorClient
from iris.client import IrisClient, iris_ctx
from iris.client.job import Job
from iris.client.resolver import ClusterResolver
from iris.cluster.types import Entrypoint
from iris_api.testing import wait_for_condition
from tests.cluster.kit import LIMIT, Witness, heard, host, park, tell


def owner(told: str) -> None:
    """Registers a name of its family and one for everybody; a child resolves both."""
    ctx = iris_ctx()
    ctx.registry.register("calc", "localhost:1001")
    ctx.registry.register("/shared", "localhost:1002")
    names = ["calc", f"/{ctx.namespace}/calc", "/shared", "shared"]
    ctx.client.submit(name="child", entrypoint=Entrypoint.from_callable(look, told, "child", names))
    park()


def look(told: str, who: str, names: list[str]) -> None:
    """Tells what each name means here."""
    resolver = iris_ctx().resolver
    tell(Path(told) / who, [[found.address for found in resolver.resolve(name)] for name in names])


def submit_owner(client: IrisClient, told: Path) -> Job:
    job = client.submit(name="owner", entrypoint=Entrypoint.from_callable(owner, str(told)))
    heard(told / "child")
    return job


CALC, SHARED = "http://localhost:1001", "http://localhost:1002"


def test_a_name_means_the_familys_in_the_family(client: IrisClient, tmp_path: Path) -> None:
    """A child sees its root's names, also absolutely; what is cluster-wide needs its slash."""
    submit_owner(client, tmp_path)
    assert heard(tmp_path / "child") == [[CALC], [CALC], [SHARED], []]


def test_another_root_sees_only_what_it_names_absolutely(client: IrisClient, tmp_path: Path) -> None:
    """An endpoint of one root job is invisible to another."""
    job = submit_owner(client, tmp_path)
    names = ["calc", "/calc", f"/{job.job_id}/calc", "/shared"]
    stranger = Entrypoint.from_callable(look, str(tmp_path), "stranger", names)
    client.submit(name="stranger", entrypoint=stranger).wait(timeout=LIMIT)
    assert heard(tmp_path / "stranger") == [[], [], [CALC], [SHARED]]


def test_outside_jobs_a_resolver_takes_the_job(client: IrisClient, tmp_path: Path) -> None:
    """Without one, only absolute and cluster-wide names mean somebody."""
    job = submit_owner(client, tmp_path)

    def seen(resolver: ClusterResolver, *names: str) -> list[list[str]]:
        return [[found.address for found in resolver.resolve(name)] for name in names]

    inside, outside = client.resolver(job), ClusterResolver(client.address)
    assert seen(inside, "calc", "/shared") == [[CALC], [SHARED]]
    assert seen(ClusterResolver(client.address, job=job.job_id), "calc") == [[CALC]]
    assert seen(outside, "calc", f"/{job.job_id}/calc", "shared", "/shared") == [
        [],
        [CALC],
        [SHARED],
        [SHARED],
    ]


def test_names_end_with_the_job(client: IrisClient, tmp_path: Path) -> None:
    """Of an owner that was terminated, or one that just returned, nothing stays."""
    job = submit_owner(client, tmp_path)
    resolver = client.resolver(job)
    job.terminate()
    job.wait(timeout=LIMIT, raise_on_failure=False)
    assert resolver.resolve("calc") == ()
    assert resolver.resolve("/shared") == ()


def test_two_roots_may_use_one_name(client: IrisClient, tmp_path: Path) -> None:
    """Each family calls its own actor."""
    jobs = [
        client.submit(
            name=f"root-{index}",
            entrypoint=Entrypoint.from_callable(host, "witness", Witness, tmp_path / str(index)),
        )
        for index in range(2)
    ]
    for index, job in enumerate(jobs):
        heard(tmp_path / str(index))
        assert ActorClient(client.resolver(job), "witness").see("managed")[0] == job.job_id


def test_a_newer_attempt_displaces_the_older_ones_name(client: IrisClient, tmp_path: Path) -> None:
    """After a retry the name means the second attempt alone."""
    flag = tmp_path / "failed"

    def task(serve: Callable[[str, type[Witness], Path], None]) -> None:
        iris_ctx().registry.register("twice", f"localhost:{2002 if flag.exists() else 2001}")
        if not flag.exists():
            tell(flag, True)
            raise ValueError("once more")
        serve("witness", Witness, tmp_path / "ready")

    job = client.submit(
        name="retries", entrypoint=Entrypoint.from_callable(task, host), max_retries_failure=1
    )
    heard(tmp_path / "ready")
    resolver = client.resolver(job)
    assert [found.address for found in resolver.resolve("twice")] == ["http://localhost:2002"]
    wait_for_condition(lambda: len(resolver.resolve("witness")) == 1)
