"""What only created platforms can tell: who makes machines, who runs tasks, what a template may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from attrs import frozen

from iris_api.config import Config, PluginTable, PoolConfig, bind_pools
from iris_api.errors import ConfigError
from iris_api.platform import Launch, Machines, Platform, Runtime, Sandbox, Slice, SliceRequest


@frozen
class Template:
    zone: str
    spot: bool = False


class SomeMachines(Machines):
    def create(self, request: SliceRequest) -> Slice:
        raise NotImplementedError

    def list(self) -> Sequence[Slice]:
        return ()

    def delete(self, slice_id: str) -> None:
        return None


class CloudMachines(SomeMachines):
    template = Template


class SomeRuntime(Runtime):
    def start(self, launch: Launch) -> Sandbox:
        raise NotImplementedError


class Some(Platform):
    def __init__(self, machines: Machines | None = None, runtime: Runtime | None = None) -> None:
        self.machines = machines
        self.runtime = runtime

    def close(self) -> None:
        return None


def _config(**pools: PoolConfig) -> Config:
    return Config(pools=pools, platforms={"cloud": PluginTable("gcp")})


def _problems(config: Config, platforms: Mapping[str, Platform]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        bind_pools(config, platforms)
    return caught.value.problems


def test_a_pool_gets_machines_and_runtime_of_the_platforms_that_it_names() -> None:
    platforms = {"cloud": Some(SomeMachines()), "process": Some(runtime=SomeRuntime())}
    pool = bind_pools(_config(x=PoolConfig(platform="cloud", runtime="process")), platforms)["x"]
    assert pool.machines is platforms["cloud"].machines
    assert pool.runtime is platforms["process"].runtime


def test_a_pool_without_a_runtime_gets_the_platforms_own() -> None:
    platform = Some(SomeMachines(), SomeRuntime())
    assert (
        bind_pools(_config(x=PoolConfig(platform="cloud")), {"cloud": platform})["x"].runtime
        is platform.runtime
    )


def test_a_platform_without_machines_is_refused() -> None:
    (problem,) = _problems(_config(x=PoolConfig(platform="cloud")), {"cloud": Some(runtime=SomeRuntime())})
    assert problem.startswith("pools.x.platform: platform 'cloud' (kind 'gcp') makes no machines")


def test_a_platform_without_a_runtime_is_refused() -> None:
    problems = _problems(_config(x=PoolConfig(platform="cloud")), {"cloud": Some(SomeMachines())})
    assert problems == (
        "pools.x.runtime: platform 'cloud' (kind 'gcp') has no runtime; name one of 'process'",
    )


def test_a_runtime_that_is_none_is_refused_and_those_that_are_named() -> None:
    config = _config(x=PoolConfig(platform="a", runtime="cloud"))
    platforms = {"a": Some(SomeMachines(), SomeRuntime()), "cloud": Some(SomeMachines())}
    (problem,) = _problems(config, platforms)
    assert problem == "pools.x.runtime: platform 'cloud' (kind 'gcp') has no runtime; name one of 'a'"


def test_a_template_becomes_the_platforms_class() -> None:
    config = _config(x=PoolConfig(platform="cloud", template={"zone": "a"}))
    pools = bind_pools(config, {"cloud": Some(CloudMachines(), SomeRuntime())})
    assert pools["x"].template == Template("a")


def test_a_wrong_template_has_its_path() -> None:
    config = _config(x=PoolConfig(platform="cloud", template={"spot": 1, "zon": "a"}))
    problems = _problems(config, {"cloud": Some(CloudMachines(), SomeRuntime())})
    assert sorted(problems) == [
        "pools.x.template.spot: expected true or false, got 1",
        "pools.x.template.zon: unknown key; did you mean 'zone'?",
        "pools.x.template.zone: is required",
    ]


def test_a_platform_that_needs_a_template_says_so() -> None:
    problems = _problems(
        _config(x=PoolConfig(platform="cloud")), {"cloud": Some(CloudMachines(), SomeRuntime())}
    )
    assert problems == ("pools.x.template.zone: is required",)


def test_a_platform_that_takes_no_template_refuses_one() -> None:
    config = _config(x=PoolConfig(platform="cloud", template={"zone": "a"}))
    problems = _problems(config, {"cloud": Some(SomeMachines(), SomeRuntime())})
    assert problems == ("pools.x.template: platform 'cloud' (kind 'gcp') takes no template",)


def test_the_problems_of_all_pools_are_told_at_once() -> None:
    config = _config(x=PoolConfig(platform="cloud"), y=PoolConfig(platform="cloud", template={"a": 1}))
    problems = _problems(config, {"cloud": Some()})
    assert [problem.partition(":")[0] for problem in problems] == [
        "pools.x.platform", "pools.x.runtime", "pools.y.platform", "pools.y.runtime",
    ]  # fmt: skip
