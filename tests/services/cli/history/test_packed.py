"""Rows out of Arrow's columns and out of Python's objects: the same bytes."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from clickloom.click import Click, device_type_of
from services.cli.history.packed import packed_rows
from services.persister.click_rows import FIXED, packed_clicks

texts = st.none() | st.text(st.characters(exclude_characters="\0\x1f", exclude_categories=["Cs"]), max_size=300)
objects = st.none() | st.dictionaries(st.sampled_from(["button", "größe"]), st.sampled_from(["a", "ß"]))

some_clicks = st.lists(
    st.builds(
        Click,
        event_id=st.sampled_from(["e1", "e" * 600]),
        user_id=st.sampled_from(["64", "jürgen"]),
        device_id=st.sampled_from(["mobile", "computer-7"]),
        client_event=st.sampled_from(["page", "cart"]),
        client_timestamp=st.just(0),
        device_type=st.none() | st.just("tablet"),
        page_url=texts,
        utm_source=texts,
        experiments=objects,
        order_id=texts,
        revenue=st.none() | st.decimals(-1000, 10**9, places=6),
        currency=st.none() | st.just("EUR"),
        properties=objects,
    ),
    min_size=1,
    max_size=20,
)


def table_of(clicks: Sequence[Click]) -> object:
    columns = {
        column: pa.array([getattr(one, column) for one in clicks], pa.string())
        for column in ("event_id", "site_id", "user_id", "device_id", "client_event")
    }
    told = {
        column: pa.array([getattr(one, column) for one in clicks], pa.string())
        for column in ("page_url", "utm_source", "order_id", "currency")
    }
    for column in ("experiments", "properties"):
        values = (getattr(one, column) for one in clicks)
        told[column] = pa.array(
            [value if value is None else msgspec.json.encode(value).decode() for value in values], pa.string()
        )
    told["revenue"] = pa.array([one.revenue for one in clicks], pa.decimal128(18, 6))
    kinds = [one.device_type or device_type_of(one.device_id, None) for one in clicks]
    return pa.table({**columns, **told, "device_type": pa.array(kinds, pa.string())})


@given(some_clicks)
def test_both_ways_of_packing_give_the_same_bytes(clicks: list[Click]) -> None:
    numbers = {"entry_row": np.arange(len(clicks)), "entry_ms": np.array(7)}
    details = {row: details for row, one in enumerate(clicks) if (details := one.details()) is not None}
    rows = packed_clicks(
        FIXED.rows(len(clicks), numbers),
        [one.event_id or "" for one in clicks],
        [one.key for one in clicks],
        [one.client_event for one in clicks],
        details,
    )
    assert bytes(packed_rows(FIXED.array(len(clicks), numbers), table_of(clicks))) == b"".join(rows)
