"""Where webhooks may go."""

import pytest

from clickloom.errors import RejectedInput
from clickloom.triggers.target import address_of, target_of

PRIVATE = [
    "http://127.0.0.1/", "http://127.1.2.3:9000/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/",
    "http://192.168.1.5/", "http://169.254.169.254/latest", "http://0.0.0.0/", "http://[fd00::1]/", "http://localhost/",
    "http://db.internal/", "http://224.0.0.1/", "http://100.64.0.1/",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_what_only_this_machine_or_its_networks_reach_is_refused_unless_it_is_allowed(url: str) -> None:
    with pytest.raises(RejectedInput, match="WEBHOOK_PRIVATE=on"):
        target_of(url, private=False)
    assert target_of(url, private=True).scheme == "http"


@pytest.mark.parametrize(
    "url",
    ["ftp://shop.example/", "shop.example", "https://", "https://u:p@shop.example/", "https://shop.example/#a",
     "file:///etc/passwd", "https://shop.example:99999/", "https://[::1", "https://shop.example/a b"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RejectedInput):
        target_of(url, private=True)


def test_an_address_is_taken_apart() -> None:
    assert target_of("https://shop.example/hooks?a=b", private=False) == ("https", "shop.example", 443)
    assert target_of("http://shop.example:8000", private=False) == ("http", "shop.example", 8000)


@pytest.mark.parametrize("url", ["http://2130706433/", "http://127.1/", "http://0x7f000001/"])
async def test_a_name_is_judged_by_where_it_leads(url: str) -> None:
    """Other ways to write 127.0.0.1, which only who resolves them knows."""
    target = target_of(url, private=False)
    with pytest.raises(RejectedInput, match="not a public one"):
        await address_of(target, private=False)
    assert await address_of(target, private=True) == "127.0.0.1"
