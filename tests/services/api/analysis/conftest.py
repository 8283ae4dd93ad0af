"""Generated traffic in the tables, and the same as a list of visits that were cut by hand."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial

import psycopg
import pytest

from clickloom.click import Click
from clickloom.settings import Settings
from clickloom.times import DAY_US
from clickloom.windows.partition import Partition
from clickloom.wire import FIELD, RecordBatch, encode
from services.generator.arrivals import Disturbances
from services.generator.plan import Plan, visits_of
from services.generator.shop import Habits
from services.persister.rows import Rows, add_changelog, add_clicks, add_entries
from services.persister.writer import write
from tests.services.generator.traffic import CUT, START_US, clicks_of, generated

Visit = list[Click]  # in order
Traffic = Callable[[int], Awaitable[list[Visit]]]

DISTURBED = Disturbances(disorder=0.2, late=0.02, duplicates=0.05)
FEW = Habits(users=60, conversion=0.3, bots=0.02)


@pytest.fixture
def traffic(settings: Settings) -> Traffic:
    """Puts so many generated clicks, duplicates, late ones and bots among them, where services put them."""

    async def traffic(count: int) -> list[Visit]:
        settings_of_one = settings.model_copy(update={"partitions": 1})
        plan = Plan(seed=7, count=count, rate=0.5, habits=FEW, disturbances=DISTURBED)
        lines, truth = generated(plan, settings_of_one)
        clicks = clicks_of(lines)
        await _store(settings, clicks)
        late = {one.event_id for one in truth.late}
        return visits(clicks, late, visits_of(settings).gap_us)

    return traffic


def visits(clicks: list[Click], late: set[str], gap_us: int) -> list[Visit]:
    """Each click that counts, once, cut where nothing came for longer than the gap."""
    counted = {(click.user_id, click.device_id, click.event_id): click for click in reversed(clicks)}
    mine: defaultdict[tuple[object, str], Visit] = defaultdict(list)
    for (user, device, event_id), click in counted.items():
        if not click.is_bot and event_id not in late:
            mine[user, device].append(click)
    found: list[Visit] = []
    for visitor in mine.values():
        visitor.sort(key=lambda click: (click.time_us, click.client_event))
        for before, click in zip([None, *visitor], visitor, strict=False):
            if before is None or click.time_us - before.time_us > gap_us:
                found.append([])
            found[-1].append(click)
    return found


async def _store(settings: Settings, clicks: list[Click]) -> None:
    partition = Partition(visits_of(settings), settings.rules())
    clicks_rows, changes = Rows("clicks"), Rows("changes")
    batches = [RecordBatch.of(clicks[low : low + CUT], START_US + DAY_US) for low in range(0, len(clicks), CUT)]
    for number, one in enumerate(batches, start=1):
        add_entries(clicks_rows, [(b"%d-0" % number, {FIELD: encode(one)})], partial(add_clicks, 0))
        partition.apply(one, entries=[(number, 0)])
    partition.finish()
    changelog = partition.take_changes(0).changelog
    add_entries(changes, [(b"1-0", {FIELD: encode(changelog)})], partial(add_changelog, "visits"))
    async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
        await write(connection, clicks_rows)
        await write(connection, changes)
