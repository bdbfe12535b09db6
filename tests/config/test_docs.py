"""docs/config.md knows every key, and its example can be read."""

import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from iris_api.config import (
    ClusterConfig,
    Config,
    ControllerConfig,
    PoolConfig,
    QuotaConfig,
    StateConfig,
    parse_config,
)
from iris_api.resources import ResourceSpec, parse_memory

PAGE = Path(__file__).parents[2].joinpath("docs", "config.md").read_text()
TABLES = {
    "cluster": ClusterConfig,
    "controller": ControllerConfig,
    "controller.state": StateConfig,
    "pools.<name>": PoolConfig,
    "pools.<name>.resources": ResourceSpec,
    "quotas.<user>": QuotaConfig,
}
KEYS = [f"{path}.{field.name}" for path, cls in TABLES.items() for field in attrs.fields(cls)]


@pytest.mark.parametrize("key", [*KEYS, "platforms.<name>.kind", "transport.kind", "resolver.kind"])
def test_every_key_is_in_the_reference(key: str) -> None:
    assert f"\n| `{key}` |" in PAGE


def test_every_key_of_the_reference_exists() -> None:
    documented = set(re.findall(r"^\| `([a-z_.<>]+)` \|", PAGE, re.MULTILINE))
    others = {
        "platforms.<name>",
        "pools.<name>",
        "quotas.<user>",
        "platforms.<name>.kind",
        "transport.kind",
        "resolver.kind",
    }
    assert documented == {*KEYS, *others}


def test_the_example_can_be_read() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert parse_config(example).pools["cpu"].max == 20


def test_the_defaults_in_the_reference_hold() -> None:
    rows = dict(re.findall(r"^\| `([a-z_.<>]+)` \| .* \| `\"?([^`\"]+)\"?` \|", PAGE, re.MULTILINE))
    config = Config()
    assert rows["cluster.name"] == config.cluster.name
    assert rows["controller.listen"] == config.controller.listen
    state = config.controller.state
    assert Path(rows["controller.state.directory"]) == state.directory
    kept = (
        rows[f"controller.state.{key}"] for key in ("keep_ended", "keep_tasks", "keep_for", "keep_bundles")
    )
    assert [float(value) for value in kept] == [
        state.keep_ended,
        state.keep_tasks,
        state.keep_for,
        state.keep_bundles,
    ]
    assert parse_memory(rows["controller.state.max_logs"]) == state.max_logs
    assert float(rows["controller.worker_grace"]) == config.controller.worker_grace
    assert float(rows["controller.absence"]) == config.controller.absence
    assert (rows["transport.kind"], rows["resolver.kind"]) == (config.transport.kind, config.resolver.kind)
    assert [rows[f"pools.<name>.{key}"] for key in ("platform", "min", "size")] == [
        PoolConfig().platform,
        "1",
        "1",
    ]


def test_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IRIS_CONFIG", raising=False)
    names: dict[str, Any] = {}
    exec(program, names)
    assert set(names["pools"]) == {"default"}
    for platform in names["platforms"].values():
        platform.close()
