"""Who is signed in: a browser holds a random text in a cookie, Redis its hash and whose key it stands for.

The text opens nothing by itself but for as long as the key is one that opens: it ends with the key, with the time that
a sign-in lasts, and when the person signs out.
"""

import contextlib
import secrets
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from clickloom.keys import Keys
from clickloom.times import SECOND_US
from services.api.problems import Problem

COOKIE = "clickloom"
_BYTES = 24


class SignIns:
    """All raise Problem, 503, while Redis is away."""

    def __init__(self, redis: Redis, keys: Keys, *, lasts_us: int) -> None:
        self._redis = redis
        self._keys = keys
        self.lasts_s = lasts_us // SECOND_US

    async def begin(self, key_id: str) -> str:
        """The text for the cookie."""
        text = secrets.token_urlsafe(_BYTES)
        with _answering():
            await self._redis.set(self._name(text), key_id, ex=self.lasts_s)
        return text

    async def key_id(self, text: str) -> str | None:
        """Of the key that was signed in with; None if the sign-in has ended, or never was."""
        with _answering():
            found: Any = await self._redis.get(self._name(text))
        return None if found is None else found.decode()

    async def end(self, text: str) -> None:
        with _answering():
            await self._redis.delete(self._name(text))

    def _name(self, text: str) -> str:
        return self._keys.sign_in(sha256(text.encode()).hexdigest())


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        reason = "who is signed in is in Redis, which does not answer"
        raise Problem(503, reason, headers={"Retry-After": "1"}) from error
