"""A cattrs converter that takes TOML's values for what they are: it converts none of them.

Left to itself cattrs calls ``int("8")``, ``bool("no")`` and ``list("abc")``.
"""

from __future__ import annotations

import datetime
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter, override
from cattrs.cols import (
    homogenous_tuple_structure_factory,
    is_any_set,
    is_mapping,
    is_mutable_sequence,
    is_sequence,
    list_structure_factory,
    mapping_structure_factory,
)
from cattrs.gen import make_dict_structure_fn

from iris_api._config.paths import shown

__all__ = ["Mismatch", "converter"]

Hook = Callable[[Any, Any], Any]
T = TypeVar("T")

_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    datetime.datetime: "a date and time",
    datetime.date: "a date",
    datetime.time: "a time of day",
}


class Mismatch(ValueError):
    """A value is not of the type that the field has."""

    def __init__(self, expected: str, value: Any) -> None:
        super().__init__(f"expected {expected}, got {shown(value)}")
        self.expected = expected


def _scalar(kind: type[T]) -> Callable[[Any, Any], T]:
    accepted: tuple[type, ...] = {float: (int, float), Path: (str,)}.get(kind, (kind,))

    def structure(value: Any, _: Any) -> T:
        # exact types: a bool is an int to isinstance, and a datetime a date
        if type(value) not in accepted:
            raise Mismatch(_WORDS[kind], value)
        return value if type(value) is kind else kind(value)  # type: ignore[call-arg]

    return structure


def _guarded(factory: Callable[[Any, Converter], Hook], kind: type, words: str) -> Any:
    """A factory whose hooks refuse what is not of `kind` before anything iterates over it."""

    def make(cls: Any, converter: Converter) -> Hook:
        inner = factory(cls, converter)

        def structure(value: Any, target: Any) -> Any:
            if not isinstance(value, kind):
                raise Mismatch(words, value)
            return inner(value, target)

        return structure

    return make


def _set_hook(cls: Any, converter: Converter) -> Hook:
    items: Any = GenericAlias(list, get_args(cls) or (Any,))
    kind = set if (get_origin(cls) or cls) is set else frozenset
    return lambda value, _: kind(converter.structure(value, items))


def _is_fixed_tuple(cls: Any) -> bool:
    return get_origin(cls) is tuple and Ellipsis not in get_args(cls)


def _fixed_tuple_hook(cls: Any, converter: Converter) -> Hook:
    kinds = get_args(cls)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list) or len(value) != len(kinds):
            raise Mismatch(f"a list of {len(kinds)}", value)
        return tuple(converter.structure(item, kind) for item, kind in zip(value, kinds, strict=True))

    return structure


def _is_simple_union(cls: Any) -> bool:
    """A union of several types of which at most one is a table: which one is meant shows by itself."""
    members = [kind for kind in get_args(cls) if kind is not type(None)]
    return get_origin(cls) in (Union, UnionType) and len(members) > 1 and sum(map(_is_attrs, members)) <= 1


def _union_hook(cls: Any, converter: Converter) -> Hook:
    members = [kind for kind in get_args(cls) if kind is not type(None)]

    def structure(value: Any, _: Any) -> Any:
        expected: list[str] = []
        for kind in sorted(members, key=lambda kind: kind is float):  # 1 stays whole in `float | int`
            try:
                return converter.structure(value, kind)
            except Mismatch as error:
                expected.append(error.expected)
        raise Mismatch(" or ".join(dict.fromkeys(expected)), value)

    return structure


def _is_choice(cls: Any) -> bool:
    return get_origin(cls) is Literal or (isinstance(cls, type) and issubclass(cls, Enum))


def _choice_hook(cls: Any, _: Converter) -> Hook:
    enum = isinstance(cls, type)
    choices = [(m.value, m) for m in cls] if enum else [(value, value) for value in get_args(cls)]

    def structure(value: Any, _: Any) -> Any:
        for plain, chosen in choices:
            if type(value) is type(plain) and value == plain:
                return chosen
        raise Mismatch("one of " + ", ".join(shown(plain) for plain, _ in choices), value)

    return structure


def _is_attrs(cls: Any) -> bool:
    return attrs.has(cls if isinstance(cls, type) else get_origin(cls) or object)


def _attrs_hook(cls: Any, converter: Converter) -> Hook:
    origin = get_origin(cls) or cls
    attrs.resolve_types(origin)
    fields: dict[str, Any] = {
        field.name: override(struct_hook=_converted(field, converter))
        for field in attrs.fields(origin)
        if field.init and callable(field.converter) and not isinstance(field.converter, attrs.Converter)
    }
    return make_dict_structure_fn(
        cls,
        converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
        _cattrs_use_alias=True,
        **fields,
    )


def _converted(field: attrs.Attribute[Any], converter: Converter) -> Hook:
    """The value that the field's own converter is to be given: of the type that it is annotated to
    take. Tried here already, so that the error is found at this field, and beside all others."""
    accepts = _accepted_by(field.converter) or field.type or Any

    def structure(value: Any, _: Any) -> Any:
        given = converter.structure(value, accepts)
        assert callable(field.converter)
        field.converter(given)
        return given

    return structure


def _accepted_by(function: Any) -> Any:
    """The annotation of the function's first parameter, None where it has none (``tuple``, a class)."""
    if isinstance(function, type):
        return None
    hints = {name: kind for name, kind in typing.get_type_hints(function).items() if name != "return"}
    return next(iter(hints.values()), None)


def _make() -> Converter:
    made = Converter(forbid_extra_keys=True, detailed_validation=True, use_alias=True)
    factory = made.register_structure_hook_factory
    factory(_is_attrs, _guarded(_attrs_hook, dict, "a table"))
    factory(_is_choice, _choice_hook)
    factory(_is_simple_union, _union_hook)
    factory(is_sequence, _guarded(homogenous_tuple_structure_factory, list, "a list"))
    factory(is_mutable_sequence, _guarded(list_structure_factory, list, "a list"))
    factory(is_any_set, _set_hook)
    factory(_is_fixed_tuple, _fixed_tuple_hook)
    factory(is_mapping, _guarded(mapping_structure_factory, dict, "a table"))
    for kind in _WORDS:
        made.register_structure_hook(kind, _scalar(kind))
    return made


converter: Final = _make()
