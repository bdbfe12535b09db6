"""No package starts threads but through iris_api.threads, and none writes the process's environment."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The second is a process of its own, of the standard library alone.
MAY_START_THREADS = ("iris_api/_threads/", "iris_backends/docker/_relay.py")

THREADS = {
    "threading.Thread",
    "threading.Timer",
    "concurrent.futures.ThreadPoolExecutor",
    "concurrent.futures.thread.ThreadPoolExecutor",
    "multiprocessing.pool.ThreadPool",
    "_thread.start_new_thread",
}
ENVIRONMENT_WRITERS = {"os.putenv", "os.unsetenv"} | {
    f"{mapping}.{method}"
    for mapping in ("os.environ", "os.environb")
    for method in ("__setitem__", "__delitem__", "clear", "pop", "popitem", "setdefault", "update")
}
ENVIRONMENT = {"os.environ", "os.environb"}


def sources() -> list[Path]:
    return sorted(path for package in ROOT.glob("iris*/") for path in package.rglob("*.py"))


class Names:
    """What the names of a module stand for, by its imports."""

    def __init__(self, tree: ast.AST) -> None:
        self._meaning: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    self._meaning[name.asname or name.name.split(".")[0]] = (
                        name.name if name.asname else name.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                for name in node.names:
                    self._meaning[name.asname or name.name] = f"{node.module}.{name.name}"

    def of(self, node: ast.AST) -> str:
        """The dotted name that an expression stands for; empty for anything else."""
        if isinstance(node, ast.Name):
            return self._meaning.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.of(node.value)}.{node.attr}"
        return ""


def raw_threads(source: str) -> Iterator[int]:
    """The lines that start a thread, or derive from a class that does."""
    tree = ast.parse(source)
    names = Names(tree)
    for node in ast.walk(tree):
        used = [node.func] if isinstance(node, ast.Call) else []
        bases = node.bases if isinstance(node, ast.ClassDef) else []
        yield from (item.lineno for item in (*used, *bases) if names.of(item) in THREADS)


def environment_writes(source: str) -> Iterator[int]:
    """The lines that change os.environ or the environment below it."""
    tree = ast.parse(source)
    names = Names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and names.of(node.func) in ENVIRONMENT_WRITERS:
            yield node.lineno
        elif isinstance(node, ast.Subscript | ast.Attribute | ast.Name) and not isinstance(
            node.ctx, ast.Load
        ):
            written = node.value if isinstance(node, ast.Subscript) else node
            if names.of(written) in ENVIRONMENT:
                yield node.lineno


def test_no_package_starts_raw_threads() -> None:
    """Every thread is owned by a container and runs in a copy of its spawner's context."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        if not str(path.relative_to(ROOT)).startswith(MAY_START_THREADS)
        for line in raw_threads(path.read_text())
    ]
    assert not found, "use iris_api.threads in " + ", ".join(found)


def test_no_package_writes_the_environment() -> None:
    """What a job is told in this process travels in a ContextVar, never in os.environ."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        for line in environment_writes(path.read_text())
    ]
    assert not found, "pass it on by a ContextVar or to the child process in " + ", ".join(found)


def test_all_packages_are_looked_at() -> None:
    """A moved package does not escape the two tests above."""
    expected = {"iris", "iris_api", "iris_actor", "iris_controller", "iris_worker", "iris_backends"}
    assert {path.relative_to(ROOT).parts[0] for path in sources()} >= expected


@pytest.mark.parametrize(
    "source",
    [
        "import threading\nthreading.Thread(target=f)",
        "import threading as t\nt.Timer(1, f)",
        "from threading import Thread as T\nT(target=f)",
        "import concurrent.futures\nconcurrent.futures.ThreadPoolExecutor()",
        "from concurrent import futures\nfutures.ThreadPoolExecutor()",
        "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor()",
        "import threading\nclass Mine(threading.Thread): pass",
    ],
)
def test_raw_thread_is_found(source: str) -> None:
    """Each way to start a thread is seen, under whatever name it was imported."""
    assert list(raw_threads(source)) == [2]


@pytest.mark.parametrize(
    "statement",
    [
        "os.environ['A'] = 'b'",
        "del os.environ['A']",
        "environ['A'] = 'b'",
        "os.environ |= {}",
        "os.environ = {}",
        "os.environ.update(A='b')",
        "environ.setdefault('A', 'b')",
        "os.environ.pop('A')",
        "os.putenv('A', 'b')",
        "(os.environ['A'], x) = 'b', 1",
    ],
)
def test_write_of_the_environment_is_found(statement: str) -> None:
    """Each way to change the environment is seen."""
    assert list(environment_writes(f"import os; from os import environ\n{statement}")) == [2]


def test_reading_is_allowed() -> None:
    """Reading the environment, or a method of another object, is not reported."""
    source = "import os\nb.environ['A'] = os.environ['A'], os.environ.get('B'), dict(os.environ)"
    assert list(environment_writes(source)) == []
