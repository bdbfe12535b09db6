"""The resolver that iris.toml selects is the one that a program gets without making one."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris.actor import ActorClient, ActorServer
from iris.actor.resolver import FixedResolver, selected_resolver
from iris.client.resolver import ClusterResolver
from iris_api.errors import ConfigError, PluginNotFound
from iris_api.job_info import JobInfo, job_info_scope
from tests.actor.actors import Calculator

FIXED = '[resolver]\nkind = "fixed"\nnames = {{ calc = ["{}"] }}\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, whose iris.toml a test writes."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_call_finds_its_way_by_the_selected_resolver(here: Path) -> None:
    with ActorServer(host="127.0.0.1") as server:
        server.register("calc", Calculator())
        server.serve_background()
        (here / "iris.toml").write_text(FIXED.format(server.address))
        assert ActorClient(selected_resolver(), "calc").add(1, 2) == 3


def test_by_default_it_is_the_cluster_s() -> None:
    made = selected_resolver("http://127.0.0.1:7")
    assert isinstance(made, ClusterResolver)
    assert made.address == "http://127.0.0.1:7"


def test_the_cluster_s_needs_a_controller() -> None:
    with pytest.raises(ConfigError, match=r"resolver\.address: is required where there is no controller"):
        selected_resolver()


def test_inside_a_job_its_cluster_selects(here: Path) -> None:
    """The table here is of another kind, and not for it."""
    (here / "iris.toml").write_text(FIXED.format("http://127.0.0.1:8"))
    info = JobInfo(job_id="one", attempt_uid="a", controller_address="http://127.0.0.1:7")
    with job_info_scope(info):
        made = selected_resolver()
    assert isinstance(made, ClusterResolver)
    assert (made.address, made.namespace) == ("http://127.0.0.1:7", "one")


def test_one_that_is_not_installed_is_told(here: Path) -> None:
    (here / "iris.toml").write_text('[resolver]\nkind = "acme"\n')
    with pytest.raises(PluginNotFound, match="no plugin 'acme' is installed"):
        selected_resolver()


def test_the_kind_travels_to_the_sandbox() -> None:
    info = JobInfo(job_id="one", attempt_uid="a", resolver="fixed")
    read = JobInfo.from_env(info.to_env())
    assert read is not None
    assert read.resolver == "fixed"
    with job_info_scope(info):
        assert isinstance(selected_resolver(), FixedResolver)
