"""What a container is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iris_api.credentials import Token
from iris_api.ids import new_uid
from iris_api.job_info import JobInfo
from iris_api.jobs import Entry
from iris_api.platform import Launch, Mount
from iris_api.resources import ResourceSpec
from iris_api.testing.conformance._tasks import KeptOutput
from iris_backends.docker.config import PROFILES, DockerConfig
from iris_backends.docker.folder import Folder
from iris_backends.docker.spec import Plan, container_body, labels, needs_way_in, place

WORKDIR, FOLDER = Path("/work/a"), Folder(Path("/state/attempts/a"))
LENT = (
    Mount(Path("/iris/runner.py"), Path("/iris/runner.py")),
    Mount(Path("/iris/lent"), Path("/iris/lent")),
)


def launch(entry: Entry | None = None, *, info: dict[str, Any] | None = None, **options: Any) -> Launch:
    uid = new_uid()
    identity = JobInfo(job_id="job", attempt_uid=uid, **(info or {}))
    given: dict[str, Any] = {"workdir": WORKDIR, "output": KeptOutput(), **options}
    return Launch(uid=uid, entry=entry or Entry(argv=("prog", "-x", "y")), info=identity, **given)


def body(
    given: Launch | None = None, *, user: tuple[int, int] = (65534, 65534), cpus: int = 2, way_in: str = "",
    **options: Any,
) -> dict[str, Any]:  # fmt: skip
    given, config = given or launch(), DockerConfig(**options)
    return container_body(
        Plan(
            launch=given,
            config=config,
            folder=FOLDER,
            place=place(given, config, way_in),
            image="img:1",
            user=user,
            cpus=cpus,
            python=("python3", "/iris/runner.py", "call", "/iris/lent"),
            provided=LENT,
            labels=labels("c1", "r1", given),
        )
    )


def host(*args: Any, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = body(*args, **options)["HostConfig"]
    return found


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("hardened", {"ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]}),
        ("writable", {"ReadonlyRootfs": False, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]}),
        ("root", {"ReadonlyRootfs": False, "CapDrop": [], "SecurityOpt": ["no-new-privileges"]}),
        ("privileged", {"ReadonlyRootfs": False, "CapDrop": [], "SecurityOpt": [], "Privileged": True}),
    ],
)
def test_profiles(profile: str, expected: dict[str, Any]) -> None:
    found = host(profile=profile)
    assert found["Init"] is True
    assert {key: found[key] for key in ("Privileged", *expected)} == {"Privileged": False, **expected}


def test_every_profile_is_tried_here() -> None:
    assert set(PROFILES) == {"hardened", "writable", "root", "privileged"}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_gives_no_way_to_the_daemon_or_to_other_containers(profile: str) -> None:
    found = host(profile=profile)
    assert not [mount for mount in found["Mounts"] if "docker" in mount["Source"]]
    assert {"PidMode", "IpcMode", "UsernsMode", "CapAdd"}.isdisjoint(found)
    assert found["NetworkMode"] == "bridge"
    assert found["PidsLimit"] == 1024
    assert found["RestartPolicy"] == {"Name": "no"}


@pytest.mark.parametrize(
    ("limits", "memory", "nano_cpus"),
    [
        (ResourceSpec(cpu=0.5, memory="1GiB"), 2**30, 5 * 10**8),
        (ResourceSpec(cpu=0), 0, 0),
        (ResourceSpec(cpu=64), 0, 2 * 10**9),  # of which the machine has two
        (ResourceSpec(cpu=0.0001, memory=1), 6 * 2**20, 10**7),  # the daemon refuses less
    ],
)
def test_limits(limits: ResourceSpec, memory: int, nano_cpus: int) -> None:
    found = host(launch(limits=limits))
    assert (found["Memory"], found["MemorySwap"], found["NanoCpus"]) == (memory, memory, nano_cpus)


def test_a_command() -> None:
    found = body()
    assert (found["Entrypoint"], found["Cmd"]) == (["prog"], ["-x", "y"])
    assert (found["Image"], found["WorkingDir"], found["User"]) == ("img:1", str(WORKDIR), "65534:65534")


def test_a_call() -> None:
    found = body(launch(Entry(call=b"pickled", python="3.11")))
    assert [*found["Entrypoint"], *found["Cmd"]] == ["python3", "/iris/runner.py", "call", "/iris/lent"]


def mounted(found: dict[str, Any]) -> dict[str, bool]:
    return {mount["Target"]: mount["ReadOnly"] for mount in found["Mounts"]}


def test_mounts() -> None:
    """The workdir and what is the attempt's own can be written, what is lent cannot."""
    given = launch(
        mounts=(Mount(Path("/m"), Path("/seen")), Mount(Path("/n"), Path("/out"), read_only=False))
    )
    assert mounted(host(given, mounts=("/data:/data", "/cache:/cache:rw"))) == {
        str(WORKDIR): False,
        str(FOLDER.inside): False,
        "/iris/runner.py": True,
        "/iris/lent": True,
        "/data": True,
        "/cache": False,
        "/seen": True,
        "/out": False,
    }


def test_tmp_is_the_containers_own_unless_something_is_mounted_there() -> None:
    assert host()["Tmpfs"] == {"/tmp": "exec,mode=1777"}
    assert host(mounts=("/big:/tmp:rw",))["Tmpfs"] == {}


def test_the_home_of_root_is_passed_where_something_below_it_is_mounted() -> None:
    below = launch(workdir=Path("/root/work/a"))
    assert host(below)["Tmpfs"]["/root"] == "uid=65534,gid=65534"
    assert "/root" not in host(below, user=(0, 0))["Tmpfs"]
    assert "/root" not in host(below, mounts=("/home:/root",))["Tmpfs"]
    assert "/root" not in host()["Tmpfs"]


def test_labels() -> None:
    given = launch(info={"task_index": 2, "num_tasks": 3})
    assert body(given)["Labels"] == {
        "iris.cluster": "c1",
        "iris.root": "r1",
        "iris.attempt": given.uid,
        "iris.task": "job:2",
    }


def environment(*args: Any, **options: Any) -> dict[str, str]:
    return dict(text.split("=", 1) for text in body(*args, **options)["Env"])


def test_the_jobs_variables_go_before_those_of_iris_and_its_identity_before_both() -> None:
    found = environment(launch(env={"HOME": "/mine", "A": "b=c", "IRIS_ATTEMPT_UID": "forged"}))
    assert (found["HOME"], found["A"], found["PYTHONUNBUFFERED"]) == ("/mine", "b=c", "1")
    assert found["IRIS_ATTEMPT_UID"] != "forged"


def test_the_token_is_no_variable() -> None:
    found = environment(launch(info={"token": Token("t0ps3cret")}))
    assert "t0ps3cret" not in str(found)
    assert found["IRIS_TOKEN_FILE"] == str(FOLDER.token)
    assert "IRIS_TOKEN_FILE" not in environment()


LOCAL = "http://127.0.0.1:10000"


@pytest.mark.parametrize(
    ("controller", "network", "needed"),
    [
        (LOCAL, "bridge", True),
        ("http://localhost:10000", "mine", True),
        ("http://[::1]:10000", "bridge", True),
        (LOCAL, "host", False),
        (LOCAL, "none", False),
        ("http://10.0.0.1:10000", "bridge", False),
        ("", "bridge", False),
    ],
)
def test_who_needs_a_way_in(controller: str, network: str, needed: bool) -> None:
    given = launch(info={"controller_address": controller})
    assert needs_way_in(given, DockerConfig(network=network)) is needed


def ports(worker: str, network: str) -> tuple[str, list[str], str]:
    """Address that is advertised, where port 8000 is published, and the controller."""
    given = launch(info={"ports": {"web": 8000}, "advertise_host": worker, "controller_address": LOCAL})
    found = body(given, network=network, way_in="http://172.17.0.1:5" if network == "bridge" else "")
    told = environment(given, network=network, way_in="http://172.17.0.1:5" if network == "bridge" else "")
    at = [one["HostIp"] for one in found["HostConfig"]["PortBindings"].get("8000/tcp", [])]
    assert list(found["ExposedPorts"]) == (["8000/tcp"] if at else [])
    return told["IRIS_ADVERTISE_HOST"], at, told["IRIS_CONTROLLER_ADDRESS"]


@pytest.mark.parametrize(
    ("worker", "network", "expected"),
    [
        ("127.0.0.1", "bridge", ("0.0.0.0", ["127.0.0.1"], "http://172.17.0.1:5")),
        ("10.0.0.7", "bridge", ("10.0.0.7", ["0.0.0.0"], "http://172.17.0.1:5")),
        ("127.0.0.1", "host", ("127.0.0.1", [], LOCAL)),
        ("127.0.0.1", "none", ("0.0.0.0", [], LOCAL)),
    ],
)
def test_ports_and_addresses(worker: str, network: str, expected: tuple[str, list[str], str]) -> None:
    assert ports(worker, network) == expected


def test_output_is_kept_for_a_while_and_not_for_ever() -> None:
    config = host(launch(output_limit=2**20))["LogConfig"]
    assert config == {
        "Type": "local",
        "Config": {"max-size": str(2**23), "max-file": "2", "compress": "false"},
    }
    assert host(launch(output_limit=1))["LogConfig"]["Config"]["max-size"] == str(2**20)
