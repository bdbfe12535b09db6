"""A worker pool whose calls crash, outlive their time, or are given up."""

from __future__ import annotations

import os
import signal
import time

import pytest

from iris.client import IrisClient, WaitTimeout, WorkerPool, WorkerPoolConfig
from iris_api.errors import DeadlineExceeded, InvalidSpec, Lost


def _crash_at(item: int) -> int:
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_only_the_call_that_kills_its_worker_fails(processes: IrisClient) -> None:
    """Those that wait behind it on the same worker are run elsewhere, whatever it does to workers."""
    with WorkerPool(processes, WorkerPoolConfig(num_workers=1, max_retries=1)) as pool:
        assert pool.submit(_crash_at, 0).result(timeout=30) == 0
        futures = pool.map(_crash_at, range(40))
        for item, future in enumerate(futures):
            if item == 5:
                with pytest.raises(Lost):
                    future.result(timeout=50)
            else:
                assert future.result(timeout=50) == item


def test_a_short_call_does_not_wait_behind_a_long_one(threads: IrisClient) -> None:
    """Another worker takes it."""
    with WorkerPool(threads, WorkerPoolConfig(num_workers=2)) as pool:
        pool.submit(time.sleep, 0).result(timeout=30)
        long = pool.submit(time.sleep, 3)
        for future in pool.map(time.sleep, [0.01] * 20):
            future.result(timeout=30)
        assert not long.done()


def test_calls_count_their_own_time_only(threads: IrisClient) -> None:
    """Those in a queue longer than the timeout of one call are not late."""
    with WorkerPool(threads, WorkerPoolConfig(num_workers=1, task_timeout=1.0)) as pool:
        for future in pool.map(time.sleep, [0.2] * 10):
            future.result(timeout=30)


def test_a_call_that_outlives_its_timeout(threads: IrisClient) -> None:
    """It fails, and its worker, still busy with it, is given nothing more."""
    with WorkerPool(threads, WorkerPoolConfig(num_workers=1, task_timeout=0.5)) as pool:
        pool.submit(time.sleep, 0).result(timeout=30)
        with pytest.raises(DeadlineExceeded):
            pool.submit(time.sleep, 4).result(timeout=30)
        with pytest.raises(WaitTimeout, match="past its timeout"):
            pool.submit(time.sleep, 0).result(timeout=30)


def test_no_future_hangs_after_a_shutdown(processes: IrisClient) -> None:
    """One whose call was about to be tried again is told too."""
    pool = WorkerPool(processes, WorkerPoolConfig(num_workers=1, max_retries=1000))
    assert pool.submit(_crash_at, 0).result(timeout=30) == 0
    futures = [pool.submit(_crash_at, 5) for _ in range(3)]
    pool.shutdown(wait=False)
    for future in futures:
        if not future.cancelled():
            assert future.exception(timeout=5) is not None


@pytest.mark.parametrize("wrong", [{"num_workers": 1.5}, {"num_workers": 0}, {"max_retries": -1}])
def test_bad_settings(wrong: dict[str, float]) -> None:
    """Counts are whole numbers."""
    with pytest.raises(InvalidSpec, match="a whole number from"):
        WorkerPoolConfig(**wrong)  # type: ignore[arg-type]
