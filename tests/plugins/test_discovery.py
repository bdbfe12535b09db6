"""What is installed is read from metadata: nothing is imported and nothing can break it."""

import sys
from pathlib import Path

import pytest

from iris_api.plugins import PluginInfo, Plugins
from tests.plugins.site import PLATFORM, Site


def _of(package: str) -> list[PluginInfo]:
    return [info for info in Plugins().installed() if info.package == package]


def test_a_plugin_is_listed_with_its_package_and_version(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": PLATFORM})
    assert _of("iris-acme") == [PluginInfo("acme", "iris-acme", "2.3.0", "iris_acme_acme")]


def test_listing_imports_nothing(site: Site) -> None:
    site.add("iris-acme", "2.3.0", {"acme": "raise RuntimeError('imported')"})
    assert _of("iris-acme")
    assert "iris_acme_acme" not in sys.modules


def test_the_list_is_sorted_by_name(site: Site) -> None:
    site.add("iris-b", "1", {"zeta": PLATFORM})
    site.add("iris-a", "1", {"beta": PLATFORM, "alpha": PLATFORM})
    names = [info.name for info in Plugins().installed()]
    assert names == sorted(names)


def test_two_packages_of_one_name_are_both_listed(site: Site) -> None:
    site.add("iris-acme", "1.0", {"acme": PLATFORM})
    site.add("iris-rival", "2.0", {"acme": PLATFORM})
    owners = [info.package for info in Plugins().installed() if info.name == "acme"]
    assert owners == ["iris-acme", "iris-rival"]


@pytest.mark.parametrize(
    "text", [b"[iris]\nno equals sign\n", b"[iris]\nx = \xff\xfe\n", b"x = before.any.section\n"]
)
def test_broken_entry_points_of_one_package_do_not_hide_the_others(site: Site, text: bytes) -> None:
    site.add("iris-acme", "1.0", {"acme": PLATFORM})
    (site.add_metadata("iris-broken", "1.0", "") / "entry_points.txt").write_bytes(text)
    assert [info.name for info in _of("iris-acme")] == ["acme"]


def test_a_package_whose_metadata_cannot_be_read_is_told_of(site: Site) -> None:
    (site.add_metadata("iris-broken", "1.0", "") / "entry_points.txt").write_bytes(b"[iris]\nnonsense\n")
    assert [str(site.root) in line for line in Plugins().unreadable()] == [True]


def test_a_package_without_metadata_is_listed_without_a_version(site: Site) -> None:
    (site.add("iris-acme", "1.0", {"acme": PLATFORM}) / "METADATA").unlink()
    found = next(info for info in Plugins().installed() if info.name == "acme")
    assert found.version == "unknown"


@pytest.mark.parametrize("broken", [False, True])
def test_of_one_package_twice_on_the_path_the_first_is_listed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    (site.root / "second").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site.root / "second")])
    site.add("iris-acme", "2.0", {"acme": PLATFORM})
    site.add("iris-acme", "1.0", {"acme": PLATFORM}, folder="second")
    if broken:
        site.add_metadata("iris-broken", "1.0", "[iris]\nnonsense\n")
    assert [info.version for info in _of("iris-acme")] == ["2.0"]


def test_every_first_party_plugin_is_listed() -> None:
    names = {info.name for info in _of("iris-cluster")}
    assert names >= {"local", "process", "docker", "gcp", "http", "cluster", "fixed"}
