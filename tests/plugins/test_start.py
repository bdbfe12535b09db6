"""`iris up` with a selected plugin that fails: one line that names it, exit 2, nothing left running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.site import PLATFORM, Site

CONFIG = """
[controller]
listen = "127.0.0.1:0"
state = {{ directory = "{state}" }}
[platforms.mine]
kind = "acme"
[pools.default]
platform = "mine"
runtime = "process"
"""
ANOTHER = "install another version of its package; iris --debug shows where"
OF_ACME = "install another version of iris-acme; iris --debug shows where"
MORE = "IRIS_PLUGIN_TIMEOUT allows more"
HANG = "import time\ntime.sleep(100)\n"
RAISING = PLATFORM.replace("self.options = options", "raise KeyError('zone')")
HANGING = PLATFORM.replace("self.options = options", "import time; time.sleep(100)")
REFUSING = PLATFORM.replace(
    "self.options = options",
    "from iris_api.errors import PlatformError; raise PlatformError('no zone x')",
)
MISSPELT = PLATFORM.replace("def iris_platform", "def iris_platfrom")
NO_PROVIDER = PLATFORM.replace('Provider(Options, Made, "a platform of a test")', "{}")
NO_PLATFORM = PLATFORM.replace("Provider(Options, Made,", "Provider(Options, lambda options, context: 7,")
NO_MACHINES = PLATFORM.replace("self.options = options", "self.machines = {}")


def up(site: Site, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = tmp_path / "iris.toml"
    config.write_text(CONFIG.format(state=tmp_path / "state"))
    return subprocess.run(
        [sys.executable, "-m", "iris", *arguments, "up", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=50,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(site.root), os.environ.get("PYTHONPATH", "")]),
            "IRIS_PLUGIN_TIMEOUT": "1",
        },
        check=False,
    )


@pytest.mark.parametrize(
    ("source", "said", "way_out"),
    [
        ("import no_such_sdk", "plugin 'acme' from iris-acme 1.0 did not load: ModuleNotFoundError", OF_ACME),
        (
            HANG,
            "from iris-acme 1.0 did not load: it has not returned within 1 s, last seen in",
            MORE,
        ),
        (RAISING, "KeyError: 'zone' (raised by iris plugin 'acme' (iris-acme 1.0) in create())", ANOTHER),
        (
            REFUSING,
            "no zone x (raised by iris plugin 'acme' (iris-acme 1.0) in create())",
            f"set that right, or {ANOTHER}",
        ),
        (MISSPELT, "did not load: there is no hook 'iris_platfrom'; did you mean 'iris_platform'?", OF_ACME),
        (NO_PROVIDER, "did not load: iris_platform() must return a Provider, and returned dict", OF_ACME),
        (HANGING, "plugin 'acme' (iris-acme 1.0) hangs in create(): it has not returned within 1 s", MORE),
        (
            NO_PLATFORM,
            "'acme' (iris-acme 1.0): create() must return a Platform, and returned int",
            OF_ACME,
        ),
        (
            NO_MACHINES,
            "'acme' (iris-acme 1.0): its machines must be a Machines or None, and is dict",
            OF_ACME,
        ),
    ],
    ids=[
        "import raises",
        "import hangs",
        "create raises",
        "create refuses",
        "a hook is misspelt",
        "a hook returns another",
        "create hangs",
        "create returns another",
        "machines are none",
    ],
)
def test_a_failing_plugin_ends_the_start_with_one_line(
    site: Site, tmp_path: Path, source: str, said: str, way_out: str
) -> None:
    """Which says what to do."""
    site.add("iris-acme", "1.0", {"acme": source})
    ended = up(site, tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert said in line
    assert line.endswith(f"; {way_out}")


def test_two_packages_of_one_name_end_the_start(site: Site, tmp_path: Path) -> None:
    site.add("iris-acme", "1.0", {"acme": PLATFORM})
    site.add("iris-rival", "2.0", {"acme": PLATFORM})
    ended = up(site, tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.endswith("is claimed by iris-acme 1.0 and iris-rival 2.0; uninstall one\n")


def test_a_plugin_for_a_newer_iris_ends_the_start(site: Site, tmp_path: Path) -> None:
    site.add("iris-acme", "1.0", {"acme": PLATFORM}, requires="iris-cluster>=77")
    ended = up(site, tmp_path)
    assert ended.returncode == 2
    assert "plugin 'acme' from iris-acme 1.0 is made for iris-cluster>=77" in ended.stderr


def test_debug_shows_the_plugin_s_traceback(site: Site, tmp_path: Path) -> None:
    site.add("iris-acme", "1.0", {"acme": RAISING})
    ended = up(site, tmp_path, "--debug")
    assert "iris_acme_acme.py" in ended.stderr
    assert "raised by iris plugin 'acme' (iris-acme 1.0) in create()" in ended.stderr


def test_a_broken_plugin_that_is_not_selected_is_never_imported(site: Site, tmp_path: Path) -> None:
    """Neither the check of a configuration nor the list of plugins minds it."""
    trace = tmp_path / "imported"
    site.add("iris-acme", "1.0", {"acme": f"open({str(trace)!r}, 'w').close()\nraise RuntimeError"})
    site.add("iris-rival", "2.0", {"acme": "raise RuntimeError"})
    for command in (["config", "check"], ["plugins"]):
        ran = subprocess.run(
            [sys.executable, "-m", "iris", *command],
            cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(site.root), *sys.path])},
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
    assert not trace.exists()
