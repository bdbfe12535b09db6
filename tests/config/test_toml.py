"""What is written as TOML reads back as the same."""

import datetime
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iris_api.config import to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLAIN = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, datetime.UTC])),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_any_document_comes_back(document: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(document)) == document
