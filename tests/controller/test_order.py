"""The order of workers against a plain sorted list."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iris_controller.order import Order

ENTRIES = st.tuples(st.integers(0, 9).map(float), st.sampled_from("abcd"))


@given(
    st.lists(ENTRIES), st.lists(st.one_of(st.just("pop"), ENTRIES, st.tuples(st.just("replace"), ENTRIES)))
)
def test_the_first_is_always_the_least(start: list[Any], steps: list[Any]) -> None:
    order, model = Order(start), sorted(start)
    for step in steps:
        if step == "pop":
            if model:
                model.pop(0)
                assert order.pop() == (model[0] if model else None)
        elif step[0] == "replace":
            if (first := order.first()) is not None:
                model = sorted([*model[1:], step[1]])
                assert order.replace(first, step[1]) == model[0]
        else:
            order.push(step)
            model = sorted([*model, step])
        assert order.first() == (model[0] if model else None)
        assert len(order) == len(model)
