"""What a worker on a machine of its own gets of the configuration."""

from __future__ import annotations

import pytest

from iris.cluster.settings import worker_settings
from iris_api.config import Config, parse_config, select, to_toml
from iris_api.errors import PlatformError
from iris_api.resources import ResourceSpec

HERE = """
[cluster]
name = "research"

[controller]
worker_grace = 5.0
state = "/somewhere/here"

[platforms.cloud]
kind = "of-nobody-there"
project = "p"

[platforms.python]
kind = "process"
python = "python3"

[pools.cpu]
platform = "cloud"
runtime = "python"
template = { zone = "a" }

[pools.gpu]
platform = "cloud"
runtime = "process"
resources = { cpu = 2, memory = "1GB" }
"""


def there(pool: str, resources: ResourceSpec | None = None) -> Config:
    """As the worker reads it."""
    text = to_toml(worker_settings(parse_config(HERE), pool, resources))
    return select(parse_config(text)).config


def test_it_has_what_holds_for_its_pool() -> None:
    config = there("cpu")
    assert (config.cluster.name, config.controller.worker_grace) == ("research", 5.0)
    assert config.platforms["python"].options == {"python": "python3"}
    assert config.pools["cpu"].runtime == "python"


def test_the_plugin_that_makes_machines_need_not_be_there() -> None:
    config = there("cpu")
    assert config.platforms.keys() == {"python"}
    assert config.pools.keys() == {"cpu"}


def test_resources_are_the_pools_if_it_has_any() -> None:
    given = ResourceSpec(cpu=8.0)
    assert there("gpu", given).pools["gpu"].resources == ResourceSpec(cpu=2.0, memory=10**9)
    assert there("cpu", given).pools["cpu"].resources == given
    assert there("cpu").pools["cpu"].resources is None


def test_a_pool_that_there_is_not() -> None:
    with pytest.raises(PlatformError, match="there is no pool 'tpu'; the configuration has cpu, gpu"):
        there("tpu")
