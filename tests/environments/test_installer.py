"""What of the worker's own setting an installer is handed."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_worker.environments.indexes import indexes_for_uv
from iris_worker.environments.installer import find_uv, handed_env, handed_mounts


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has configured nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_what_pip_was_told_is_told_to_uv(tmp_path: Path) -> None:
    """By a variable before its file, and there of the command before the general."""
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://a/simple\ncert = /a.pem\nno-index = false\n"
        f"find-links =\n    {tmp_path}\n    https://b\n"
        "[install]\nindex-url = https://c/simple\n"
    )
    told = {"PIP_CONFIG_FILE": str(config), "PIP_EXTRA_INDEX_URL": "https://d https://e"}
    assert indexes_for_uv(told) == {
        "UV_DEFAULT_INDEX": "https://c/simple",
        "UV_INDEX": "https://d https://e",
        "UV_FIND_LINKS": f"{tmp_path},https://b",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": "/a.pem",
    }


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE"])
def test_what_uv_was_told_itself_holds(name: str) -> None:
    assert indexes_for_uv({name: "x", "PIP_INDEX_URL": "https://a"}) == {}


def test_no_index(tmp_path: Path) -> None:
    assert indexes_for_uv({"PIP_NO_INDEX": "1"})["UV_NO_INDEX"] == "1"
    assert "UV_NO_INDEX" not in indexes_for_uv({"PIP_NO_INDEX": "off"})


def test_a_torn_file_is_left_to_pip(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("index-url = https://a")
    assert "UV_DEFAULT_INDEX" not in indexes_for_uv({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})


def test_the_user_s_files_hold(home: Path) -> None:
    """Also where the installer has another home."""
    for place in (".config/pip/pip.conf", ".config/uv/uv.toml"):
        (home / place).parent.mkdir(parents=True)
        (home / place).touch()
    env = handed_env({}, {"UNRELATED": "1", "no_proxy": "localhost"})
    assert env["PIP_CONFIG_FILE"] == str(home / ".config/pip/pip.conf")
    assert env["UV_CONFIG_FILE"] == str(home / ".config/uv/uv.toml")
    assert env["no_proxy"] == "localhost"
    assert "UNRELATED" not in env
    mounted = {str(mount.source) for mount in handed_mounts(env, "")}
    assert mounted == {env["PIP_CONFIG_FILE"], env["UV_CONFIG_FILE"]}


def test_the_job_goes_before_the_worker(home: Path) -> None:
    env = handed_env({"PIP_INDEX_URL": "https://job"}, {"PIP_INDEX_URL": "https://worker", "PIP_USER": "1"})
    assert (env["PIP_INDEX_URL"], env["PIP_USER"]) == ("https://job", "0")


def test_what_is_named_is_seen_where_it_is(tmp_path: Path) -> None:
    """Directories of wheels, certificates, uv itself; caches are not, for they are written."""
    for name in ("links", "cache"):
        (tmp_path / name).mkdir()
    for name in ("a.pem", "uv"):
        (tmp_path / name).touch()
    env = {
        "PIP_FIND_LINKS": f"file://{tmp_path}/links https://b",
        "SSL_CERT_FILE": str(tmp_path / "a.pem"),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }
    mounts = handed_mounts(env, str(tmp_path / "uv"))
    assert [mount.source.name for mount in mounts] == ["a.pem", "links", "uv"]
    assert all(mount.source == mount.target and mount.read_only for mount in mounts)


def test_uv_is_looked_for_on_the_path(tmp_path: Path) -> None:
    assert find_uv({"PATH": str(tmp_path)}) == ""
    (tmp_path / "uv").touch(mode=0o755)
    assert find_uv({"PATH": str(tmp_path)}) == str(tmp_path / "uv")
