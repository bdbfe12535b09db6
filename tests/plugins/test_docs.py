"""The platform in docs/plugins.md works as it is written there."""

import re
from pathlib import Path

import pytest
from attrs import define, field

from iris_api.config import BoundPool, Config, bind_pools, parse_config, select
from iris_api.context import Context, WorkerSpec
from iris_api.errors import ConfigError, NoCapacity
from iris_api.platform import SliceRequest
from tests.plugins.site import Site

PAGE = Path(__file__).parents[2].joinpath("docs", "plugins.md").read_text()


def _block(language: str, holding: str) -> str:
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return next(block for block in blocks if holding in block)


@define
class Workers:
    """Runs no worker, and keeps whom it was asked to run and who was stopped."""

    started: list[str] = field(factory=list)
    stopped: list[str] = field(factory=list)

    def run(self, spec: WorkerSpec) -> "Worker":
        self.started.append(spec.worker_id)
        return Worker(spec.worker_id, self)


@define
class Worker:
    name: str
    all: Workers

    def is_alive(self) -> bool:
        return self.name not in self.all.stopped

    def stop(self) -> None:
        self.all.stopped.append(self.name)


@pytest.fixture
def config(site: Site) -> Config:
    """The page's iris.toml, with the page's package installed."""
    (site.root / "iris_acme.py").write_text(_block("python", "AcmeConfig"))
    site.add_metadata("iris-acme", "1.0", "[iris]\nacme = iris_acme\n")
    return parse_config(_block("toml", "workshop"))


@pytest.fixture
def workers() -> Workers:
    return Workers()


@pytest.fixture
def pool(config: Config, workers: Workers) -> BoundPool:
    """The page's pool, made as the controller makes it."""
    context = Context(run_worker=workers.run)
    platforms = {name: chosen.create(context) for name, chosen in select(config).platforms.items()}
    return bind_pools(config, platforms)["default"]


def _request(slice_id: str, size: int = 1) -> SliceRequest:
    return SliceRequest(slice_id=slice_id, pool="default", size=size)


def test_a_slice_starts_its_workers(pool: BoundPool, workers: Workers) -> None:
    pool.machines.create(_request("s", size=2))
    assert workers.started == ["s-0", "s-1"]


def test_the_same_slice_is_made_once(pool: BoundPool, workers: Workers) -> None:
    assert pool.machines.create(_request("s")) == pool.machines.create(_request("s"))
    assert workers.started == ["s-0"]


def test_a_deleted_slice_is_gone_and_its_workers_stopped(pool: BoundPool, workers: Workers) -> None:
    pool.machines.create(_request("s"))
    pool.machines.delete("s")
    pool.machines.delete("s")
    assert (list(pool.machines.list()), workers.stopped) == ([], ["s-0"])


def test_its_option_holds(pool: BoundPool) -> None:
    for name in ("a", "b"):
        pool.machines.create(_request(name))
    with pytest.raises(NoCapacity):
        pool.machines.create(_request("c"))


def test_a_wrong_option_is_refused(config: Config) -> None:
    text = _block("toml", "workshop").replace("room = 2", 'room = "2"')
    with pytest.raises(ConfigError, match=r"platforms\.workshop\.room: expected a whole number, got '2'"):
        select(parse_config(text))


def test_the_package_declares_the_entry_point() -> None:
    import tomllib

    project = tomllib.loads(_block("toml", "entry-points"))["project"]
    assert project["entry-points"]["iris"] == {"acme": "iris_acme"}
