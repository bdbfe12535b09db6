"""A plugin for another Iris is refused before it is imported, with what to install."""

import sys
from importlib.metadata import version

import pytest

from iris_api.errors import PluginLoadError
from iris_api.plugins import Plugins
from tests.plugins.site import PLATFORM, Site

HERE = version("iris-cluster")


def test_a_plugin_for_a_newer_iris_says_what_to_install(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM}, requires="iris-cluster (>=77,<78)")
    with pytest.raises(PluginLoadError) as caught:
        Plugins().load("acme")
    assert str(caught.value) == (
        f"plugin 'acme' from iris-acme 2.3.0 is made for iris-cluster<78,>=77, and this is {HERE}; "
        "run: pip install 'iris-cluster<78,>=77', or install a version of iris-acme for this one"
    )


def test_a_plugin_for_a_newer_iris_is_not_imported(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM}, requires="Iris_Cluster[docker]>=77")
    with pytest.raises(PluginLoadError):
        Plugins().load("acme")
    assert "iris_acme_acme" not in sys.modules


@pytest.mark.parametrize(
    "requires",
    [
        f"iris-cluster>={HERE}",
        "iris-cluster",
        "other>=77",
        "iris-cluster>=77; extra == 'x'",
        "iris-cluster>=77; python_version < '3'",
        "iris-cluster>=0.0.1,!=77",
        "iris-cluster (?)",
    ],
)
def test_a_plugin_for_this_iris_loads(site: Site, requires: str) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM}, requires=requires)
    assert Plugins().load("acme").offers == ("platform",)
