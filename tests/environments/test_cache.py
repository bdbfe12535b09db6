"""The environments on a disk: locked, bounded, kept while they are used, never half."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from iris_worker.environments.cache import PackageCache

KB = 1000


def add(cache: PackageCache, key: str, size: int = KB) -> None:
    lock = cache.lock(key)
    assert lock.try_acquire()
    with cache.draft(key) as draft:
        (draft / "packages" / "data").write_bytes(bytes(size))
        (draft / "tmp").mkdir()
        cache.keep(key, draft, "job:0", at=1.0)
    lock.release()


def use(cache: PackageCache, key: str, holder: Path, at: float) -> None:
    """An attempt whose directory is `holder` uses it, from a time on."""
    holder.mkdir(exist_ok=True)
    lock = cache.lock(key)
    assert lock.try_acquire()
    cache.use(key, holder.name, holder)
    lock.release()
    os.utime(cache.packages(key).parent, (at, at))


def here(cache: PackageCache, *keys: str) -> list[str]:
    return [key for key in keys if cache.find(key) is not None]


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache(tmp_path / "environments", limit=3 * KB)


def test_what_is_kept_is_whole(cache: PackageCache, tmp_path: Path) -> None:
    """With its size, and without what building it took."""
    assert cache.find("a") is None
    add(cache, "a", size=7)
    made = cache.find("a")
    assert made is not None
    assert (made.task_id, made.at, made.size) == ("job:0", 1.0, 7)
    entry = tmp_path / "environments" / "a"
    assert sorted(path.name for path in entry.iterdir()) == ["made.json", "packages", "uses"]


def test_a_draft_that_is_not_kept_leaves_nothing(cache: PackageCache, tmp_path: Path) -> None:
    with cache.draft("a") as draft:
        (draft / "packages" / "half").touch()
    assert list((tmp_path / "environments").iterdir()) == []
    assert cache.find("a") is None


def test_one_holds_a_lock(cache: PackageCache) -> None:
    first, second = cache.lock("a"), cache.lock("a")
    assert first.try_acquire()
    assert not second.try_acquire()
    assert cache.lock("b").try_acquire()
    first.release()
    assert second.try_acquire()
    second.release()
    first.release()


def test_a_lock_that_was_removed_is_not_held_twice(cache: PackageCache) -> None:
    """Who has waited for the file that is gone now looks again."""
    first = cache.lock("a")
    assert first.try_acquire()
    first.remove()
    second, third = cache.lock("a"), cache.lock("a")
    assert second.try_acquire()
    assert not third.try_acquire()
    second.release()


def test_a_lock_ends_with_its_process(cache: PackageCache, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from iris_worker.environments.cache import PackageCache; "
        "held = PackageCache(pathlib.Path(sys.argv[1]), 0).lock('a'); "
        "print(held.try_acquire(), flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "environments")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not cache.lock("a").try_acquire()
        other.kill()
    lock = cache.lock("a")
    assert lock.try_acquire()
    lock.release()


def test_what_was_used_longest_ago_goes_first(cache: PackageCache, tmp_path: Path) -> None:
    for age, key in enumerate("abcd"):
        add(cache, key)
        use(cache, key, tmp_path / f"attempt-{key}", at=1000.0 - age)
        (tmp_path / f"attempt-{key}").rmdir()
    use(cache, "d", tmp_path / "later", at=2000.0)
    cache.make_room()
    assert here(cache, *"abcd") == ["a", "b", "d"]
    assert not (tmp_path / "environments" / "c").exists()


def test_what_an_attempt_uses_stays(
    cache: PackageCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also above the limit, until the attempt's directory is gone or it is released."""
    for age, key in enumerate("abcd"):
        add(cache, key, size=2 * KB)
        use(cache, key, tmp_path / f"attempt-{key}", at=1000.0 + age)
    cache.make_room()
    assert here(cache, *"abcd") == ["a", "b", "c", "d"]
    assert "packages of running tasks take 8KB, which is more than 3KB" in caplog.text
    (tmp_path / "attempt-b").rmdir()
    cache.release("d", "attempt-d")
    cache.release("d", "never-was")
    cache.make_room()
    assert here(cache, *"abcd") == ["a", "c"]


def test_what_is_being_built_or_looked_at_stays(cache: PackageCache) -> None:
    for key in "abcd":
        add(cache, key)
    held = [cache.lock(key) for key in "abcd"]
    assert all(lock.try_acquire() for lock in held)
    cache.make_room()
    assert here(cache, *"abcd") == ["a", "b", "c", "d"]
    for lock in held:
        lock.release()


def test_what_was_interrupted_is_swept(cache: PackageCache, tmp_path: Path) -> None:
    """But not what another worker is building now."""
    add(cache, "a")
    root = tmp_path / "environments"
    for left in (".b.0123", ".gone.0123", ".c.0123"):
        (root / left / "packages").mkdir(parents=True)
    building = cache.lock("c")
    assert building.try_acquire()
    cache.sweep()
    building.release()
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == [".c.0123", "a"]


def test_an_environment_that_cannot_be_read_is_made_anew(cache: PackageCache, tmp_path: Path) -> None:
    add(cache, "a", size=1)
    (tmp_path / "environments" / "a" / "made.json").write_text("{")
    assert cache.find("a") is None
    add(cache, "a", size=2)
    made = cache.find("a")
    assert made is not None
    assert made.size == 2
