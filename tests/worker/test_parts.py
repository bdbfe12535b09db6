"""The worker's parts that need no controller."""

from __future__ import annotations

import io
import os
import socket
import tarfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_worker.bundle import unpack
from iris_worker.errors import BadBundle
from iris_worker.machine import detect
from iris_worker.news import News
from iris_worker.ports import Ports
from iris_worker.reconcile import reconcile

UIDS = st.sampled_from("abcdef")


@given(desired=st.dictionaries(UIDS, st.booleans()), present=st.sets(UIDS), ended=st.sets(UIDS))
def test_reconcile(desired: dict[str, bool], present: set[str], ended: set[str]) -> None:
    """What is desired, new and specified starts; what runs and is not desired stops; nothing else."""
    plan = reconcile(desired, present, ended & present)
    assert set(plan.start) == {uid for uid, spec in desired.items() if spec} - present
    assert set(plan.stop) == present - set(desired) - ended


def test_ports_are_free_and_given_once() -> None:
    """Two attempts never hold one port, and a released one may be given again."""
    ports = Ports()
    held = [ports.take(str(uid), ["web", "ADMIN"]) for uid in range(20)]
    numbers = [number for one in held for number in one.values()]
    assert len(set(numbers)) == 40
    assert set(held[0]) == {"web", "admin"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", numbers[0]))
    for uid in range(20):
        ports.release(str(uid))
    ports.release("unknown")


def test_a_machine_offers_something() -> None:
    """At least 32 weights of CPU, and the memory that it has."""
    found = detect()
    assert found.cpu >= 32
    assert found.memory > 10**8


def _archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def test_unpacking(tmp_path: Path) -> None:
    """Files, directories and inner links arrive as they were."""
    archive = _archive(
        tmp_path / "a.tar.gz",
        (_member("pkg/a.py"), b"x = 1\n"),
        (_member("link", tarfile.SYMTYPE, "pkg/a.py"), b""),
    )
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "link").read_text() == "x = 1\n"


@pytest.mark.parametrize(
    "member",
    [
        _member("../evil"),
        _member("a/../../evil"),
        _member("/evil"),
        _member("link", tarfile.SYMTYPE, "/etc/passwd"),
        _member("link", tarfile.SYMTYPE, "../../evil"),
        _member("hard", tarfile.LNKTYPE, "../evil"),
        _member("device", tarfile.CHRTYPE),
        _member("pipe", tarfile.FIFOTYPE),
    ],
    ids=["dots", "inner dots", "absolute", "absolute link", "link out", "hard link out", "device", "pipe"],
)
def test_unpacking_refuses_what_leaves(tmp_path: Path, member: tarfile.TarInfo) -> None:
    """Nothing is written or linked outside the work directory, and no device is made."""
    archive = _archive(tmp_path / "a.tar.gz", (member, b""))
    with pytest.raises(BadBundle, match=r"leads out of it|no file, directory or link"):
        unpack(archive, tmp_path / "deep" / "out")
    assert not list(tmp_path.glob("**/evil"))


def test_unpacking_does_not_write_through_a_link(tmp_path: Path) -> None:
    """A link that is there already, or came first, leads nobody out."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "door").symlink_to(tmp_path)
    with pytest.raises(BadBundle, match="leads out of it"):
        unpack(_archive(tmp_path / "a.tar.gz", (_member("door/evil"), b"")), tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_unpacking_drops_owners_and_special_bits(tmp_path: Path) -> None:
    """Files belong to the worker's user, and none is setuid."""
    member = _member("tool")
    member.mode, member.uid, member.gid = 0o4755, 12345, 12345
    unpack(_archive(tmp_path / "a.tar.gz", (member, b"")), tmp_path / "out")
    found = (tmp_path / "out" / "tool").stat()
    assert (found.st_mode & 0o7777, found.st_uid) == (0o755, os.getuid())


def test_a_damaged_archive(tmp_path: Path) -> None:
    """Half an archive is refused."""
    archive = _archive(tmp_path / "a.tar.gz", (_member("a"), b"x" * 100_000))
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(BadBundle, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")


def test_an_end_is_told_at_once_and_a_start_with_what_comes_soon() -> None:
    news = News()
    began = time.monotonic()
    news.mention()
    news.wait()
    assert time.monotonic() - began >= 0.2
    news.mention()
    news.tell()
    news.tell()
    began = time.monotonic()
    news.wait()
    assert time.monotonic() - began < 0.2  # and all of it is told: nothing is left to wait for
    threading.Timer(0.3, news.tell).start()
    news.wait()
    assert time.monotonic() - began >= 0.3
