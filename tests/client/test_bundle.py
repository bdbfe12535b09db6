"""The workspace travels as a content-addressed bundle of what git would consider."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from iris.client.bundle import MAX_BUNDLE_BYTES, Workspace
from iris_api.errors import InvalidSpec


def _names(workspace: Path) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(Workspace(workspace).bundle().data)) as tar:
        return set(tar.getnames())


def _write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_git_decides_what_travels(tmp_path: Path) -> None:
    """Tracked and untracked files are in, ignored ones and git's own are not."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name in ("tracked.py", "pkg/untracked.py", "ignored.log", "deleted.py"):
        _write(tmp_path / name)
    _write(tmp_path / ".gitignore", "*.log\n")
    subprocess.run(["git", "-C", str(tmp_path), "add", "tracked.py", "deleted.py"], check=True)
    (tmp_path / "deleted.py").unlink()
    assert _names(tmp_path) == {".gitignore", "tracked.py", "pkg/untracked.py"}


def test_a_subdirectory_of_a_checkout_is_a_workspace(tmp_path: Path) -> None:
    """Names are relative to the workspace, not to the checkout."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    _write(tmp_path / "sub" / "a.py")
    _write(tmp_path / "outside.py")
    assert _names(tmp_path / "sub") == {"a.py"}


def test_without_git_all_files_travel(tmp_path: Path) -> None:
    """But for caches and environments."""
    for name in ("a.py", "__pycache__/a.pyc", ".venv/bin/python"):
        _write(tmp_path / name)
    assert _names(tmp_path) == {"a.py"}


def test_the_same_files_make_the_same_bundle(tmp_path: Path) -> None:
    """Times and places do not count, contents and modes do."""
    for copy in ("one", "two"):
        _write(tmp_path / copy / "a.py", "x = 1\n")
    os.utime(tmp_path / "two" / "a.py", (1, 1))
    first = Workspace(tmp_path / "one").bundle().sha256
    assert Workspace(tmp_path / "two").bundle().sha256 == first
    (tmp_path / "two" / "a.py").chmod(0o755)
    assert Workspace(tmp_path / "two").bundle().sha256 != first


def test_a_change_makes_another_bundle(tmp_path: Path) -> None:
    """A workspace object packs again when a file has changed, and not else."""
    _write(tmp_path / "a.py", "x = 1\n")
    workspace = Workspace(tmp_path)
    first = workspace.bundle()
    assert workspace.bundle() is first
    _write(tmp_path / "a.py", "x = 22\n")
    assert workspace.bundle().sha256 != first.sha256


def test_links_inside_travel_and_links_outside_do_not(tmp_path: Path) -> None:
    """A link that leads out of the workspace is left behind."""
    _write(tmp_path / "a.py")
    (tmp_path / "inside").symlink_to("a.py")
    (tmp_path / "outside").symlink_to("/etc/passwd")
    (tmp_path / "up").symlink_to("../elsewhere")
    assert _names(tmp_path) == {"a.py", "inside"}


def test_too_much_is_refused_naming_the_largest(tmp_path: Path) -> None:
    """Above the limit nothing is packed, and the message says which files are to blame."""
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(MAX_BUNDLE_BYTES + 1)
    with pytest.raises(InvalidSpec, match=r"allowed are 100 MB; the largest files are huge\.bin"):
        Workspace(tmp_path).bundle()


def test_a_workspace_must_be_a_directory(tmp_path: Path) -> None:
    """A missing directory is refused by name."""
    with pytest.raises(InvalidSpec, match="is not a directory"):
        Workspace(tmp_path / "nowhere")
