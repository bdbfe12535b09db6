"""Bundles over HTTP: content-addressed, bounded, behind the gate."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from iris_api.rpc import cluster_pb2 as pb
from iris_controller import bundles
from tests.controller.client import Client
from tests.controller.conftest import Start

DATA = b"workspace" * 300_000  # some chunks
DIGEST = hashlib.sha256(DATA).hexdigest()


def test_a_bundle_comes_back_as_it_was(client: Client) -> None:
    for _ in range(2):  # twice is fine
        assert client.http("PUT", f"/bundles/{DIGEST}", DATA)[0] == 200
    status, body, headers = client.http("GET", f"/bundles/{DIGEST}")
    assert (status, body == DATA, headers["content-length"]) == (200, True, str(len(DATA)))


def test_head_tells_whether_it_is_there(client: Client) -> None:
    assert client.http("HEAD", f"/bundles/{DIGEST}")[0] == 404
    client.http("PUT", f"/bundles/{DIGEST}", DATA)
    status, body, headers = client.http("HEAD", f"/bundles/{DIGEST}")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(DATA)))


def test_other_bytes_than_the_name_says_are_refused(start: Start, tmp_path: Path) -> None:
    client = start(tmp_path)
    status, body, _ = client.http("PUT", f"/bundles/{DIGEST}", b"other")
    assert (status, json.loads(body)["code"]) == (400, "invalid_argument")
    assert list((tmp_path / "bundles").iterdir()) == []


def test_a_bundle_over_the_limit_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_BUNDLE", 1000)
    status, body, _ = client.http("PUT", f"/bundles/{DIGEST}", DATA[:1001])
    assert (status, "larger than 1000 bytes" in json.loads(body)["message"]) == (400, True)


@pytest.mark.parametrize("name", ["x", "..", "%2e%2e%2firis.sqlite", "A" * 64])
def test_only_a_hash_is_a_name(client: Client, name: str) -> None:
    assert client.http("GET", f"/bundles/{name}")[0] == 400


def test_another_method_is_refused(client: Client) -> None:
    assert client.http("DELETE", f"/bundles/{DIGEST}")[0] == 501


def test_leftovers_of_a_broken_upload_are_removed(tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(b"half")
    bundles.BundleStore(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_job_may_use_it_once_it_is_there(client: Client) -> None:
    client.http("PUT", f"/bundles/{DIGEST}", DATA)
    assert client.submit(spec={"environment": pb.Environment(bundle=DIGEST)})
