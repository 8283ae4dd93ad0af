"""Files of any format into staged clicks; what is no click is handed on with its place and the reason."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from clickloom.click import Click, normalise, parse_click, parse_object
from clickloom.errors import InvalidInput, RejectedInput
from clickloom.wire import MAX_PAYLOAD, RejectedEvent
from services.cli.history.formats import FileFormat
from services.cli.history.mapping import Mapping, chosen
from services.cli.history.staged import Staging, text
from services.cli.history.tables import ROW, Source, check_types, other_rows, plain_rows
from services.cli.source import Format, open_source, parse_line

AT_ONCE = 50_000  # rows that are objects of Python at one time
REFUSED_AT_ONCE = 5_000

Refuse = Callable[[str, list[tuple[int, RejectedEvent]]], None]  # the file; (row, what it is)
Tell = Callable[[int], None]  # so many bytes more have been read


@dataclass(slots=True)
class Intake:
    """Takes in one file after the other."""

    staging: Staging
    mapping: Mapping
    received_us: int  # the clock
    future_bound_us: int
    refuse: Refuse
    clicks: int = 0
    rejected: int = 0
    unused: set[str] = field(default_factory=set)  # columns that are no field
    _refused: list[tuple[int, RejectedEvent]] = field(default_factory=list)
    _before: int = 0  # clicks of the files before this one

    def take(self, number: int, file: str, path: Path, form: FileFormat, tell: Tell) -> None:
        """`file` is what it is called. Raises InvalidInput if nothing of it can be used, OSError."""
        self._before = self.clicks
        if form.of_lines:
            self._take_lines(number, file, path, Format(form.value), tell)
        else:
            self._take_table(number, file, path, form)
            tell(path.stat().st_size)
        self._hand_on(file)

    def _take_lines(self, number: int, file: str, path: Path, form: Format, tell: Tell) -> None:
        clicks: list[tuple[int, int, Click]] = []
        size = 0
        with open_source(str(path)) as lines:
            for row, line in enumerate(lines, start=1):
                size += len(line)
                if click := self._checked(file, f"line {row}", row, line, partial(self._parsed, line, form)):
                    clicks.append((number, row, click))
                if len(clicks) == AT_ONCE:
                    self._stage(clicks)
                    tell(size)
                    clicks, size = [], 0
        self._stage(clicks)
        tell(size)

    def _parsed(self, line: bytes, form: Format) -> Click:
        if form is Format.combined or not (self.mapping.columns or self.mapping.constants):
            return parse_line(line, form)
        return parse_click(msgspec.json.encode(self.mapping.renamed(parse_object(line, _decode_object))))

    def _take_table(self, number: int, file: str, path: Path, form: FileFormat) -> None:
        try:
            source = self._source(number, file, path, form)
            latest_us = self.received_us + self.future_bound_us
            plain = self.staging.write("clicks", plain_rows(source, latest_us))
            self.clicks += plain
            # Of a Parquet file it is known without reading it how many rows it has.
            all_plain = form is FileFormat.parquet and self._count(source) == plain
            for rows in () if all_plain else self._pages(other_rows(source, latest_us)):
                events = ((row, event.encode()) for row, event in rows)
                found = (
                    (number, row, self._checked(file, f"row {row}", row, event, partial(parse_click, event)))
                    for row, event in events
                )
                self._stage([(number, row, click) for number, row, click in found if click])
            self._refuse_malformed(file, form)
        except duckdb.Error as error:
            raise InvalidInput(f"{file}: not a whole {form} file: {str(error).splitlines()[0]}") from error

    def _source(self, number: int, file: str, path: Path, form: FileFormat) -> Source:
        if form is FileFormat.csv:
            read = f"read_csv({text(path)}, header = true, all_varchar = true, store_rejects = true)"
            relation = f"(SELECT *, row_number() OVER () AS {ROW} FROM {read})"
        else:
            read = f"read_parquet({text(path)}, file_row_number = true)"
            relation = f"(SELECT * EXCLUDE (file_row_number), file_row_number + 1 AS {ROW} FROM {read})"
        described = self.staging.database.execute(f"DESCRIBE SELECT * EXCLUDE ({ROW}) FROM {relation}").fetchall()
        types = {column: kind for column, kind, *_ in described}
        columns = chosen(self.mapping, types, file)
        self.unused |= types.keys() - set(columns.values())
        source = Source(relation, number, columns, self.mapping.constants, types)
        check_types(source, file)
        return source

    def _count(self, source: Source) -> int:
        found = self.staging.database.execute(f"SELECT count(*) FROM {source.relation}").fetchall()
        return int(found[0][0])

    def _pages(self, query: str) -> Iterator[list[tuple[int, str]]]:
        # A cursor of its own: what is found is staged by the same engine while this is being read.
        cursor = self.staging.database.cursor().execute(query)
        while rows := cursor.fetchmany(AT_ONCE):
            yield rows

    def _refuse_malformed(self, file: str, form: FileFormat) -> None:
        """CSV rows that are no rows; the engine has kept them, once for each time that it has read the file."""
        if form is not FileFormat.csv:
            return
        query = "SELECT line, any_value(csv_line), any_value(error_message) FROM reject_errors GROUP BY line ORDER BY 1"
        for line, content, reason in self.staging.database.execute(query).fetchall():
            payload, told = (content or "").encode(), f"no row of this table: {reason}"
            # Numbered apart from rows, for a line and a row of one number are two.
            self._reject(file, f"line {line}", -line, payload, "malformed_line", told)
        self.staging.database.execute("DELETE FROM reject_errors; DELETE FROM reject_scans")

    def _checked(self, file: str, place: str, row: int, payload: bytes, parse: Callable[[], Click]) -> Click | None:
        """A click in our form but for its event id; None if it is none, which is kept with the reason."""
        try:
            click = parse()
            click.sent_at = None  # it tells nothing: nobody knows when history arrived
            given = click.event_id
            normalise(click, received_us=self.received_us, future_bound_us=self.future_bound_us, new_event_id=str)
            click.event_id = given
        except RejectedInput as error:
            self._reject(file, place, row, payload, error.code, str(error))
            return None
        self.clicks += 1
        return click

    def _reject(self, file: str, place: str, row: int, payload: bytes, code: str, message: str) -> None:
        self.rejected += 1
        event = RejectedEvent(
            rejected_us=self.received_us,
            source=f"import {file} {place}",
            code=code,
            message=message,
            payload=payload[:MAX_PAYLOAD],
        )
        self._refused.append((row, event))
        if len(self._refused) >= REFUSED_AT_ONCE:
            self._hand_on(file)

    def _hand_on(self, file: str) -> None:
        refused, self._refused = self._refused, []
        if refused and self.clicks == self._before:
            first = refused[0][1]
            raise InvalidInput(f"{file}: nothing of it is a click; {first.source}: {first.message}")
        if refused:
            self.refuse(file, refused)

    def _stage(self, clicks: list[tuple[int, int, Click]]) -> None:
        if clicks:
            self.staging.write_clicks(clicks)


_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
