"""docs/platforms/docker-machines.md says what holds."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from iris_api.config import parse_config, select
from iris_backends.docker.config import DockerConfig
from iris_backends.docker.template import MachineTemplate

PAGE = Path(__file__).parents[2].joinpath("docs", "platforms", "docker-machines.md").read_text()


def test_its_configuration_works_as_pasted() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    selection = select(parse_config(example))
    assert selection.config.pools["default"].runtime == "process"
    assert selection.platforms["docker"].options == DockerConfig(image="python:3.11-slim")


def test_it_has_every_key_of_the_template() -> None:
    section = PAGE.partition("## Template")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert told == [field.name for field in attrs.fields(MachineTemplate)]
