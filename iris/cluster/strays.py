"""What workers of an earlier process left running, and no worker of this configuration will look after."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from iris_api.config import Config, Selected, structure_table
from iris_api.context import Context
from iris_api.platform import Platform
from iris_api.plugins import Plugins
from iris_api.threads import ThreadContainer

__all__ = ["claim", "end_strays"]

_FILE: Final = "runtime.json"
_WAIT: Final = 10.0  # seconds for one attempt to be gone
_log = logging.getLogger(__name__)


class _Nowhere:
    """A LogSink for output that nobody will read."""

    def write(self, source: str, data: str, timestamp_us: int) -> None:
        return


def claim(directory: Path, config: Config, pool: str) -> None:
    """Note by which plugins what a worker leaves in `directory` can be found again."""
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / f".{_FILE}"
    draft.write_text(json.dumps(_plugins_of(config, pool)))
    draft.replace(directory / _FILE)  # a half of it would keep the next cluster from starting


def end_strays(directory: Path, config: Config, threads: ThreadContainer) -> None:
    """End the attempts below `directory` whose pool is gone or is another one now. Before workers start."""
    for note in sorted(directory.glob(f"*/{_FILE}")):
        kept = json.loads(note.read_text())
        if kept["pool"] in config.pools and _plugins_of(config, kept["pool"]) == kept:
            continue
        _log.warning("ending what worker %s of pool %s left running", note.parent.name, kept["pool"])
        _end_all(note.parent, kept["runtime"], threads)
        shutil.rmtree(note.parent, ignore_errors=True)


def _plugins_of(config: Config, pool: str) -> dict[str, Any]:
    settings = config.pools[pool]
    named = {"platform": settings.platform, "runtime": settings.runtime or settings.platform}
    tables = {what: config.platform(name) for what, name in named.items()}
    plain = {what: {"kind": table.kind, "options": dict(table.options)} for what, table in tables.items()}
    return json.loads(json.dumps({"pool": pool, **plain}, default=str))  # type: ignore[no-any-return]


def _end_all(worker: Path, table: Mapping[str, Any], threads: ThreadContainer) -> None:
    plugin = Plugins().load(table["kind"])
    provider = plugin.provider("platform")
    options = structure_table(provider.config, table["options"], worker.name)
    selected: Selected[Platform] = Selected(plugin, "platform", options)
    platform = selected.create(Context(directory=worker / "sandboxes", threads=threads))
    assert platform.runtime is not None  # it was a pool's runtime
    try:
        with plugin.blamed("adopt()"):
            left = platform.runtime.adopt(lambda _uid: _Nowhere())
        for sandbox in left:
            sandbox.stop(0.0)
            sandbox.wait(_WAIT)
            platform.runtime.forget(sandbox.uid)
    finally:
        platform.close()
