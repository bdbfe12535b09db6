"""What a thread is doing right now, in words."""

import sys
import threading
import traceback

__all__ = ["describe_thread"]


def describe_thread(thread: threading.Thread) -> str:
    """Say where `thread` is: its innermost line first, then its whole stack. Does not block."""
    frame = sys._current_frames().get(thread.ident) if thread.ident is not None else None
    if frame is None:
        return f"thread {thread.name!r} runs no Python code"
    stack = traceback.extract_stack(frame)
    last = stack[-1]
    where = f"{last.filename}:{last.lineno} in {last.name}: {last.line}"
    return f"thread {thread.name!r} is at {where}\n{''.join(stack.format())}".rstrip()
