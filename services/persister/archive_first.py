"""How an archive begins: what it must find, the triggers that note changes, and the sessions that were there before."""

from datetime import UTC, datetime

from psycopg import sql

from clickloom.errors import InvalidSetting
from clickloom.lake.columns import SESSIONS, Format
from clickloom.lake.files import Written, write_hours, writer_of
from clickloom.lake.hours import Connection, rows_of, session_hours
from clickloom.lake.places import Place
from clickloom.tables import sessions
from services.persister.archive_tables import CHANGE_COLUMNS

FIRST_NAME = f"{0:012}.parquet"
_FIRST = datetime(1, 1, 1, tzinfo=UTC)

# Whatever changes `sessions`, and nothing that does not: a partition that is dropped is no change. A session that is
# updated by hand is noted as it is then.
_NOTING = """
CREATE OR REPLACE FUNCTION note_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO session_changes (revoked, {columns}) SELECT TG_OP = 'DELETE', {columns} FROM changed;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER note_insert AFTER INSERT ON sessions
    REFERENCING NEW TABLE AS changed EXECUTE FUNCTION note_sessions();
CREATE OR REPLACE TRIGGER note_update AFTER UPDATE ON sessions
    REFERENCING NEW TABLE AS changed EXECUTE FUNCTION note_sessions();
CREATE OR REPLACE TRIGGER note_delete AFTER DELETE ON sessions
    REFERENCING OLD TABLE AS changed EXECUTE FUNCTION note_sessions()
"""


def begin_archive(connection: Connection, place: Place) -> None:
    """Begin an archive, if this database has none yet; from then on every change of a session is noted.

    Raises InvalidSetting if its archive is in another place, or the place holds files that it knows nothing of: rows
    would be missing in one, or twice in the other. Raises ServerUnavailable.
    """
    found = connection.execute("SELECT place FROM archives LIMIT 1").fetchone()
    if found is None:
        for table in ("clicks", "sessions"):
            if not place.empty(table):
                raise InvalidSetting(
                    f"ARCHIVE_URL: {place.url}/{table} holds files already, of which this database knows nothing;"
                    " give the archive an empty place"
                )
        _begin(connection, place)
    elif found[0] != place.url:
        raise InvalidSetting(
            f"ARCHIVE_URL is {place.url}, but the archive of this database is in {found[0]}: set that again, or end it"
            " with `clickloom readers remove archive` and begin another in an empty place"
        )


def _begin(connection: Connection, place: Place) -> None:
    """Making a trigger waits for commits on their way. So what is not noted is in the table when this is done."""
    columns = sql.SQL(", ").join(map(sql.Identifier, sessions.columns.keys()))
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '5s'")  # who writes sessions waits behind us
        connection.execute(sql.SQL(_NOTING).format(columns=columns))
        connection.execute(
            'INSERT INTO archives ("table", place, number, rows_written, written_at, first_from) VALUES'
            " ('clicks', %(place)s, 0, 0, now(), NULL), ('sessions', %(place)s, 0, 0, now(), %(first)s)",
            {"place": place.url, "first": _FIRST},
        )


def write_first(connection: Connection, place: Place) -> Written | None:
    """One hour of the sessions that were there before the archive, as change 0; None if none is left to write.

    Changes that are noted have greater numbers, so whatever happens to a session meanwhile, its newest change holds.
    """
    row = connection.execute("SELECT first_from FROM archives WHERE \"table\" = 'sessions'").fetchone()
    if row is None or row[0] is None:
        return None
    for stretch in session_hours(connection, row[0], None):
        constants = sql.SQL(", 0::bigint AS change, false AS revoked")
        columns = CHANGE_COLUMNS
        rows = rows_of(connection, SESSIONS, stretch, Format.parquet, columns=columns, constants=constants)
        writer = writer_of(Format.parquet, columns)
        files = list(write_hours(rows, writer, place, table=SESSIONS.name, name=FIRST_NAME))
        connection.execute(
            "UPDATE archives SET first_from = %s, rows_written = rows_written + %s WHERE \"table\" = 'sessions'",
            [stretch[1], sum(file.rows for file in files)],
        )
        if files:  # none, if what was there has gone meanwhile
            return files[0]
    connection.execute("UPDATE archives SET first_from = NULL WHERE \"table\" = 'sessions'")
    return None
