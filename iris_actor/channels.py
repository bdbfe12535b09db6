"""Calls over a channel: what it raises or wrongly returns names its plugin."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any

from iris_api.errors import DeadlineExceeded, PluginError, TransportError
from iris_api.plugins import blame_of, calls_of
from iris_api.transport import Channel, Deliver, Reply, Request

__all__ = ["call_over", "failure_of", "mute", "name_it", "submit_over", "submit_to"]


def call_over(channel: Channel, request: Request) -> Reply:
    """Its ``call``: at every call, so that nothing is put around it."""
    try:
        reply = channel.call(request)
    except Exception as error:
        name_it(channel, error, "call()")
        raise
    return reply if isinstance(reply, Reply) else calls_of(channel).checked(reply, Reply, "call()")


def submit_over(channel: Channel, request: Request) -> Future[Reply]:
    """Its ``submit``, which does not raise here: the future fails."""
    try:
        return calls_of(channel).checked(channel.submit(request), Future, "submit()")
    except Exception as error:
        name_it(channel, error, "submit()")
        failed: Future[Reply] = Future()
        failed.set_exception(error)
        return failed


def submit_to(channel: Channel, request: Request, deliver: Deliver) -> None:
    """As ``post`` does, for a channel that has none."""
    submit_over(channel, request).add_done_callback(partial(_hand_over, deliver))


def name_it(channel: object, error: BaseException, call: str) -> None:
    """Note on the channel's error whose it is; not on a TransportError, which is an answer."""
    if isinstance(error, Exception) and not isinstance(error, TransportError) and not blame_of(error):
        calls_of(channel).note(error, call)


def failure_of(channel: object, reply: Any, error: BaseException | None) -> BaseException:
    """Of a call that was posted: `error` with the plugin's name, or what to say of a `reply` that is none."""
    if error is not None:
        name_it(channel, error, "submit()")
        return error
    try:
        calls_of(channel).checked(reply, Reply, "a call's reply")
    except PluginError as nonsense:
        return nonsense
    raise AssertionError(reply)


def mute(channel: object, what: str, timeout: float) -> DeadlineExceeded:
    """The error of a call whose channel has not told its end in time."""
    return DeadlineExceeded(f"{what}: {calls_of(channel).named} has not kept the deadline of {timeout:g} s")


def _hand_over(deliver: Deliver, done: Future[Reply]) -> None:
    error = CancelledError() if done.cancelled() else done.exception()
    deliver(None if error is not None else done.result(), error)
