"""What a container gets of Iris."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from iris_backends.docker.packages import packages
from tests.rigs.apart import ROOT, Apart


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages(tmp_path_factory.mktemp("made"))


def test_all_packages_of_the_wheel_are_in_it(made: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(wanted) <= {path.name for path in made.iterdir()}


def test_only_what_iris_requires_is_in_it(made: Path) -> None:
    """No extras, no programs, no tests, and nobody else's."""
    names = {path.name for path in made.iterdir()}
    assert {"cattrs", "typing_extensions.py", "sqlalchemy"} <= names
    assert not {"docker", "pytest", "bin", "tests"} & names
    assert not list(made.glob("*.pth"))


def test_every_user_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        made = packages(tmp_path)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode for path in (made, *made.rglob("*"))}
    assert all(mode & (stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)) for mode in modes)


def test_it_is_made_once(tmp_path: Path) -> None:
    first = packages(tmp_path)
    inode = first.stat().st_ino
    assert packages(tmp_path) == first
    assert first.stat().st_ino == inode


def test_several_processes_make_the_same_one_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        made = pool.map(packages, [tmp_path] * 3, chunksize=1)
        pool.close()
        pool.join()
    assert len(set(made)) == 1
    assert {path.name for path in tmp_path.iterdir()} == {made[0].name, ".packages.lock"}


def test_what_a_killed_process_had_begun_is_not_taken_for_whole(tmp_path: Path) -> None:
    (tmp_path / ".packages" / "iris").mkdir(parents=True)
    made = packages(tmp_path)
    assert (made / "iris" / "__init__.py").exists()
    assert not (tmp_path / ".packages").exists()


def test_copies_that_nobody_uses_any_more_are_removed(tmp_path: Path) -> None:
    month = 31 * 86_400
    for name, age in (("packages-old", month), ("packages-recent", 60)):
        (tmp_path / name).mkdir()
        at = time.time() - age
        os.utime(tmp_path / name, (at, at))
    made = packages(tmp_path)
    assert {path.name for path in tmp_path.glob("packages-*")} == {"packages-recent", made.name}
    os.utime(made, (0, 0))
    assert packages(tmp_path).stat().st_mtime > time.time() - month


def test_another_content_is_another_directory(tmp_path: Path) -> None:
    """Of a checkout, whose records do not tell; the running process goes on with what it has loaded."""
    checkout = tmp_path / "checkout"
    for package in ("iris_api", "iris_backends"):
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys, pathlib; from iris_backends.docker.packages import packages; "
    code += "print(packages(pathlib.Path(sys.argv[1])))"
    names = []
    for text in ("one = 1", "another = 2"):
        (checkout / "iris_api" / "new.py").write_text(text)
        ran = subprocess.run(
            [sys.executable, "-P", "-c", code, str(tmp_path / "made")],
            env={**os.environ, "PYTHONPATH": str(checkout)},
            capture_output=True,
            text=True,
            check=True,
        )
        names.append(Path(ran.stdout.strip()))
    assert [(name / "iris_api" / "new.py").read_text() for name in names] == ["one = 1", "another = 2"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_installed_wheel_has_all_of_it(tmp_path: Path, made: Path) -> None:
    """Where records and not a checkout tell the files."""
    apart = Apart(tmp_path, ROOT)
    code = "import pathlib; from iris_backends.docker.packages import packages; "
    installed = Path(apart.run("-c", f"{code} print(packages(pathlib.Path('made')))").strip())
    assert _modules(tmp_path / installed) == _modules(made)


def _modules(made: Path) -> set[str]:
    return {str(path.relative_to(made)) for path in made.rglob("*.py")}
