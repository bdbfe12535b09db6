"""The plugins that come along: all load, and those to be built say what is missing."""

import subprocess
import sys

import pytest

from iris_api.context import Context
from iris_api.errors import MissingDependency, PluginError
from iris_api.plugins import Plugins
from tests.plugins.site import Site

CASES = pytest.mark.parametrize(
    ("kind", "sdk", "package"),
    [("docker", "docker", "docker"), ("gcp", "google.cloud.compute_v1", "google-cloud-compute")],
)


def _create(kind: str) -> None:
    plugins = Plugins()
    provider = plugins.load(kind).provider("platform")
    provider.create(provider.config(), Context())


@CASES
def test_without_the_sdk_the_platform_says_how_to_install_it(
    kind: str, sdk: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, sdk, None)
    with pytest.raises(MissingDependency) as caught:
        _create(kind)
    assert str(caught.value) == f"{package} is not installed; run: pip install 'iris-cluster[{kind}]'"


def test_with_the_sdk_a_platform_to_come_says_that_it_is_not_built(site: Site) -> None:
    folder = site.root / "google/cloud/compute_v1"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('only looked for, never imported')")
    with pytest.raises(PluginError, match="platform 'gcp' is not built in this version"):
        _create("gcp")


def test_loading_them_imports_no_sdk() -> None:
    code = (
        "import sys; from iris_api.plugins import Plugins; p = Plugins(); p.load('docker'); p.load('gcp'); "
        "print([n for n in sys.modules if n == 'docker' or n.startswith('google.cloud')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_missing_sdk_is_named_with_the_plugin_that_needs_it(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    plugins = Plugins()
    provider = plugins.load("docker")
    with pytest.raises(MissingDependency) as caught, provider.blamed("create()"):
        _create("docker")
    version = provider.version
    assert caught.value.__notes__ == [f"raised by iris plugin 'docker' (iris-cluster {version}) in create()"]
