"""Connections to Postgres."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

POOL_WAIT_S = 5  # for a connection that others have


def sqlalchemy_url(database_url: str) -> str:
    """The URL with SQLAlchemy's name of the driver (psycopg 3)."""
    for scheme in ("postgres://", "postgresql://"):
        if database_url.startswith(scheme):
            return "postgresql+psycopg://" + database_url.removeprefix(scheme)
    return database_url


# A server or a client that is gone without a word (its machine, the network) is noticed within half a minute: by who
# waits for an answer, by who has sent something, and by the server that waits for a client in the middle of a COPY.
_NOTICES_S = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_CLIENT = {"connect_timeout": 10, "tcp_user_timeout": 20_000, **_NOTICES_S}
_SERVER = {"tcp_user_timeout": 20_000, **{f"tcp_{name}": value for name, value in _NOTICES_S.items()}}


def libpq_url(
    database_url: str,
    *,
    application_name: str,
    database: str | None = None,
    session: Mapping[str, str | int] = MappingProxyType({}),
) -> str:
    """The URL as psycopg itself takes it, with who we are, and how long we wait for a server that does not answer.

    database: another than the URL's. session: the server's settings for it, as `statement_timeout`. What the URL itself
    says of how long to wait, and of the session, wins.
    """
    url = make_url(database_url)
    options = [f"-c {name}={value}" for name, value in {**_SERVER, **session}.items()]
    options += [str(url.query["options"])] if "options" in url.query else []
    waits = {name: str(value) for name, value in _CLIENT.items()}
    query = {**waits, **url.query, "application_name": application_name, "options": " ".join(options)}
    whole = url.set(drivername="postgresql", database=database or url.database, query=query)
    place, _, shown = whole.render_as_string(hide_password=False).partition("?")
    return f"{place}?{shown.replace('+', '%20')}"  # a space, which libpq does not know as +


def open_database(url: str, *, application_name: str, pool_size: int = 1, statement_timeout_us: int = 0) -> AsyncEngine:
    """A pool of at most so many connections. `statement_timeout_us`: of each statement, 0: as long as it takes."""
    session = {"statement_timeout": statement_timeout_us // 1_000}
    address = libpq_url(url, application_name=application_name, session=session)
    return create_async_engine(
        sqlalchemy_url(address), pool_size=pool_size, max_overflow=0, pool_timeout=POOL_WAIT_S, pool_pre_ping=True
    )
