"""Frozen: written for version 1 of the plugin interface, and never to be changed.

A name is a folder, and each file in it an endpoint, which holds its address.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from iris_api.context import Context
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver


@frozen(kw_only=True)
class V1Config:
    """`folder` is where the names are. An endpoint's file is called as its uid is."""

    folder: Path = Path("v1")


class V1Resolver(Resolver):
    """``<folder>/<name>/<uid>`` is read each time: who registers writes it, who leaves removes it."""

    def __init__(self, config: V1Config, context: Context) -> None:
        self._folder = config.folder
        self.token = context.token

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        found = []
        for path in sorted((self._folder / name.strip("/")).glob("*")):
            try:
                address = path.read_text().strip()
            except OSError:  # gone since we looked
                continue
            if address:
                found.append(Endpoint(name, address, path.name))
        return tuple(found)


@hookimpl
def iris_resolver() -> Provider[V1Config, Resolver]:
    summary = "names from a folder of files"
    return Provider(V1Config, V1Resolver, summary)
