"""Which column is which field."""

import pytest

from clickloom.errors import InvalidInput, InvalidSetting
from services.cli.history.mapping import Mapping, chosen, parse_mapping

COLUMNS = ["uid", "device", "client_event", "ts", "page_url"]


def test_columns_are_found_by_name_or_by_rule_and_constants_take_the_place_of_columns() -> None:
    mapping = parse_mapping(["user_id=uid", "client_timestamp=ts", "device_id:=computer", "page_url:=a=b"])
    assert mapping.constants == {"device_id": "computer", "page_url": "a=b"}
    found = chosen(mapping, COLUMNS, "clicks.csv")
    assert found == {"user_id": "uid", "client_timestamp": "ts", "client_event": "client_event"}


def test_what_is_missing_is_said_with_the_files_columns_and_the_remedy() -> None:
    with pytest.raises(InvalidInput) as told:
        chosen(parse_mapping(["user_id=uid"]), COLUMNS, "clicks.csv")
    assert str(told.value) == (
        "device_id, client_timestamp: clicks.csv has the columns uid, device, client_event, ts, page_url; say which it"
        " is with --map device_id=COLUMN --map client_timestamp=COLUMN"
    )


def test_a_column_that_is_not_there_may_have_been_meant_as_a_constant() -> None:
    with pytest.raises(InvalidInput, match=r"write device_id:=computer$"):
        chosen(parse_mapping(["device_id=computer"]), COLUMNS, "clicks.csv")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (["user_id"], "write FIELD=COLUMN"),
        (["user=uid"], "a click has no field user; its fields are"),
        (["sent_at=sent"], "a click has no field sent_at"),
        (["user_id=a", "user_id:=b"], "names user_id twice"),
    ],
)
def test_a_rule_that_makes_no_sense_is_said(rules: list[str], said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        parse_mapping(rules)


def test_json_events_are_renamed() -> None:
    mapping = Mapping({"user_id": "uid"}, {"device_id": "computer"})
    assert mapping.renamed({"uid": 64, "client_event": "x"}) == {
        "user_id": 64,
        "client_event": "x",
        "device_id": "computer",
    }
