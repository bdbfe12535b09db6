"""Tokens: who holds one may use a cluster or an actor server. They never show in a repr."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from iris_api.errors import InvalidSpec

__all__ = [
    "Token",
    "ambient_token",
    "cluster_token",
    "forget_cluster_token",
    "new_token",
    "owner_token",
    "read_token",
    "store_cluster_token",
    "write_token",
]


@frozen
class Token:
    """A secret. `reveal()` is the only way to its text. Raises InvalidSpec for an empty one."""

    _text: str = field(repr=lambda _text: "<hidden>")

    def __attrs_post_init__(self) -> None:
        if not self._text.strip() or not self._text.isprintable():
            raise InvalidSpec("a token must be printable text on one line, and must not be empty")

    def reveal(self) -> str:
        """Its text, for whoever is to be shown it; never for a log."""
        return self._text

    def matches(self, offered: bytes) -> bool:
        """Compare in constant time with what a caller sent."""
        return hmac.compare_digest(self._text.encode(), offered)

    def __str__(self) -> str:
        return "<hidden>"


def new_token() -> Token:
    return Token(secrets.token_urlsafe(32))


def read_token(path: Path) -> Token | None:
    """The token in a file, or None where there is no file. Raises InvalidSpec for a file without one."""
    try:
        return Token(path.read_text().strip())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError, InvalidSpec) as error:
        raise InvalidSpec(f"the token file {path} cannot be used: {error}") from error


def write_token(path: Path, token: Token) -> None:
    """Put a token into a file that only this user can read; replaces what was there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token.reveal())
    draft.replace(path)


def owner_token() -> Token:
    """This user's own token, made at first use: what stand-alone actor servers and clients share."""
    path = _home() / "owner"
    found = read_token(path)
    while found is None:
        draft = path.with_name(f".owner.{secrets.token_hex(4)}")
        write_token(draft, new_token())
        with contextlib.suppress(FileExistsError):  # of several makers the first wins
            os.link(draft, path)
        draft.unlink()
        found = read_token(path)
    return found


def store_cluster_token(address: str, token: Token) -> None:
    """Note the token of the cluster at `address`, for this user's clients on this machine."""
    write_token(_cluster_path(address), token)


def forget_cluster_token(address: str) -> None:
    """The cluster at `address` is gone. Fine where nothing was noted."""
    _cluster_path(address).unlink(missing_ok=True)


def cluster_token(address: str) -> Token | None:
    """The token for the controller at `address`: from the environment, else as noted by its owner."""
    return ambient_token() or read_token(_cluster_path(address))


def ambient_token() -> Token | None:
    """The token that the environment names: IRIS_TOKEN_FILE, else IRIS_TOKEN."""
    if path := os.environ.get("IRIS_TOKEN_FILE"):
        found = read_token(Path(path))
        if found is None:
            raise InvalidSpec(f"there is no token file {path}, which IRIS_TOKEN_FILE names")
        return found
    if text := os.environ.get("IRIS_TOKEN"):
        return Token(text.strip())
    return None


def _home() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "iris" / "tokens"


def _cluster_path(address: str) -> Path:
    parts = urlsplit(address)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return _home() / f"{host}_{parts.port}"
