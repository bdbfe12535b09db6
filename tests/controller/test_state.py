"""Drafts read through, collect what changed, and undo."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from iris_controller.rows import Endpoint
from iris_controller.state import Draft, Index, State


def endpoint(uid: str, name: str) -> Endpoint:
    return Endpoint(uid=uid, name=name, address="http://h:1")


def everything(view: State | Draft) -> tuple[object, object]:
    rows = {row.uid: row for row in view.rows(Endpoint)}
    return rows, {name: sorted(view.walk(Index.NAME, name)) for name in view.keys(Index.NAME)}


def test_a_draft_changes_nothing_until_it_is_merged() -> None:
    state = State([endpoint("a", "/x")])
    draft = Draft(state)
    draft.put(endpoint("a", "/y"))
    draft.put(endpoint("b", "/y"))
    assert state.ids(Index.NAME, "/x") == ["a"]
    assert draft.ids(Index.NAME, "/y") == ["a", "b"]
    state.merge(draft)
    assert everything(state) == everything(State([endpoint("a", "/y"), endpoint("b", "/y")]))


def test_a_volatile_field_alone_is_no_change_to_store() -> None:
    state = State([endpoint("a", "/x")])
    draft = Draft(state)
    draft.put(evolve(endpoint("a", "/x"), expires=5.0))
    changes = draft.changes()
    assert not changes
    assert len(changes.touched) == 1


STEPS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["/x", "/y", ""])), max_size=12
)  # an empty name deletes


def apply(draft: Draft, steps: list[tuple[str, str]]) -> None:
    for uid, name in steps:
        if name:
            draft.put(endpoint(uid, name))
        elif draft.find(Endpoint, uid) is not None:
            draft.delete(Endpoint, uid)


@given(before=STEPS, kept=STEPS, undone=STEPS)
def test_a_rollback_undoes_rows_and_indexes(
    before: list[tuple[str, str]], kept: list[tuple[str, str]], undone: list[tuple[str, str]]
) -> None:
    state = State()
    draft = Draft(state)
    apply(draft, before)
    state.merge(draft)
    draft = Draft(state)
    apply(draft, kept)
    wanted = everything(draft)
    mark = draft.mark()
    apply(draft, undone)
    draft.rollback(mark)
    assert everything(draft) == wanted
    state.merge(draft)
    assert everything(state) == wanted


@given(before=STEPS, after=STEPS)
def test_a_merged_state_is_that_of_its_rows(
    before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    state = State()
    for steps in (before, after):
        draft = Draft(state)
        apply(draft, steps)
        state.merge(draft)
    assert everything(state) == everything(State(state.everything()))
