"""The options of the platform: each wrong one is one error that names it and says what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_api.config import load_selection
from iris_api.context import Context
from iris_api.errors import ConfigError
from iris_api.platform import Mount
from iris_api.plugins import Plugins
from iris_backends.docker.config import DockerConfig


def told(tmp_path: Path, line: str) -> str:
    """What is said about a file with this line in the table."""
    file = tmp_path / "iris.toml"
    file.write_text(f'[platforms.boxes]\nkind = "docker"\n{line}\n[pools.default]\nplatform = "boxes"\n')
    with pytest.raises(ConfigError) as raised:
        load_selection(file)
    return str(raised.value)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("image = ''", "image '' is not allowed"),
        ("image = 'two words'", "image 'two words' is not allowed"),
        ("image = 3", "image"),
        ("network = ''", "network '' is not allowed"),
        ("user = 'joe'", "user 'joe' is not allowed: give numbers"),
        ("user = '1000:'", "user '1000:' is not allowed"),
        ("user = '-1'", "user '-1' is not allowed"),
        ("user = ':5'", "user ':5' is not allowed"),
        ("pull = 'sometimes'", "sometimes"),
        ("profile = 'soft'", "soft"),
        ("pids = 0", "pids 0 is not allowed"),
        ("pids = 'many'", "pids"),
        ("mounts = ['/data']", "mount '/data' is not allowed: write /source:/target"),
        ("mounts = ['data:/data']", "mount 'data:/data'"),
        ("mounts = ['/data:data']", "mount '/data:data'"),
        ("mounts = ['/data:/data:wr']", "mount '/data:/data:wr'"),
        ("mounts = ['/data:/']", "mount '/data:/'"),
        ("mounts = ['/a:/x', '/b:/x/']", "'/x'"),
        ("mounts = '/a:/x'", "mounts"),
        ("host = 'ssh://there'", "host 'ssh://there' is not allowed: give unix:///path or tcp://host:port"),
        ("host = 'tcp://there'", "host 'tcp://there'"),
        ("host = 'tcp://there:port'", "host 'tcp://there:port'"),
        ("host = 'unix://'", "host 'unix://'"),
        ("imgae = 'x'", "imgae"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_error(tmp_path: Path, line: str, what: str) -> None:
    text = told(tmp_path, line)
    assert what in text
    assert "platforms.boxes" in text
    assert text.count("\n  ") <= 1, text


def test_what_is_left_out() -> None:
    config = DockerConfig()
    assert (config.image, config.profile, config.pull) == ("python:3.11-slim", "hardened", "missing")
    assert config.allowed.read_only


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/a:/b", Mount(Path("/a"), Path("/b"))),
        ("/a:/b:ro", Mount(Path("/a"), Path("/b"))),
        ("/a:/b:rw", Mount(Path("/a"), Path("/b"), read_only=False)),
    ],
)
def test_mounts(text: str, mount: Mount) -> None:
    assert DockerConfig(mounts=(text,)).parsed_mounts == (mount,)


@pytest.mark.parametrize("user", ["", "0", "1000", "1000:1000"])
def test_users(user: str) -> None:
    assert DockerConfig(user=user).user == user


@pytest.mark.parametrize("host", ["", "unix:///run/docker.sock", "tcp://10.0.0.1:2375"])
def test_hosts(host: str) -> None:
    assert DockerConfig(host=host).host == host


def test_making_the_platform_asks_no_daemon(tmp_path: Path) -> None:
    config = DockerConfig(host=f"unix://{tmp_path}/none")
    platform = Plugins().load("docker").provider("platform").create(config, Context(directory=tmp_path))
    platform.close()
