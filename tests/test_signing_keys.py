"""Pairs of access key and secret in a setting."""

import pytest

from clickloom.errors import InvalidSetting
from clickloom.settings import load_settings
from clickloom.signing_keys import parse_signing_keys


def test_pairs_stand_between_blanks() -> None:
    keys = parse_signing_keys("AKIA1:a/b+c=:shop\n  AKIA2:d:blog:of:many ")
    assert {name: (key.secret, key.site_id) for name, key in keys.items()} == {
        "AKIA1": ("a/b+c=", "shop"),
        "AKIA2": ("d", "blog:of:many"),
    }
    assert parse_signing_keys("") == {}


@pytest.mark.parametrize("text", ["AKIA1", "AKIA1:geheim", ":geheim:shop", "AKIA1::shop", "A:geheim:a A:geheim:b"])
def test_what_is_no_pair_is_refused_without_showing_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINESIS_KEYS", text)
    with pytest.raises(InvalidSetting, match=r"^KINESIS_KEYS: entry [12] ") as caught:
        load_settings()
    assert "geheim" not in str(caught.value)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINESIS_KEYS", "AKIA1:geheim:shop")
    settings = load_settings()
    assert settings.kinesis_keys["AKIA1"].secret == "geheim"
    assert "geheim" not in repr(settings)
