"""The configuration: what iris.toml says, and the plugins that it selects.

Each step raises ConfigError with all that it finds wrong, and nothing has been started by then::

    config = load_config(path)                          # path, IRIS_CONFIG, ./iris.toml, else defaults
    selection = select(config, Plugins())               # imports what is selected, validates its tables
    config = selection.config                           # with what the plugins say of the pools
    config, selection = load_selection(path)            # or all in one, and all errors in one
    platforms = {name: chosen.create(context) for name, chosen in selection.platforms.items()}
    pools = bind_pools(config, platforms)               # what only the created platforms can tell
"""

from iris_api._config.parse import find_config, load_config, parse_config
from iris_api._config.pools import BoundPool, bind_pools
from iris_api._config.select import Selected, Selection, load_selection, select
from iris_api._config.state import StateConfig
from iris_api._config.structure import structure_table
from iris_api._config.toml import to_toml
from iris_api._config.values import (
    ClusterConfig,
    Config,
    ControllerConfig,
    PluginTable,
    PoolConfig,
    QuotaConfig,
)

__all__ = [
    "BoundPool",
    "ClusterConfig",
    "Config",
    "ControllerConfig",
    "PluginTable",
    "PoolConfig",
    "QuotaConfig",
    "Selected",
    "Selection",
    "StateConfig",
    "bind_pools",
    "find_config",
    "load_config",
    "load_selection",
    "parse_config",
    "select",
    "structure_table",
    "to_toml",
]
