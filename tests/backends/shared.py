"""What thread tasks run. They are pickled by reference, so they can reach these variables."""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from iris_api.job_info import get_job_info, stop_event

seen: list[object] = []
event = threading.Event()
pools: list[ThreadPoolExecutor] = []


def note_job() -> None:
    info = get_job_info()
    seen.append(info and info.job_id)


def note_job_and_environment() -> None:
    note_job()
    seen.append(dict(os.environ))


def in_raw_thread() -> None:
    thread = threading.Thread(target=note_job)
    thread.start()
    thread.join()


def in_timer() -> None:
    timer = threading.Timer(0.0, note_job)
    timer.start()
    timer.join()


def in_executor() -> None:
    with ThreadPoolExecutor(1) as own:
        own.submit(note_job).result()


def in_nested() -> None:
    thread = threading.Thread(target=in_executor)
    thread.start()
    thread.join()


def in_shared_executor() -> None:
    pools[-1].submit(note_job).result()


def wait_for_event() -> None:
    event.wait(30)


def log(message: str) -> None:
    logging.getLogger("lib").info(message)


def log_things() -> None:
    logging.getLogger("lib.part").info("one")
    logging.getLogger("lib.part").debug("not shown")
    info = get_job_info()
    assert info is not None
    logging.getLogger(f"iris.container.{info.task_id}").info("two")
    logging.getLogger().warning("three")


def log_in_raw_thread(message: str) -> None:
    thread = threading.Thread(target=log, args=(message,))
    thread.start()
    thread.join()


def leave_a_logging_thread() -> None:
    def late() -> None:
        event.wait(30)
        log("too late")
        seen.append("done")

    threading.Thread(target=late).start()


def fail() -> None:
    raise ValueError("boom")


def fail_oddly() -> None:
    raise ValueError("caf\udce9")


def until_stopped() -> None:
    stop = stop_event()
    assert stop is not None
    log("ready")
    stop.wait(30)


def busy() -> None:
    log("ready")
    while True:
        time.sleep(0.001)


def blocked() -> None:
    log("ready")
    try:
        event.wait(30)
    finally:
        log("too late")
        seen.append("done")
