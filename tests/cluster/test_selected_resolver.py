"""A cluster whose configuration selects a resolver: its client and its jobs use that one."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris.actor.resolver import FixedResolver, selected_resolver
from iris.client import IrisClient, iris_ctx
from iris.client.resolver import ClusterResolver
from iris.cluster.types import Entrypoint
from tests.cluster.kit import heard, tell

NAMES = '[resolver]\nkind = "fixed"\nnames = { calc = ["http://127.0.0.1:8"] }\n'


def kinds(told: str) -> None:
    context = iris_ctx()
    found = (selected_resolver(), context.client.resolver(), context.resolver)
    tell(Path(told), [type(one).__name__ for one in found])


@pytest.mark.parametrize("runtime", ["process", "local"])
def test_the_client_and_the_jobs_have_it(runtime: str, tmp_path: Path) -> None:
    """Who asks for the names of a job has those of the controller all the same."""
    (tmp_path / "cluster.toml").write_text(NAMES)
    with IrisClient.local(runtime, config=tmp_path / "cluster.toml") as client:
        made = client.resolver()
        assert isinstance(made, FixedResolver)
        assert [one.address for one in made.resolve("calc")] == ["http://127.0.0.1:8"]
        told = tmp_path / "told"
        job = client.submit(name="kinds", entrypoint=Entrypoint.from_callable(kinds, str(told)))
        assert heard(told) == ["FixedResolver", "FixedResolver", "ClusterResolver"]
        assert isinstance(client.resolver(job), ClusterResolver)
        job.wait()
