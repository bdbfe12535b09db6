"""What nobody has to say: the transport and the token of the job or of the user, channels of this process."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import OrderedDict
from typing import Final

from iris_api.credentials import Token, ambient_token, owner_token
from iris_api.errors import InvalidSpec
from iris_api.job_info import get_job_info
from iris_api.plugins import blamed_text, calls_of, made_by, maker_of
from iris_api.transport import Bind, Channel, Handler, Listener, Transport

__all__ = ["connect", "listen", "shared_channel", "token_to_show", "transport"]

_MAX_CHANNELS: Final = 256
_CONNECT: Final = 10.0  # seconds for what connects only at the first call
_log = logging.getLogger("iris.actor")

_lock = threading.Lock()
_transports: dict[str, Transport] = {}
_channels: OrderedDict[tuple[int, str, Token | None], Channel] = OrderedDict()
_inherited: list[object] = []  # of a parent process: its sockets are not ours to close


def transport() -> Transport:
    """The transport of the job that this code runs in, else the one that iris.toml selects."""
    info = get_job_info()
    kind = info.transport if info is not None else _configured()
    with _lock:
        found = _transports.get(kind)
    if found is None:
        made = _create(kind)
        with _lock:
            found = _transports.setdefault(kind, made)
    return found


def listen(handler: Handler, bind: Bind, *, over: Transport | None = None) -> Listener:
    """A listener of this transport, by default the ambient one. What goes wrong names its plugin."""
    chosen = over or transport()
    calls = calls_of(chosen)
    listener = calls.checked(
        calls.bounded("listen()", lambda: chosen.listen(handler, bind)), Listener, "listen()"
    )
    with calls.blamed("listen()"):
        calls.checked(listener.address, str, "its listener's address")
        calls.checked(listener.port, int, "its listener's port")
    made_by(maker_of(chosen), listener)
    return listener


def token_to_show() -> Token:
    """What a server started here asks for, and a client here shows: the job's, else the user's own."""
    info = get_job_info()
    if info is not None and info.token is not None:
        return info.token
    return ambient_token() or owner_token()


def connect(
    address: str, token: Token | None = None, *, over: Transport | None = None, timeout: float = _CONNECT
) -> Channel:
    """A new channel to `address`, for the caller to close. Raises InvalidSpec for a scheme that the
    transport does not serve, PluginError where it does not return within `timeout` seconds."""
    chosen = over or transport()
    scheme, separator, _ = address.partition("://")
    if not separator or scheme not in chosen.schemes:
        known = " or ".join(f"{name}://" for name in chosen.schemes)
        raise InvalidSpec(
            f"address {address!r}: the transport in use ({type(chosen).__name__}) serves {known}host:port;"
            " [transport] of iris.toml selects another one"
        )
    calls = calls_of(chosen)
    shown = token if token is not None else token_to_show()
    made = calls.bounded("connect()", lambda: chosen.connect(address, shown), min(timeout, _CONNECT))
    made_by(maker_of(chosen), calls.checked(made, Channel, "connect()"))
    return made


def shared_channel(address: str, token: Token | None, over: Transport, timeout: float = _CONNECT) -> Channel:
    """The channel of this process to `address`; of many, those used last stay open. `timeout` as for
    `connect`."""
    key = (id(over), address, token)
    with _lock:
        found = _channels.get(key)
        if found is not None:
            _channels.move_to_end(key)
            return found
    made = connect(address, token, over=over, timeout=timeout)
    with _lock:
        found = _channels.setdefault(key, made)
        if len(_channels) > _MAX_CHANNELS:
            _channels.popitem(last=False)  # whoever uses it now has it; its connections close with it
    if found is not made:
        made.close()
    return found


def _configured() -> str:
    from iris_api.config import load_config

    return load_config(None).transport.kind


def _create(kind: str) -> Transport:
    from iris_api.config import Selected, load_config, structure_table
    from iris_api.context import Context
    from iris_api.plugins import Plugins

    table = load_config(None).transport
    plugin = Plugins().load(kind)
    options = table.options if table.kind == kind else {}
    config = structure_table(plugin.provider("transport").config, options, "transport")
    made: Transport = Selected(plugin, "transport", config).create(Context())
    return made


def _close_all() -> None:
    with _lock:
        channels = list(_channels.values())
        _channels.clear()
    for channel in channels:
        try:
            with calls_of(channel).blamed("close()"):
                channel.close()
        except Exception as error:
            _log.warning("a channel could not be closed: %s", blamed_text(error))


def _forget_inherited() -> None:
    global _lock
    _lock = threading.Lock()
    _inherited.append(dict(_channels))
    _channels.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_inherited)
