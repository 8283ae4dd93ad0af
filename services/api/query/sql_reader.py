"""Who asks Postgres in SQL: a connection of its own, logged in as a role that can read the views of `ask` and no more.

A role that were only put on (SET ROLE) could be taken off again by the question itself, with set_config; a login
cannot. Which sites it sees is looked up by the process id of the connection, which no question can change either
(docs/decisions/0018-sql-by-a-login-of-its-own.md).
"""

import contextlib
import hmac
import re
from collections.abc import AsyncIterator

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from psycopg.types.string import TextLoader
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from clickloom.database import libpq_url
from services.api.problems import Problem

CONNECTIONS = 8  # of the role, on all machines
_LOCK = 0x636C6B7371  # "clksq": the role is made by one process at a time

# Those that Python, JSON and Arrow all have; a value of any other type is taken as Postgres writes it.
TYPES = {
    *("bool", "int2", "int4", "int8", "float4", "float8", "numeric"),
    *("text", "varchar", "timestamptz", "timestamp", "date"),
}

_SESSION: dict[str, str | int] = {
    "search_path": "ask",
    "TimeZone": "UTC",
    "default_transaction_read_only": "on",
    "max_parallel_workers_per_gather": 0,
    "cursor_tuple_fraction": 1,  # most read all of their answer
    "client_connection_check_interval": 1_000,
    "idle_in_transaction_session_timeout": 60_000,
}

_MORE_THAN_A_READER = """
SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
    OR EXISTS (SELECT FROM pg_auth_members WHERE member = oid)
FROM pg_roles WHERE rolname = session_user
"""


class SqlReader:
    """Opens such connections; makes the role when it is first needed."""

    def __init__(self, database_url: str, *, timeout_us: int) -> None:
        url = make_url(database_url)
        self.role = f"clickloom_reader_{re.sub('[^a-z0-9]', '_', str(url.database).lower())}"[:63]
        self._password = _password(url.password or "", self.role)
        session = {**_SESSION, "statement_timeout": timeout_us // 1_000}
        whole = url.set(username=self.role, password=self._password or None).render_as_string(hide_password=False)
        self._address = libpq_url(whole, application_name="clickloom-sql", session=session)
        self.timeout_s = timeout_us / 1_000_000
        self._made = False

    @contextlib.asynccontextmanager
    async def opened(
        self, engine: AsyncEngine, sites: tuple[str, ...]
    ) -> AsyncIterator["psycopg.AsyncConnection[tuple[object, ...]]"]:
        """A connection for one question about these sites; none means all. What the question does to it goes with it.

        Raises Problem; psycopg.OperationalError if Postgres does not answer.
        """
        await self._make(engine)
        async with await psycopg.AsyncConnection.connect(self._address, autocommit=True) as connection:
            await self._refuse_more(connection)
            for kind in psycopg.adapters.types:
                if kind.name not in TYPES:
                    connection.adapters.register_loader(kind.oid, TextLoader)
            pid = connection.info.backend_pid
            await _admit(engine, pid, sites)
            try:
                yield connection
            finally:
                await _dismiss(engine, pid)

    async def _make(self, engine: AsyncEngine) -> None:
        if self._made:
            return
        try:
            async with engine.begin() as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                await self._make_role(connection)
        except ProgrammingError as error:
            if isinstance(error.orig, InsufficientPrivilege):
                raise self._impossible() from error
            raise
        self._made = True

    async def _make_role(self, connection: AsyncConnection) -> None:
        role = sql.Identifier(self.role)
        known = await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": self.role})
        if not known:
            await _run(connection, sql.SQL("CREATE ROLE {}").format(role))
        password = sql.Literal(self._password)
        statement = sql.SQL("ALTER ROLE {} LOGIN NOINHERIT CONNECTION LIMIT {} PASSWORD {}")
        await _run(connection, statement.format(role, sql.Literal(CONNECTIONS), password))
        await _run(connection, sql.SQL("GRANT USAGE ON SCHEMA ask TO {}").format(role))
        await _run(connection, sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA ask TO {}").format(role))
        if await connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
            # Only a superuser may bound it, and then the question cannot raise it.
            await _run(connection, sql.SQL("ALTER ROLE {} SET temp_file_limit = '1GB'").format(role))

    async def _refuse_more(self, connection: "psycopg.AsyncConnection[tuple[object, ...]]") -> None:
        found = await (await connection.execute(_MORE_THAN_A_READER)).fetchone()
        if found is None or found[0]:
            raise Problem(501, f"the role {self.role} may do more than read; take its attributes and memberships away")

    def _impossible(self) -> Problem:
        return Problem(
            501,
            f"SQL is asked as a role of its own, {self.role}, which the role of DATABASE_URL may not make: let a"
            " superuser run ALTER ROLE … CREATEROLE for that, and ask again",
        )


def _password(of_database: str, role: str) -> str | None:
    """The same for every process, and kept nowhere. None where the database itself has none: then the server either
    trusts who connects, or does not let the role in."""
    return hmac.digest(of_database.encode(), role.encode(), "sha256").hex() if of_database else None


async def _run(connection: AsyncConnection, statement: sql.Composed) -> None:
    await connection.exec_driver_sql(statement.as_string(None))


async def _admit(engine: AsyncEngine, pid: int, sites: tuple[str, ...]) -> None:
    statement = text(
        "INSERT INTO sql_askers VALUES (:pid, :sites) ON CONFLICT (pid) DO UPDATE SET sites = excluded.sites"
    )
    async with engine.begin() as connection:
        await connection.execute(statement, {"pid": pid, "sites": list(sites) or None})


async def _dismiss(engine: AsyncEngine, pid: int) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM sql_askers WHERE pid = :pid"), {"pid": pid})
