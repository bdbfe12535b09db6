"""Incarnations: each process of a worker has one, and those of one directory can be put in order.

``<lineage>.<count>.<random>``: the lineage is made with the directory, the count goes up with each start
on it. Whoever keeps no count sends any other word: such are different, and in no order.
"""

from __future__ import annotations

import re
from typing import Final

from iris_api.ids import new_uid

__all__ = ["next_incarnation", "precedes"]

_FORM: Final = re.compile(r"([0-9a-f]{16})\.([0-9]{1,18})\.[0-9a-f]{16}")


def next_incarnation(last: str) -> str:
    """That of the next process on a directory whose last one was `last`; of the first, if that is no
    incarnation. No two are equal, even where a loss of power has set the count back."""
    found = _FORM.fullmatch(last)
    lineage, count = (found[1], int(found[2])) if found else (new_uid(), 0)
    return f"{lineage}.{count + 1}.{new_uid()}"


def precedes(one: str, other: str) -> bool:
    """Did the process of `one` certainly start before that of `other`?"""
    first, second = _FORM.fullmatch(one), _FORM.fullmatch(other)
    if first is None or second is None:
        return False
    return first[1] == second[1] and int(first[2]) < int(second[2])
