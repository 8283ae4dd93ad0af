"""How much one sender may send."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clickloom.errors import InvalidSetting
from clickloom.settings import Settings
from services.api.limits import Limiter, Quota, parse_quota
from tests.services.api.conftest import serving
from tests.services.api.ingest.test_native import EVENT, problem


@hypothesis_settings(deadline=None)
@given(
    quota=st.builds(Quota, events=st.integers(1, 50), seconds=st.sampled_from([0.5, 1.0, 60.0])),
    requests=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 20)), max_size=60),
)
def test_no_time_as_long_as_the_quotas_sees_more_than_twice_it_and_rest_gives_all_of_it_back(
    quota: Quota, requests: list[tuple[float, int]]
) -> None:
    limiter, now_s, taken = Limiter(quota), 0.0, []
    for pause_s, events in requests:
        now_s += pause_s
        standing = limiter.take("a", events, now_s)
        if standing.allowed:
            taken.append((now_s, events))
        elif events <= quota.events:
            assert standing.retry_s >= 1
        assert 0 <= standing.remaining <= quota.events
        in_reach = [count for moment, count in taken if moment > now_s - quota.seconds]
        assert sum(in_reach) <= 2 * quota.events
    assert limiter.take("a", quota.events, now_s + 2 * quota.seconds).allowed


def test_a_quota_may_be_used_at_once_and_comes_back_evenly() -> None:
    limiter = Limiter(Quota(10, 10.0))
    assert [limiter.take("a", 1, 100.0).allowed for _ in range(11)] == [True] * 10 + [False]
    assert limiter.take("b", 1, 100.0).allowed, "each sender has its own"
    assert not limiter.take("a", 2, 101.5).allowed
    standing = limiter.take("a", 1, 101.5)
    assert (standing.allowed, standing.remaining, standing.reset_s) == (True, 0, 10)


@pytest.mark.parametrize("text", ["", "6000", "x/1m", "0/1m", "-1/1m", "10/0s", "10/soon", "10/"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="write it as 6000/1m"):
        parse_quota(text)


async def test_who_sends_too_much_is_told_how_long_to_wait(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"rate_limit_address": "20/1h"})) as api:
        answer = await api.post("/v1/events", json=[EVENT] * 15)
        assert answer.status_code == 202
        assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("20", "5")
        refused = await api.post("/v1/events", json=[EVENT] * 6)
        assert "more than 20 events in 1h from this address; wait" in problem(refused, 429)["detail"]
        assert 0 < int(refused.headers["retry-after"]) <= 180
        assert (await api.post("/v1/events", json=[EVENT] * 5)).status_code == 202
        too_many = problem(await api.post("/v1/events", json=[EVENT] * 21), 429)
        assert "send at most 20 at once" in too_many["detail"]


async def test_what_is_no_event_counts_too(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"rate_limit_address": "2/1h"})) as api:
        for _ in range(2):
            problem(await api.post("/v1/events", content=b"nonsense"), 400)
        problem(await api.post("/v1/events", content=b"nonsense"), 429)
