"""What `clickloom readers remove archive` does; all of it is in Postgres."""

import psycopg

from clickloom.database import libpq_url
from clickloom.errors import InvalidSetting, ServerUnavailable

_LOCKED = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'clickloom-archive' AND datname = current_database()"


def forget_archive(database_url: str) -> None:
    """Keep nothing for the archive any more. Its files stay. Raises InvalidSetting, ServerUnavailable."""
    try:
        with psycopg.connect(libpq_url(database_url, application_name="clickloom-readers")) as connection:
            if connection.execute(_LOCKED.encode()).fetchone():
                raise InvalidSetting("the archive is being written: take ARCHIVE_URL out of the persisters first")
            if not connection.execute("DELETE FROM archives RETURNING 1").fetchone():
                raise InvalidSetting("there is no archive in this database: check DATABASE_URL")
            for operation in ("insert", "update", "delete"):  # waits for commits on their way
                connection.execute(f"DROP TRIGGER note_{operation} ON sessions".encode())
            connection.execute("TRUNCATE session_changes, archive_cursors")
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error
