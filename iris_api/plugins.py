"""The plugin host: what is installed, and how a plugin is loaded.

Listing reads metadata, loading imports one plugin::

    plugins = Plugins()
    plugins.installed()
    plugins.load("http").provider("transport")
"""

from iris_api._plugins.calls import PluginCalls, blame_of, blamed_text
from iris_api._plugins.host import Plugins
from iris_api._plugins.loaded import KINDS, Kind, LoadedPlugin
from iris_api._plugins.makers import calls_of, made_by, maker_of
from iris_api._plugins.metadata import PluginInfo
from iris_api._plugins.patience import patience as plugin_patience

__all__ = [
    "KINDS",
    "Kind",
    "LoadedPlugin",
    "PluginCalls",
    "PluginInfo",
    "Plugins",
    "blame_of",
    "blamed_text",
    "calls_of",
    "made_by",
    "maker_of",
    "plugin_patience",
]
