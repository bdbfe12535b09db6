"""Checks of plugins of a site, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.plugins.site import Site

__all__ = ["HANGS", "RESOLVER", "add_resolver", "check", "outcomes"]

RESOLVER = """
from attrs import frozen
from iris_api.hookspecs import hookimpl
from iris_api.provider import Provider
from iris_api.resolver import Endpoint, Resolver

@frozen
class Options:
    address: str = "http://127.0.0.1:1"

class Made(Resolver):
    def __init__(self, options, context):
        self.options = options
    def resolve(self, name):
        return {answer}

@hookimpl
def iris_resolver():
    return Provider(Options, Made, "a resolver of a test"{more})
"""
TESTS = """
import pytest
from iris_api.testing import ResolverConformance

class Names:
    def __init__(self, installed):
        self.plugin = installed("acme")
    def resolver(self):
        return self.plugin.resolver()
    def register(self, name, address):
        return ""
    def unregister(self, uid):
        pass

class TestAcme(ResolverConformance):
    not_promised = dict.fromkeys(["changes", "several", "uids", "outages"], "it is of a test")
    @pytest.fixture
    def registry(self, installed):
        return Names(installed)
    {extra}
"""
HANGS = """
    def test_hangs(self):
        'It hangs.'
        import time
        time.sleep(60)
"""


def check(
    site: Site, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site.root), *sys.path])
    return subprocess.run(
        [sys.executable, "-P", "-m", "iris", "plugin", "check", *arguments],
        cwd=cwd or site.root,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": path} | dict(env or {}),
        check=False,
    )


def add_resolver(site: Site, answer: str = "()", extra: str = "") -> None:
    source = RESOLVER.format(answer=answer, more=', conformance="acme_conformance"')
    site.add("iris-acme", "1.0", {"acme": source})
    (site.root / "acme_conformance.py").write_text(TESTS.format(extra=extra))


def outcomes(ran: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert ran.stdout, ran.stderr
    return {row["rule"]: row["outcome"] for row in json.loads(ran.stdout)}
