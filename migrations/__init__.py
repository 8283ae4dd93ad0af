"""The schema's migrations, run from the package: no configuration file, no path to get wrong."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy.engine import make_url

from clickloom.database import libpq_url, sqlalchemy_url
from clickloom.errors import ServerUnavailable

_WITHOUT_LIMIT = {
    "statement_timeout": 0,
    "lock_timeout": 0,
    "idle_in_transaction_session_timeout": 0,
}  # whatever a role has
_LOCK = 0x636C6B6C6D  # "clklm": one migration at a time


def _config(database_url: str = "") -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = sqlalchemy_url(database_url)
    return config


def head() -> str:
    """The revision that this software needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def upgrade(database_url: str) -> None:
    """Bring the database to `head`, making it first if it is not there. Safe to call twice, also at once.

    Raises ServerUnavailable.
    """
    try:
        _create_database(database_url)
        database_url = libpq_url(database_url, application_name="clickloom-migrate", session=_WITHOUT_LIMIT)
        with psycopg.connect(database_url, autocommit=True) as lock:
            lock.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            command.upgrade(_config(database_url), "head")
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error


def _create_database(database_url: str) -> None:
    name = make_url(database_url).database
    server = libpq_url(database_url, application_name="clickloom-migrate", database="postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name or "clickloom")))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return  # another process was quicker
