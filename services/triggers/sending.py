"""One webhook over HTTP, signed as Standard Webhooks."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from datetime import UTC, datetime

from httpx import AsyncClient, HTTPError, InvalidURL, Request, Response, Timeout
from standardwebhooks import Webhook

from clickloom.errors import RejectedInput
from clickloom.times import SECOND_US
from clickloom.triggers.schedule import next_wait_us
from clickloom.triggers.target import address_of, target_of
from services.triggers.attempts import Attempt, Outcome

_ANSWER_BYTES = 4_096  # of which nothing is kept; a receiver that sends more is not listened to
_GONE = 410


class Sender:
    """Sends to the address that a name had when it was looked at, follows no redirect, and uses no proxy."""

    def __init__(self, *, private: bool, waits: Sequence[int], timeout_us: int) -> None:
        self._private = private
        self._waits = waits
        self._timeout_s = timeout_us / SECOND_US
        self._client = AsyncClient(trust_env=False, follow_redirects=False, timeout=Timeout(self._timeout_s))

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, attempt: Attempt) -> Outcome:
        """What came of it; nothing that a receiver does is raised."""
        try:
            async with asyncio.timeout(self._timeout_s):
                status, asked_us = await self._post(attempt)
        except TimeoutError:
            return self._failed(attempt, f"no answer within {self._timeout_s:g} s")
        except (HTTPError, InvalidURL, RejectedInput, OSError, ValueError) as error:
            return self._failed(attempt, " ".join(str(error).split()) or type(error).__name__)
        if 200 <= status < 300:
            return Outcome(state="delivered", answer=str(status))
        if status == _GONE:
            return Outcome(state="dead", answer=str(status), gone=True)
        return self._failed(attempt, str(status), asked_us)

    async def _post(self, attempt: Attempt) -> tuple[int, int]:
        """Status, and for how long the receiver asks to be left alone, in µs."""
        target = target_of(attempt.url, private=self._private)
        address = await address_of(target, private=self._private)
        request = self._request(attempt)
        request.extensions["sni_hostname"] = target.host
        request.url = request.url.copy_with(host=address)  # its Host header is the name all the same
        answer = await self._client.send(request, stream=True)
        with contextlib.suppress(HTTPError):
            await _heard(answer)
        await answer.aclose()
        return answer.status_code, _retry_after_us(answer)

    def _request(self, attempt: Attempt) -> Request:
        now = datetime.now(UTC)
        message = f"msg_{attempt.firing_id.hex}"
        headers = {
            "content-type": "application/json",
            "user-agent": "Clickloom",
            "webhook-id": message,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(attempt.secret).sign(message, now, attempt.body),
        }
        return self._client.build_request("POST", attempt.url, content=attempt.body.encode(), headers=headers)

    def _failed(self, attempt: Attempt, answer: str, asked_us: int = 0) -> Outcome:
        wait_us = next_wait_us(self._waits, attempt.number, asked_us=asked_us, chance=random.random())
        if wait_us is None:
            return Outcome(state="dead", answer=answer)
        return Outcome(state="pending", answer=answer, wait_us=wait_us)


async def _heard(answer: Response) -> None:
    """Read a short answer whole, so that the connection can be used again."""
    count = 0
    async for some in answer.aiter_raw():
        count += len(some)
        if count > _ANSWER_BYTES:
            return


def _retry_after_us(answer: Response) -> int:
    """Only seconds; a date, which few send, is not looked at."""
    told = answer.headers.get("retry-after", "")
    return int(told) * SECOND_US if answer.status_code in (429, 503) and told.isdecimal() and len(told) < 10 else 0
