"""``python -m tests.chaos.launch ORDER -- <arguments of iris>``: iris, which dies where the file ORDER says.

The file holds ``<point>\\n<count>`` and may come while iris runs. At the count-th pass from then on it is
renamed to ``ORDER.done`` and the process kills itself, as ``kill -9`` does. The product has no code for that.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.points import POINTS, Point

__all__ = ["Order", "argv_with", "wrap"]


def argv_with(argv: list[str], order: Order) -> list[str]:
    """An argv of ``python -m iris ...`` as one that obeys an order."""
    at = argv.index("iris")
    return [*argv[:at], "tests.chaos.launch", str(order.path), "--", *argv[at + 1 :]]


class Order:
    """The file by which a process is told to die."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done = path.with_name(f"{path.name}.done")
        self._passes: dict[str, itertools.count[int]] = {}

    def give(self, point: str, count: int) -> None:
        self.withdraw()
        draft = self.path.with_name(f"{self.path.name}.new")
        draft.write_text(f"{point}\n{count}")
        draft.replace(self.path)

    def withdraw(self) -> None:
        self.path.unlink(missing_ok=True)
        self._done.unlink(missing_ok=True)

    @property
    def obeyed(self) -> bool:
        return self._done.exists()

    def passed(self, point: str) -> None:
        """Called at each pass, by any thread: the steps of a counter are atomic."""
        try:
            wanted, count = self.path.read_text().split("\n")
        except FileNotFoundError:
            return
        if wanted == point and next(self._passes.setdefault(point, itertools.count(1))) == int(count):
            self.path.rename(self._done)
            os.kill(os.getpid(), signal.SIGKILL)


def wrap(point: Point, passed: Callable[[], None]) -> None:
    """Have `passed` called before, or after, each call of the point's function."""
    owner, name, function = point.find()
    around = _around_coroutine if inspect.iscoroutinefunction(function) else _around
    setattr(owner, name, around(function, passed, after=point.after))


def _around(function: Callable[..., Any], passed: Callable[[], None], *, after: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not after:
            passed()
        value = function(*args, **kwargs)
        if after:
            passed()
        return value

    return wrapped


def _around_coroutine(
    function: Callable[..., Any], passed: Callable[[], None], *, after: bool
) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not after:
            passed()
        value = await function(*args, **kwargs)
        if after:
            passed()
        return value

    return wrapped


def main() -> None:
    order = Order(Path(sys.argv[1]))
    sys.argv = ["iris", *sys.argv[3:]]
    for name, point in POINTS.items():
        wrap(point, functools.partial(order.passed, name))
    from iris.cli import main as iris

    iris()


if __name__ == "__main__":
    main()
