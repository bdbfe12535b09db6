"""A key that nobody reads is a promise that nobody keeps."""

import ast
from pathlib import Path

import attrs
import pytest

from iris_api.config import ClusterConfig, Config, ControllerConfig, PoolConfig, QuotaConfig, StateConfig

ROOT = Path(__file__).parents[2]
PACKAGES = ["iris", "iris_api", "iris_actor", "iris_controller", "iris_worker"]
# To read a file, check it or print it is not to use what it says.
NOT_USE = (
    "iris_api/_config/parse.py",
    "iris_api/_config/check.py",
    "iris_api/_config/state.py",
    "iris_api/_config/values.py",
    "iris/cli/_config.py",
)
CLASSES = [Config, ClusterConfig, ControllerConfig, PoolConfig, QuotaConfig, StateConfig]


def _attributes_read() -> set[str]:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    trees = (ast.parse(path.read_text()) for path in files if not str(path).endswith(NOT_USE))
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_field_is_read_somewhere(cls: type[attrs.AttrsInstance]) -> None:
    unread = {field.name for field in attrs.fields(cls)} - _attributes_read()
    assert not unread
