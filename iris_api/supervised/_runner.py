"""Runs a pickled call: ``python _runner.py <file> [<packages>]``. Standard library only, and a script on
purpose: Iris need not be installed in the interpreter of a pool, and one of a wrong version must be able to
say so. What `packages` has is found behind all that the interpreter has itself.
"""

import os
import sys

TYPE_CHECKING = False  # of typing, whose import would take longer than all the rest here
if TYPE_CHECKING:
    from typing import Any

_RAISED, _ENVIRONMENT = "raised", "environment"


def main(path: str, *packages: str) -> None:
    """Load the call and run it; end as Python ends a program that has done so."""
    sys.path[0] = os.getcwd()  # noqa: PTH109  instead of this script's directory
    sys.path.extend(packages)
    sys.argv = ["iris-task"]
    with open(path, "rb") as file:  # noqa: PTH123
        wanted, _, call = file.read().partition(b"\n")
    note = os.path.join(os.path.dirname(path), "note")  # noqa: PTH118, PTH120
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if wanted.decode() != mine:
        what = f"the call was pickled by Python {wanted.decode()}, and {sys.executable} is Python {mine}"
        _end(note, _ENVIRONMENT, f"{what}: submit from that version, or set the pool's `python`")
    function, args, kwargs = _load(note, call)
    del call
    try:
        function(*args, **kwargs)
    except SystemExit:
        raise
    except BaseException as error:
        if error.__traceback__ is not None:  # this frame is not the user's
            error.__traceback__ = error.__traceback__.tb_next
        sys.excepthook(type(error), error, error.__traceback__)
        _note(note, _RAISED, _last_line(error))
        sys.exit(1)


def _load(note: str, call: bytes) -> "tuple[Any, ...]":
    import pickle

    try:
        loaded: tuple[Any, ...] = pickle.loads(call)
        return loaded
    except BaseException as error:
        hint = " (is it in the workspace of the job, or installed on the workers?)"
        unknown = isinstance(error, (ImportError, AttributeError))
        text = f"the call could not be unpickled: {_last_line(error)}{hint if unknown else ''}"
        _end(note, _RAISED, text)
        raise


def _last_line(error: BaseException) -> str:
    import traceback

    own = traceback.TracebackException(type(error), error, None)
    own.__notes__ = None  # they would stand last
    return list(own.format_exception_only())[-1].strip()[:4000]


def _end(note: str, kind: str, message: str) -> None:
    sys.stderr.write("iris: " + message + "\n")
    _note(note, kind, message)
    sys.exit(1)


def _note(note: str, kind: str, message: str) -> None:
    with open(note + ".new", "wb") as file:  # noqa: PTH123
        file.write((kind + "\n" + message).encode("utf-8", "replace"))
    os.rename(note + ".new", note)  # noqa: PTH104


if __name__ == "__main__":
    main(*sys.argv[1:])
