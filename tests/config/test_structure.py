"""A plugin's table becomes its attrs class without a value being converted."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import field, frozen, make_class
from attrs.validators import ge

from iris_api.config import structure_table
from iris_api.errors import ConfigError
from iris_api.resources import ResourceSpec


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@frozen
class Inner:
    size: int
    name: str = "x"


def _of(kind: Any, value: Any) -> Any:
    """`value` as the only field of a class, of that type."""
    cls = make_class("Table", {"x": field(type=kind)})
    return structure_table(cls, {"x": value}, "t").x


def _problems(cls: type, table: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        structure_table(cls, table, "t")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("kind", "value", "structured"),
    [
        (int, 8, 8),
        (float, 1, 1.0),
        (float, 1.5, 1.5),
        (bool, True, True),
        (str, "8", "8"),
        (Path, "/x", Path("/x")),
        (int | None, 8, 8),
        (int | str, "8", "8"),
        (int | str, 8, 8),
        (float | int, 8, 8),
        (str | list[str], ["a"], ["a"]),
        (str | Inner, {"size": 1}, Inner(1)),
        (Literal["a", "b"], "b", "b"),
        (Color, "red", Color.RED),
        (list[int], [1, 2], [1, 2]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (Sequence[str], ["a"], ("a",)),
        (set[str], ["a", "a"], {"a"}),
        (frozenset[str], ["a"], frozenset("a")),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Mapping[str, Any], {"a": [1]}, {"a": [1]}),
        (dict, {"a": 1}, {"a": 1}),
        (list[Inner], [{"size": 1}], [Inner(1)]),
        (dict[str, Inner], {"a": {"size": 1}}, {"a": Inner(1)}),
        (datetime.date, datetime.date(2024, 1, 2), datetime.date(2024, 1, 2)),
        (Any, {"a": 1}, {"a": 1}),
    ],
)
def test_a_value_of_the_right_type_is_taken(kind: Any, value: Any, structured: Any) -> None:
    made = _of(kind, value)
    assert made == structured
    assert type(made) is type(structured)


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (int, "8", "t.x: expected a whole number, got '8'"),
        (int, 1.0, "t.x: expected a whole number, got 1.0"),
        (int, True, "t.x: expected a whole number, got true"),
        (float, "1", "t.x: expected a number, got '1'"),
        (float, False, "t.x: expected a number, got false"),
        (bool, "true", "t.x: expected true or false, got 'true'"),
        (bool, 1, "t.x: expected true or false, got 1"),
        (str, 8, "t.x: expected a text, got 8"),
        (str, ["a"], "t.x: expected a text, got a list"),
        (Path, 1, "t.x: expected a path, got 1"),
        (int | None, "8", "t.x: expected a whole number, got '8'"),
        (int | str, 1.5, "t.x: expected a whole number or a text, got 1.5"),
        (int | str, True, "t.x: expected a whole number or a text, got true"),
        (Literal["a", "b"], "c", "t.x: expected one of 'a', 'b', got 'c'"),
        (Literal[1], True, "t.x: expected one of 1, got true"),
        (Color, "green", "t.x: expected one of 'red', 'blue', got 'green'"),
        (list[str], "abc", "t.x: expected a list, got 'abc'"),
        (list[str], {"a": 1}, "t.x: expected a list, got a table"),
        (list[int], [1, "2"], "t.x[1]: expected a whole number, got '2'"),
        (tuple[str, ...], "abc", "t.x: expected a list, got 'abc'"),
        (tuple[int, str], [1], "t.x: expected a list of 2, got a list"),
        (set[str], "abc", "t.x: expected a list, got 'abc'"),
        (dict[str, int], {"a": "1"}, "t.x.a: expected a whole number, got '1'"),
        (dict[str, int], [1], "t.x: expected a table, got a list"),
        (Inner, [1], "t.x: expected a table, got a list"),
        (Inner, {}, "t.x.size: is required"),
        (list[Inner], [{"size": 1}, {"size": "1"}], "t.x[1].size: expected a whole number, got '1'"),
        (datetime.date, "2024-01-02", "t.x: expected a date, got '2024-01-02'"),
    ],
)
def test_no_value_is_converted(kind: Any, value: Any, problem: str) -> None:
    cls = make_class("Table", {"x": field(type=kind)})
    assert _problems(cls, {"x": value}) == [problem]


def test_all_that_is_wrong_with_a_table_is_told_at_once() -> None:
    assert sorted(_problems(Inner, {"nme": 1, "name": 2})) == [
        "t.name: expected a text, got 2",
        "t.nme: unknown key; did you mean 'name'?",
        "t.size: is required",
    ]


def test_an_empty_table_is_the_defaults() -> None:
    assert structure_table(ResourceSpec, {}, "t") == ResourceSpec()


def test_an_empty_table_for_a_class_that_needs_more_is_refused() -> None:
    assert _problems(Inner, {}) == ["t.size: is required"]


def test_a_long_value_is_cut_short() -> None:
    (problem,) = _problems(Inner, {"size": "y" * 1000})
    assert len(problem) < 120


def test_a_converter_is_given_what_it_is_annotated_to_take() -> None:
    assert structure_table(ResourceSpec, {"memory": "2GB", "cpu": 2}, "t") == ResourceSpec(2, 2 * 10**9)


def test_what_converters_refuse_is_told_of_each_field() -> None:
    problems = _problems(ResourceSpec, {"memory": "2 gigs", "cpu": -1})
    assert [problem.partition(":")[0] for problem in problems] == ["t.cpu", "t.memory"]


def test_a_class_as_a_converter_does_not_loosen_the_type() -> None:
    cls = make_class("Table", {"x": field(type=tuple[str, ...], converter=tuple)})
    assert _problems(cls, {"x": "abc"}) == ["t.x: expected a list, got 'abc'"]


def test_what_a_validator_refuses_is_told_in_its_words() -> None:
    cls = make_class("Table", {"x": field(type=int, validator=ge(1))})
    assert _problems(cls, {"x": 0}) == ["t: 'x' must be >= 1: 0"]


def test_a_private_field_is_named_without_its_underscore() -> None:
    cls = make_class("Table", {"_x": field(type=int)})
    assert structure_table(cls, {"x": 1}, "t") == cls(1)
    assert _problems(cls, {"x": "1"}) == ["t.x: expected a whole number, got '1'"]


def test_a_field_that_cannot_be_given_is_unknown() -> None:
    cls = make_class("Table", {"x": field(type=int, default=1, init=False)})
    assert _problems(cls, {"x": 1}) == ["t.x: unknown key; known here: none"]


def test_a_type_that_no_table_can_have_is_a_problem_and_no_crash() -> None:
    cls = make_class("Table", {"x": field(type=complex)})
    (problem,) = _problems(cls, {"x": 1})
    assert problem.startswith("t")
