"""Where packages come from: what a machine's pip has been told is told to uv too, which does not read it."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["indexes_for_uv", "pip_settings"]

_SETTINGS: Final = ("index-url", "extra-index-url", "find-links", "no-index", "cert", "trusted-host")
_SECTIONS: Final = ("global", "install")  # the later one goes before
_OWN: Final = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX"),
    "UV_CONFIG_FILE",
)
_FALSE: Final = ("", "0", "false", "no", "off", "n")


def pip_settings(env: Mapping[str, str]) -> dict[str, str]:
    """The variables of pip that say where packages come from, also where its file says so."""
    told = _of_file(env.get("PIP_CONFIG_FILE", ""))
    found = {f"PIP_{name.upper().replace('-', '_')}": told.get(name, "") for name in _SETTINGS}
    return {name: value for name in found if (value := env.get(name, found[name]))}


def indexes_for_uv(env: Mapping[str, str]) -> dict[str, str]:
    """The same in uv's words; nothing where uv has been told something of its own."""
    told = pip_settings(env)
    if any(name in env for name in _OWN):
        return {}
    found = {
        "UV_DEFAULT_INDEX": told.get("PIP_INDEX_URL", ""),
        "UV_INDEX": told.get("PIP_EXTRA_INDEX_URL", ""),
        "UV_FIND_LINKS": ",".join(told.get("PIP_FIND_LINKS", "").split()),
        "UV_NO_INDEX": "" if told.get("PIP_NO_INDEX", "").lower() in _FALSE else "1",
        "UV_INSECURE_HOST": told.get("PIP_TRUSTED_HOST", ""),
        "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip does
        "SSL_CERT_FILE": env.get("SSL_CERT_FILE", told.get("PIP_CERT", "")),
    }
    return {name: " ".join(value.split()) for name, value in found.items() if value}


def _of_file(path: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(Path(path).read_text(encoding="utf-8") if path else "")
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}  # pip itself will complain
    return {
        name: parser[section][name]
        for section in _SECTIONS
        if section in parser
        for name in _SETTINGS
        if name in parser[section]
    }
