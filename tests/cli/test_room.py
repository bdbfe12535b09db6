"""What ``iris up`` makes of its process."""

from __future__ import annotations

import json
import subprocess
import sys

_SCRIPT = """
import gc, json, resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
from iris.cli._up import make_room
make_room()
print(json.dumps([*resource.getrlimit(resource.RLIMIT_NOFILE), gc.get_freeze_count(), gc.get_threshold()[0]]))
"""


def test_up_has_room_for_many_connections_and_rows() -> None:
    found = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    soft, hard, frozen, threshold = json.loads(found.stdout)
    assert soft == min(hard, 65_536)
    assert frozen > 1000
    assert threshold > 700
