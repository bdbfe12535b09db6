"""How packages are installed: the command, and what of the worker's own setting it is handed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from iris_api.platform import Interpreter, Mount
from iris_worker.environments.indexes import indexes_for_uv, pip_settings

__all__ = ["command", "find_uv", "handed_env", "handed_mounts", "settings"]

_SCRIPT: Final = Path(__file__).with_name("_install.py")
_TOOLS: Final = ("PIP_", "UV_")
_PROXIES: Final = re.compile(r"(https?|ftp|all|no)_proxy", re.IGNORECASE)
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# They say what is installed where, and this is not theirs to say.
_KEPT_BACK: Final = (
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_REQUIREMENT", "PIP_EDITABLE"),
    *("PIP_DRY_RUN", "PIP_REPORT", "PIP_LOG", "UV_PYTHON", "UV_SYSTEM_PYTHON"),
    *("UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_DIRECTORY", "UV_WORKING_DIRECTORY"),
)
_FIXED: Final = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
_COPIES: Final = {"UV_LINK_MODE": "copy"}  # a task that changes its files must not change uv's cache
_CONFIGS: Final = {
    "PIP_CONFIG_FILE": ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf"),
    "UV_CONFIG_FILE": ("~/.config/uv/uv.toml", "/etc/uv/uv.toml"),
}
_CACHES: Final = ("PIP_CACHE_DIR", "UV_CACHE_DIR")


def find_uv(environ: Mapping[str, str]) -> str:
    """The uv on the PATH of `environ`; empty where there is none."""
    found = shutil.which("uv", path=environ.get("PATH", os.defpath))
    return str(Path(found).resolve()) if found else ""


def command(interpreter: Interpreter, draft: Path, uv: str) -> tuple[str, ...]:
    """What installs ``requirements.txt`` of `draft` into its ``packages``; the script is copied there."""
    script = draft / "install.py"
    shutil.copyfile(_SCRIPT, script)
    return (*interpreter.argv, str(script), str(draft / "packages"), str(draft / "requirements.txt"), uv)


def settings(env: Mapping[str, str]) -> dict[str, str]:
    """The variables of `env` that decide what pip and uv install."""
    return {name: value for name, value in _handed(env).items() if name.startswith(_TOOLS)}


def handed_env(job: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The environment of an installer: what the worker has in `own`, and over it what the job has."""
    certificates = {name: own[name] for name in _CERTIFICATES if name in own}
    env = {**_COPIES, **certificates, **_handed(own), **_handed(job), **_FIXED}
    for name, places in _CONFIGS.items():
        found = (str(path) for place in places if (path := Path(place).expanduser()).is_file())
        if name not in env and (file := next(found, None)):
            env[name] = file
    env |= indexes_for_uv(env)
    if "UV_CONFIG_FILE" not in env:
        env["UV_NO_CONFIG"] = "1"  # a project in whose directory the worker happens to keep its files
    return env


def handed_mounts(env: Mapping[str, str], uv: str) -> tuple[Mount, ...]:
    """The files and directories that it is told of, at the places that it is told."""
    told = (value for name, value in {**pip_settings(env), **env}.items() if name not in _CACHES)
    named = {uv, *(one.removeprefix("file://") for value in told for one in re.split(r"[\s,]+", value))}
    paths = sorted(Path(one) for one in named if one.startswith("/") and Path(one).exists())
    return tuple(Mount(path, path, read_only=True) for path in paths)


def _handed(env: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in env.items()
        if (name.startswith(_TOOLS) and name not in _KEPT_BACK) or _PROXIES.fullmatch(name)
    }
