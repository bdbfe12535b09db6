"""A daemon that dies or hangs just when the containers of a killed worker are to be ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from iris_api.testing import wait_for_condition
from tests.docker.daemon import Daemon
from tests.docker.image import ensure_image
from tests.docker.keepers import Rig

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [(Daemon.kill, Daemon.start), (Daemon.suspend, Daemon.resume)],
    ids=["killed", "suspended"],
)
def test_containers_end_when_it_is_back(
    start_daemon: Callable[..., Daemon],
    tmp_path: Path,
    break_it: Callable[[Daemon], None],
    mend_it: Callable[[Daemon], None],
) -> None:
    daemon = start_daemon("--live-restore")
    with closing(daemon.client()) as client:
        rig = Rig(client, ensure_image(client), tmp_path)
        container = rig.container()
        worker = rig.worker(bound=True, daemon=daemon.url)
        break_it(daemon)
        worker.kill()
        wait_for_condition(lambda: "the daemon:" in rig.log(), timeout=20, message="the keeper to see it")
        mend_it(daemon)
        rig.seconds_until_gone(container)
        rig.close()
