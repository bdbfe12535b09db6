"""What may be submitted is checked where it is written, and the message says what is allowed."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from iris.client import IrisClient
from iris.cluster.types import Constraint, Entrypoint, EnvironmentSpec, ResourceSpec
from iris_api.credentials import Token
from iris_api.errors import InvalidSpec, UnpicklableError
from iris_api.resources import format_memory, parse_memory

NOBODY = "http://127.0.0.1:9"


def _submit(**changes: Any) -> None:
    """At an address where nobody is: whatever is refused was not sent."""
    given: dict[str, Any] = {"name": "a", "entrypoint": Entrypoint.from_command("true")} | changes
    IrisClient.remote(NOBODY).submit(**given)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"name": "a/b"}, "no '/' or ':'"),
        ({"name": "a:0"}, "no '/' or ':'"),
        ({"name": ""}, "1 to 128"),
        ({"replicas": -1}, "from 1"),
        ({"replicas": 0}, "from 1"),
        ({"replicas": True}, "from 1"),
        ({"max_retries_failure": -1}, "from 0"),
        ({"timeout": 0}, "seconds > 0"),
        ({"scheduling_timeout": -2.0}, "seconds > 0"),
        ({"ports": ["a b"]}, "letters, digits or '_'"),
        ({"ports": ["a", "A"]}, "stands twice"),
        ({"existing": "replace"}, "error, keep, recreate"),
        ({"entrypoint": print}, "Entrypoint.from_callable"),
        ({"resources": {"cpu": 1}}, "resources must be ResourceSpec, got dict"),
        ({"environment": {"A": "b"}}, "environment must be EnvironmentSpec, got dict"),
        ({"constraints": ["zone"]}, "each of constraints must be Constraint, got str"),
    ],
)
def test_bad_jobs(changes: dict[str, Any], allowed: str) -> None:
    """Each is refused before anything is sent."""
    with pytest.raises(InvalidSpec, match=allowed):
        _submit(**changes)


@pytest.mark.parametrize("text", ["2 gigs", "", "-1GB", "GB", "1e9", "2 G B"])
def test_bad_memory(text: str) -> None:
    """The message names the units."""
    with pytest.raises(InvalidSpec, match="KiB, MiB, GiB"):
        ResourceSpec(memory=text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("2GB", 2 * 10**9), ("512MiB", 512 * 2**20), ("1.5kb", 1500), ("7", 7), ("8 B", 8), (9, 9)],
)
def test_memory(text: str | int, count: int) -> None:
    """Decimal and binary units, in any case."""
    assert parse_memory(text) == count


def test_memory_is_shown_in_the_largest_unit() -> None:
    """What is printed can be given back."""
    assert [format_memory(n) for n in (0, 999, 1500, 2 * 10**9)] == ["0B", "999B", "1.5KB", "2GB"]


@pytest.mark.parametrize("cpu", [-1, float("inf"), float("nan"), "1", True])
def test_bad_cpu(cpu: Any) -> None:
    """Cores are a finite number that is not negative."""
    with pytest.raises(InvalidSpec, match="number of cores"):
        ResourceSpec(cpu=cpu)


def test_bad_environment() -> None:
    """Values are text."""
    with pytest.raises(InvalidSpec, match="'N' must be text"):
        EnvironmentSpec(env_vars={"N": 1})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": "python 3"}, "image 'python 3' is not allowed: give its name, such as 'python:3.11-slim'"),
        ({"image": None}, "image None is not allowed"),
        ({"pip_packages": "numpy"}, "pip_packages must be a list or tuple of texts, got str"),
        ({"pip_packages": ["numpy", 2]}, r"pip_packages\[1\] must be text, got int"),
        ({"pip_packages": ["numpy", "a=1"]}, r"pip_packages\[1\] 'a=1' is not allowed \(.*\): give a"),
        ({"pip_packages": ["--index-url x"]}, r"pip_packages\[0\] '--index-url x' is not allowed"),
        ({"pip_packages": ["a\nb"]}, "one line of text is one requirement"),
        ({"pip_packages": ["/opt/a-1-py3-none-any.whl"]}, "give a path within the workspace"),
        ({"pip_packages": ["../a-1-py3-none-any.whl"]}, "give a path within the workspace"),
        ({"pip_packages": ["a @ file:///opt/a-1-py3-none-any.whl"]}, r"must begin with https:// or git\+"),
        ({"extras": "gpu", "python_packages_from": "pyproject"}, "extras must be a list or tuple"),
        ({"extras": ["a b"], "python_packages_from": "pyproject"}, "extra 'a b' is not allowed"),
        ({"extras": ["gpu"]}, "give python_packages_from='pyproject' too"),
        ({"python_packages_from": "requirements.txt"}, "'requirements.txt' is not allowed: give 'pyproject'"),
    ],
)
def test_bad_packages(given: dict[str, Any], said: str) -> None:
    """Each is refused with one sentence where it is written."""
    with pytest.raises(InvalidSpec, match=said) as caught:
        EnvironmentSpec(**given)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "environment",
    [
        EnvironmentSpec(pip_packages=("numpy", "./wheels/mine-1.0-py3-none-any.whl")),
        EnvironmentSpec(python_packages_from="pyproject"),
    ],
)
def test_packages_of_a_workspace_that_there_is_not(environment: EnvironmentSpec) -> None:
    """It is not left to the worker to find that out."""
    with pytest.raises(InvalidSpec, match="there is no workspace: give the client one"):
        _submit(environment=environment)


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "numpy[extra]>=2,<3 ; python_version >= '3.11'",
        "./wheels/mine-1.0-py3-none-any.whl",
        "dist/mine-1.0.tar.gz[gpu]",
        "https://host/a/mine-1.0-py3-none-any.whl#sha256=00",
        "mine @ git+https://host/mine.git@main",
    ],
)
def test_packages(line: str) -> None:
    """Requirements as pip knows them, and wheels and sdists by address or by path."""
    assert EnvironmentSpec(pip_packages=(f" {line} ",)).pip_packages == (line,)


def test_bad_constraint() -> None:
    """Comparisons take numbers, and each operator its count of values."""
    with pytest.raises(InvalidSpec, match="takes a number"):
        Constraint("disk", "GT", "big")
    with pytest.raises(InvalidSpec, match=r"takes 1 value\(s\), got 2"):
        Constraint("zone", "EQ", ("a", "b"))


def test_what_cannot_be_pickled_is_named() -> None:
    """The path leads from the callable to the guilty object."""
    lock = threading.Lock()
    inner = {"fine": 1, "guard": lock}

    def task() -> None:
        print(inner)

    with pytest.raises(UnpicklableError, match=r"task, captured variable 'inner', item 'guard' \(lock\)"):
        _submit(entrypoint=Entrypoint.from_callable(task))


def test_an_argument_that_cannot_be_pickled_is_named() -> None:
    """Arguments are named by their position or key."""
    with pytest.raises(UnpicklableError, match=r"argument 'event', attribute '_cond'"):
        _submit(entrypoint=Entrypoint.from_callable(print, event=threading.Event()))


def test_a_call_that_is_too_large_is_refused() -> None:
    """Large data belongs into the workspace or a file."""
    with pytest.raises(InvalidSpec, match="put large data into the workspace"):
        _submit(entrypoint=Entrypoint.from_callable(len, b"x" * (17 * 2**20)))


def test_a_command_is_text_that_a_program_can_be_given() -> None:
    """Half a character is refused."""
    with pytest.raises(InvalidSpec, match="as text"):
        Entrypoint.from_command("echo", "a\udcff")


def test_an_unknown_job_state() -> None:
    """The message names those that there are."""
    with pytest.raises(InvalidSpec, match="PENDING, RUNNING"):
        IrisClient.remote(NOBODY).list_jobs(states=["foo"])


@pytest.mark.parametrize("text", ["", " ", "a\nb"])
def test_a_token_that_is_none(text: str) -> None:
    """An empty token would let everybody in."""
    with pytest.raises(InvalidSpec, match="must not be empty"):
        Token(text)
