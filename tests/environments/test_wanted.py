"""What a job wants installed, and where it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_api.rpc import cluster_pb2 as pb
from iris_worker.environments import asks_for_packages, wanted
from iris_worker.errors import BadEnvironment

PROJECT = """
[project]
name = "My.Project"
version = "1"
dependencies = ["numpy>=2", "rich"]
[project.optional-dependencies]
gpu = ["cupy"]
Dev_Tools = ["pytest", "my-project[gpu]"]
all = ["my_project[gpu,dev-tools]"]
"""


def found(workspace: Path, *packages: str, extras: tuple[str, ...] = (), source: str = "") -> list[str]:
    spec = pb.Environment(pip_packages=packages, extras=extras, python_packages_from=source)
    return [str(one) for one in wanted(spec, workspace)]


def project(workspace: Path, *extras: str) -> list[str]:
    return found(workspace, extras=extras, source="pyproject")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


def test_a_job_without_any_asks_for_none() -> None:
    assert not asks_for_packages(pb.Environment(env_vars={"A": "1"}, image="x"))
    assert asks_for_packages(pb.Environment(python_packages_from="pyproject"))


def test_each_line_knows_where_it_was_written(workspace: Path) -> None:
    assert found(workspace, "attrs", "cattrs<2", source="pyproject") == [
        "pip_packages[0] 'attrs'",
        "pip_packages[1] 'cattrs<2'",
        "pyproject.toml project.dependencies[0] 'numpy>=2'",
        "pyproject.toml project.dependencies[1] 'rich'",
    ]


def test_extras_are_found_however_they_are_spelt(workspace: Path) -> None:
    assert project(workspace, "GPU")[2:] == ["pyproject.toml project.optional-dependencies.gpu[0] 'cupy'"]


def test_a_project_may_name_itself_for_its_extras(workspace: Path) -> None:
    """Each is taken once, and the project is not installed."""
    assert project(workspace, "all", "dev-tools")[2:] == [
        "pyproject.toml project.optional-dependencies.Dev_Tools[0] 'pytest'",
        "pyproject.toml project.optional-dependencies.gpu[0] 'cupy'",
    ]


@pytest.mark.parametrize(
    ("text", "extras", "said"),
    [
        (None, (), "the job's workspace has no pyproject.toml in its root"),
        ("[project", (), "pyproject.toml cannot be read: "),
        ("[tool.x]", (), r"pyproject.toml has no \[project\] table"),
        ("[project]\ndynamic = ['dependencies']", (), "leaves its dependencies to the project's build"),
        ("[project]\ndependencies = 'numpy'", (), "project.dependencies is no list of texts"),
        ("[project]\ndependencies = ['a', 'b=1']", (), r"project.dependencies\[1\] 'b=1' is not allowed"),
        (PROJECT, ("cpu",), "no optional dependencies 'cpu'; it has gpu, Dev_Tools, all"),
        ("[project]", ("cpu",), "no optional dependencies 'cpu'$"),
    ],
)
def test_a_project_that_cannot_be_had(
    tmp_path: Path, text: str | None, extras: tuple[str, ...], said: str
) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(BadEnvironment, match=f"^the job's environment could not be built: .*{said}"):
        project(tmp_path, *extras)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    """Its place in the workspace, and in which attempt's, does not matter."""
    for place in ("a", "b/c"):
        (tmp_path / place / "dist").mkdir(parents=True)
        (tmp_path / place / "dist" / "x-1-py3-none-any.whl").write_bytes(b"wheel")
    (tmp_path / "b" / "x-1-py3-none-any.whl").write_bytes(b"another")
    spec = pb.Environment(pip_packages=["./dist/x-1-py3-none-any.whl[gpu]"])
    (one,), (same,) = (wanted(spec, tmp_path / place) for place in ("a", "b/c"))
    (other,) = wanted(pb.Environment(pip_packages=["x-1-py3-none-any.whl[gpu]"]), tmp_path / "b")
    assert one.line == same.line != other.line
    assert one.line.endswith("/x-1-py3-none-any.whl[gpu]")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadEnvironment, match=r"pip_packages\[0\] 'dist/x-1.zip': the job's workspace has no"):
        found(tmp_path, "dist/x-1.zip")


def test_a_link_does_not_lead_out_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "x-1.zip").write_bytes(b"")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "x-1.zip").symlink_to(tmp_path / "x-1.zip")
    with pytest.raises(BadEnvironment, match="has no such file"):
        found(tmp_path / "work", "x-1.zip")
