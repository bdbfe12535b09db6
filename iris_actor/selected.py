"""The resolver that a program need not choose: that of its cluster, or the one that iris.toml selects."""

from __future__ import annotations

from iris_api.credentials import Token
from iris_api.job_info import get_job_info
from iris_api.resolver import Resolver

__all__ = ["selected_resolver"]


def selected_resolver(controller: str = "", *, token: Token | None = None) -> Resolver:
    """A new resolver, for the caller to close: inside a job of the kind that its cluster selects, elsewhere
    of the one that iris.toml does; the options are those of the iris.toml that is found here.

    `controller` and `token` are for a resolver that asks one; inside a job, by default the job's. Raises
    ConfigError and PluginError.
    """
    from iris_api.config import Selected, load_config, structure_table
    from iris_api.context import Context
    from iris_api.plugins import Plugins

    info = get_job_info()
    config = load_config(None)
    kind = info.resolver if info is not None else config.resolver.kind
    plugin = Plugins().load(kind)
    table = config.resolver.options if config.resolver.kind == kind else {}
    options = structure_table(plugin.provider("resolver").config, table, "resolver")
    if info is not None:
        controller, token = controller or info.controller_address, token or info.token
    context = Context(cluster=config.cluster.name, controller=controller, token=token)
    made: Resolver = Selected(plugin, "resolver", options).create(context)
    return made
