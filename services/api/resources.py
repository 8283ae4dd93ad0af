"""What requests share: connections and the live feed, opened and closed with the app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypedDict

from fastapi import FastAPI, Request
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.connect import open_redis
from clickloom.database import open_database
from clickloom.keys import Keys
from clickloom.memory import Amount
from clickloom.open_sessions import OpenSessions
from clickloom.pressure import Pressure
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.signing_keys import SigningKeys
from clickloom.times import SECOND_US
from clickloom.windows.spec import Window
from services.api.access import AccessKeys
from services.api.ingest.linger import LingeringPublisher
from services.api.ingest.privacy import Privacy
from services.api.ingest.visitors import DailyVisitors
from services.api.limits import SIGN_IN_ATTEMPTS, Limiter, Limits, parse_quota
from services.api.live.feeds import Feeds
from services.api.query.sql_reader import SqlReader
from services.api.sign_ins import SignIns


@dataclass(frozen=True, slots=True)
class Resources:
    redis: Redis
    engine: AsyncEngine
    pressure: Pressure
    publisher: Publisher
    lingering: LingeringPublisher
    visitors: DailyVisitors
    live: Feeds
    open_sessions: OpenSessions
    access: AccessKeys
    sign_ins: SignIns
    limits: Limits
    sign_in_attempts: Limiter
    signing_keys: SigningKeys
    privacy: Privacy
    sql: SqlReader
    keys: Keys
    partitions: int
    stream_retention_us: int
    redis_high_water: Amount
    demo_shop: bool
    future_bound_us: int
    query_timeout_s: float
    window_definitions: tuple[Window, ...]
    webhook_private: bool
    sessions_of_bots: bool

    @property
    def windows(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(window.name for window in self.window_definitions)


class State(TypedDict):
    resources: Resources


def resources_of(request: Request) -> Resources:
    resources: Resources = request.state.resources
    return resources


def lifespan_of(settings: Settings, stop: asyncio.Event, access: AccessKeys):  # type: ignore[no-untyped-def]  # FastAPI's own type of a lifespan is private
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        engine = open_database(
            settings.database_url,
            application_name="clickloom-api",
            pool_size=settings.database_pool,
            statement_timeout_us=settings.query_timeout_us,
        )
        async with open_redis(settings.redis_url) as redis:
            found = _resources(settings, redis, engine, access)
            async with found.pressure.watched(), access.watched(engine), found.live.running(stop):
                yield {"resources": found}
        await engine.dispose()

    return lifespan


def _resources(settings: Settings, redis: Redis, engine: AsyncEngine, access: AccessKeys) -> Resources:
    keys, partitions, windows = Keys(settings.namespace), settings.partitions, settings.parsed_windows()
    publisher = Publisher(redis, keys=keys, partitions=partitions, durable=settings.ingest_durability == "disk")
    names = tuple(window.name for window in windows)
    key_quota, address_quota = parse_quota(settings.rate_limit_key), parse_quota(settings.rate_limit_address)
    return Resources(
        redis=redis,
        engine=engine,
        pressure=Pressure(redis, settings.redis_high_water),
        publisher=publisher,
        lingering=LingeringPublisher(publisher),
        visitors=DailyVisitors(redis, keys),
        live=Feeds(redis, keys=keys, partitions=partitions, windows=names),
        open_sessions=OpenSessions(redis, keys=keys, partitions=partitions, rules=settings.rules()),
        access=access,
        sign_ins=SignIns(redis, keys, lasts_us=settings.sign_in_us),
        limits=Limits(key=key_quota, address=address_quota),
        sign_in_attempts=Limiter(SIGN_IN_ATTEMPTS),
        signing_keys=settings.kinesis_keys,
        keys=keys,
        partitions=partitions,
        stream_retention_us=settings.stream_retention_us,
        redis_high_water=settings.redis_high_water,
        demo_shop=settings.demo_shop,
        privacy=Privacy(settings.user_id_salt.get_secret_value(), settings.keep_client_address),
        future_bound_us=settings.future_bound_us,
        sql=SqlReader(settings.database_url, timeout_us=settings.query_timeout_us),
        query_timeout_s=settings.query_timeout_us / SECOND_US,
        window_definitions=windows,
        webhook_private=settings.webhook_private == "on",
        sessions_of_bots=settings.sessions_of_bots,
    )
