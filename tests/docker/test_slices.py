"""What a list of containers says of slices, and a pool of its machines."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from iris_api.config import structure_table
from iris_api.errors import ConfigError
from iris_api.platform import SliceRequest, SliceState
from iris_api.resources import ResourceSpec
from iris_backends.docker.config import DockerConfig
from iris_backends.docker.machine import MachinePlan, archive, machine_body
from iris_backends.docker.slices import DELETING, Machine, by_slice, seen
from iris_backends.docker.template import MachineTemplate, Size, offer, size

NOW = 1000.0


def container(index: int, state: str = "running", *, name: str = "", made: float = NOW) -> Machine:
    return Machine.of(
        {
            "Id": f"{index:064x}",
            "Names": [f"/{name or f'iris-c-s-{index}'}"],
            "State": state,
            "Status": "Exited (2) 3 seconds ago" if state == "exited" else "",
            "Created": made,
            "NetworkSettings": {"Networks": {"iris-c": {"IPAddress": f"10.0.0.{index + 2}"}}},
            "Labels": {
                "iris.slice": "s",
                "iris.pool": "p",
                "iris.size": "2",
                "iris.index": str(index),
                "iris.memory": "0",
            },
        }
    )


@pytest.mark.parametrize(
    ("machines", "state"),
    [
        ([container(0), container(1)], SliceState.READY),
        ([container(0), container(1, "paused")], SliceState.READY),
        ([container(0), container(1, "created")], SliceState.CREATING),
        ([container(0)], SliceState.CREATING),
        ([container(0, made=NOW - 100)], SliceState.FAILED),
        ([container(0), container(1, "exited")], SliceState.FAILED),
        ([container(0), container(1, name=f"{DELETING}1")], SliceState.DELETING),
        ([container(0, "exited"), container(1, "removing")], SliceState.DELETING),
    ],
)
def test_the_state_of_a_slice(machines: list[Machine], state: SliceState) -> None:
    assert seen(machines, NOW).state is state


def test_addresses_are_in_the_order_of_the_machines() -> None:
    found = by_slice([container(1), container(0)])
    assert seen(found["s"], NOW).addresses == ("10.0.0.2", "10.0.0.3")


def test_a_failed_slice_says_why() -> None:
    told = seen([container(0), container(1, "exited")], NOW, "its last words").message
    assert told == "machine s-1 has ended: Exited (2) 3 seconds ago; its last words"


def test_a_machine_has_room_for_its_worker() -> None:
    """Beside what its pool promises, and out of what its template has."""
    pool = ResourceSpec(cpu=2, memory="1GB")
    assert size(MachineTemplate(), pool) == Size(2.0, 1_256_000_000)
    assert offer(MachineTemplate(cpus=2, memory=1_256_000_000), 0) == pool


def test_a_template_goes_before_the_pool() -> None:
    pool = ResourceSpec(cpu=2, memory="1GB")
    assert size(MachineTemplate(cpus=1, memory=2_000_000_000), pool) == Size(1.0, 2_000_000_000)


def test_without_either_a_machine_has_no_limit() -> None:
    assert size(MachineTemplate(), None) == Size(0.0, 0)
    assert offer(MachineTemplate(), 0) is None


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"memory": "100MB"}, "template: memory 100MB is not enough: the worker of a machine takes 256MB"),
        ({"cpus": -1}, "template: cpus -1.0 is not allowed: give a number of cores, such as 1 or 0.5"),
        ({"count": 3}, "template.count: unknown key; known here: image, cpus, memory"),
    ],
)
def test_a_template_that_cannot_be(table: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        structure_table(MachineTemplate, table, "template")
    assert raised.value.problems == (told,)


def plan() -> MachinePlan:
    return MachinePlan(
        cluster="c",
        request=SliceRequest(slice_id="s", pool="p"),
        config=DockerConfig(),
        image="python",
        size=Size(8.0, 0),
        cpus=2,
        user=(1234, 1234),
        network="n",
        controller="http://10.0.0.1:1",
        packages=Path("/packages"),
    )


def test_more_cores_than_there_are_is_all_of_them() -> None:
    assert machine_body(plan(), 0)["HostConfig"]["NanoCpus"] == 2_000_000_000


def test_an_image_with_another_python_is_refused() -> None:
    """Both are named."""
    body = machine_body(plan(), 0)
    command = ["99.9" if one == ".".join(map(str, sys.version_info[:2])) else one for one in body["Cmd"]]
    ended = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert ended.stderr == (
        f"the image has Python {own}, and its cluster runs on Python 99.9: name an image with Python 99.9\n"
    )


def test_only_its_user_can_read_what_a_machine_is_told() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive("settings", "secret", (1234, 99)))) as tar:
        modes = {(one.name, one.mode, one.uid, one.gid) for one in tar}
    assert modes == {
        ("var/lib/iris", 0o700, 1234, 99),
        ("var/lib/iris/iris.toml", 0o600, 1234, 99),
        ("var/lib/iris/token", 0o600, 1234, 99),
    }
