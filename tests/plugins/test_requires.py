"""A plugin for another Iris is refused before it is imported, with what to install."""

import sys
from importlib.metadata import version

import pytest

from iris_api._plugins.requires import accepts
from iris_api.errors import PluginLoadError
from iris_api.plugins import Plugins
from tests.plugins.site import PLATFORM, Site

HERE = version("iris-cluster")


@pytest.mark.parametrize(
    ("specifier", "have", "wanted"),
    [
        (">=0.1,<0.2", "0.1.0", True),
        (">=0.1,<0.2", "0.2.0", False),
        (">=0.2", "0.1.9", False),
        (">=1.0", "1.0.0", True),
        (">1.0", "1.0.0", False),
        ("<=1.0", "1.0", True),
        ("<2", "2.0rc1", False),
        ("<2", "1.9.1", True),
        (">=0.2", "0.2.0.dev3", False),
        (">=0.2.dev1", "0.2.0rc1", True),
        (">=0.2", "0.2.0.post1", True),
        ("~=1.4", "1.9", True),
        ("~=1.4", "2.0", False),
        ("~=1.4.2", "1.5", False),
        ("==0.1.*", "0.1.7", True),
        ("==0.1.*", "0.2", False),
        ("!=0.1.3", "0.1.3", False),
        ("==0.1", "0.1.0", True),
        ("", "0.1.0", True),
        ("===what", "0.1.0", True),
    ],
)
def test_a_specifier_allows_what_an_installer_would(specifier: str, have: str, wanted: bool) -> None:
    assert accepts(specifier, have) is wanted


def test_a_plugin_for_a_newer_iris_says_what_to_install(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM}, requires="iris-cluster (>=77,<78)")
    with pytest.raises(PluginLoadError) as caught:
        Plugins().load("acme")
    assert str(caught.value) == (
        f"plugin 'acme' from iris-acme 2.3.0 is made for iris-cluster>=77,<78, and this is {HERE}; "
        "run: pip install 'iris-cluster>=77,<78', or install a version of iris-acme for this one"
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
        "iris-cluster (?)",
    ],
)
def test_a_plugin_for_this_iris_loads(site: Site, requires: str) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM}, requires=requires)
    assert Plugins().load("acme").offers == ("platform",)
