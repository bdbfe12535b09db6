"""A signal that comes at an awkward moment, or to another thread, is heard nevertheless."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading, time
from iris.cli._up import catch_signals
wait = catch_signals()
signal.signal(signal.SIGUSR1, lambda *_: None)  # somebody else's, which ends nothing

def send():
    main = threading.main_thread()
    while open(f"/proc/self/task/{main.native_id}/wchan").read() in ("", "0") and time.monotonic() < late:
        time.sleep(0.01)
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    time.sleep(0.1)
    print("sent", flush=True)
    signal.pthread_kill(threading.get_ident(), getattr(signal, sys.argv[1]))

late = time.monotonic() + 1.0
thread = threading.Thread(target=send)
thread.start()
wait()
print("heard", flush=True)
thread.join()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_another_thread_is_heard(name: str) -> None:
    """The main thread is in a system call, which such a signal does not interrupt."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout.split() == ["sent", "heard"], done.stderr
