"""Which plugin has made an object: remembered beside it, for the object is the plugin's own."""

from __future__ import annotations

import contextlib
import weakref

from iris_api._plugins.calls import PluginCalls

__all__ = ["calls_of", "made_by", "maker_of"]

_makers: dict[int, tuple[weakref.ref[object], str]] = {}  # by the identity of what was made, while it lives


def made_by(plugin: str, made: object) -> None:
    """Remember that `plugin`, as messages name it, made this. What takes no weak reference is forgotten."""
    if not plugin:
        return
    key = id(made)
    with contextlib.suppress(TypeError):
        _makers[key] = weakref.ref(made, lambda _: _makers.pop(key, None)), plugin


def maker_of(made: object) -> str:
    """``'acme' (iris-acme 1.0)``; empty where no plugin has made it, or not in this process."""
    reference, plugin = _makers.get(id(made), (None, ""))
    return plugin if reference is not None and reference() is made else ""


def calls_of(made: object) -> PluginCalls:
    """For calls of its methods: messages name the plugin that made it, or else its class."""
    kind = type(made)
    return PluginCalls(maker_of(made), otherwise=f"{kind.__module__}.{kind.__qualname__}")
