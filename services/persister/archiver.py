"""The archive: rows out of Postgres into files by the hour, each row in one file, whatever is killed when."""

import threading
from collections.abc import Sequence

import psycopg
import structlog
from psycopg import sql
from psycopg.errors import ReadOnlySqlTransaction, UndefinedColumn, UndefinedTable
from psycopg.types.json import Jsonb

from clickloom.database import libpq_url
from clickloom.errors import InvalidInput, ServerUnavailable
from clickloom.lake.columns import Format
from clickloom.lake.files import write_hours, writer_of
from clickloom.lake.hours import Connection
from clickloom.lake.places import Place
from clickloom.metrics import ARCHIVE_FAILURES, ARCHIVED_ROWS
from services.persister.archive_first import begin_archive, write_first
from services.persister.archive_tables import Archived, ArchivedClicks, ArchivedSessions, Ranges

log = structlog.get_logger()

POLL_S = 5.0
LONGEST_WAIT_S = 60.0
_LOCK = 0x636C6B6C61  # "clkla": one archiver at a time
# One that is paused must not keep the archive from the others for ever.
SESSION_SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO", "idle_session_timeout": "5min"}


class Archiver:
    """Writes what waits, in a thread of its own. Any number of processes may have one: the first has the lock."""

    def __init__(self, database_url: str, place: Place, *, seconds: float, rows: int) -> None:
        self._database_url = database_url
        self._place = place
        self._seconds = seconds
        self._rows = rows
        self._tables: Sequence[Archived] = (ArchivedClicks(), ArchivedSessions())
        self._stopped = threading.Event()

    def stop(self) -> None:
        """What is being written may be left as it is."""
        self._stopped.set()

    def run(self) -> None:
        """Until stopped, with capped backoff while Postgres or the place is away.

        Raises InvalidSetting if this database's archive is elsewhere, ServerUnavailable if it has another schema.
        """
        failures = 0
        while not self._stopped.is_set():
            try:
                url = libpq_url(self._database_url, application_name="clickloom-archive", session=SESSION_SETTINGS)
                with psycopg.connect(url, autocommit=True) as connection:
                    failures = self._serve(connection, failures)
            except (UndefinedTable, UndefinedColumn) as error:
                reason = f"the database's schema is not this version's ({error.diag.message_primary})"
                raise ServerUnavailable(f"{reason}: run `clickloom migrate`") from error
            except (psycopg.OperationalError, ReadOnlySqlTransaction) as error:
                failures += 1
                self._wait_after(failures, error)

    def _serve(self, connection: Connection, failures: int) -> int:
        """As long as the connection lasts; how often the place has been away since it was last there."""
        while not self._stopped.is_set():
            try:
                more = self._has_lock(connection) and self.step(connection)
            except (ServerUnavailable, InvalidInput) as error:
                failures += 1
                connection.execute("UPDATE archives SET trouble = %s", [str(error)])
                self._wait_after(failures, error)
                continue
            if failures:
                log.info("archive.back")
                failures = 0
            if not more:
                self._stopped.wait(min(POLL_S, self._seconds))
        return failures

    def _wait_after(self, failures: int, error: Exception) -> None:
        ARCHIVE_FAILURES.inc()
        log.warning("archive.away", reason=" ".join(str(error).split()), failures=failures)
        self._stopped.wait(min(LONGEST_WAIT_S, 0.5 * 2 ** min(failures, 10)))

    def _has_lock(self, connection: Connection) -> bool:
        """Of the connection: it is free when that ends."""
        held = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
            " OR pg_try_advisory_lock(%s)",
            [_LOCK],
        ).fetchone()
        return held is not None and bool(held[0])

    def step(self, connection: Connection) -> bool:
        """One hour of the first sessions, else one plan of each table; True if more can be written at once.

        1. Choose the ranges of what waits, and keep them as the table's plan: the files follow from its number.
        2. Write its files, one for each hour that it has rows of.
        3. Settle the ranges and end the plan, in one transaction.

        A crash before 1 ends leaves nothing; a crash before 3 ends leaves the plan, which whoever comes next writes
        again: the same rows to the same names. The files of a plan that has ended are not touched any more, but by one
        that was paused amid it, which then writes the same rows once more, or finds none and writes nothing.
        """
        begin_archive(connection, self._place)
        if first := write_first(connection, self._place):
            self._tell(connection, "sessions", 0, 1, first.rows)
            return True
        more = [self._step(connection, table) for table in self._tables]  # of each
        return any(more)

    def _step(self, connection: Connection, table: Archived) -> bool:
        plan = self._open_plan(connection, table) or self._new_plan(connection, table)
        if plan is None:
            return False
        number, ranges = plan
        writer = writer_of(Format.parquet, table.columns)
        rows = table.rows(connection, ranges)
        files = list(write_hours(rows, writer, self._place, table=table.name, name=f"{number:012}.parquet"))
        written = sum(file.rows for file in files)
        with connection.transaction():
            ended = connection.execute(
                "UPDATE archives SET plan = NULL, rows_written = rows_written + %s, written_at = now()"
                ' WHERE "table" = %s AND number = %s AND plan IS NOT NULL',
                [written, table.name, number],
            )
            if ended.rowcount:
                table.settle(connection, ranges)
        self._tell(connection, table.name, number, len(files), written)
        return True

    def _tell(self, connection: Connection, table: str, number: int, files: int, rows: int) -> None:
        connection.execute("UPDATE archives SET trouble = NULL WHERE trouble IS NOT NULL")  # whoever had it
        ARCHIVED_ROWS.labels(table).inc(rows)
        log.info("archive.written", table=table, number=number, files=files, rows=rows)

    def _open_plan(self, connection: Connection, table: Archived) -> tuple[int, Ranges] | None:
        found = connection.execute(
            'SELECT number, plan FROM archives WHERE "table" = %s AND plan IS NOT NULL', [table.name]
        ).fetchone()
        return None if found is None else (found[0], found[1])

    def _new_plan(self, connection: Connection, table: Archived) -> tuple[int, Ranges] | None:
        """None if nothing waits, or so little, and not for long, that it waits on."""
        ranges, waiting = table.waiting(connection, self._rows)
        due = sql.SQL("true" if waiting >= self._rows else "written_at <= now() - make_interval(secs => %s)")
        if not ranges:
            return None
        found = connection.execute(
            sql.SQL(
                'UPDATE archives SET number = number + 1, plan = %s WHERE "table" = %s AND plan IS NULL AND {}'
                " RETURNING number, plan"
            ).format(due),
            [Jsonb(ranges), table.name, *([] if waiting >= self._rows else [self._seconds])],
        ).fetchone()
        return None if found is None else (found[0], found[1])
