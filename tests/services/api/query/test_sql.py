"""`POST /v1/sql`: what it answers, and that nobody gets out of it."""

import asyncio
import io
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from httpx import AsyncClient, Response
from pyarrow import csv, parquet

from clickloom.settings import Settings
from services.api.query.formats import Format
from services.api.query.sql import VIEWS
from tests.conftest import Select
from tests.processes import until
from tests.services.api.conftest import Keep, Make, serving
from tests.services.api.ingest.test_native import problem
from tests.services.api.query.test_sessions import DAY
from tests.sessions import session

SHOP = session(DAY, user="ann", site_id="shop", revenue=Decimal("9.50"))
BLOG = session(DAY + 1, user="secret-bob", site_id="blog")


@pytest.fixture
async def shop(locked: Settings, keep: Keep, make: Make) -> AsyncIterator[AsyncClient]:
    """Asks with an admin key of the site shop, beside which there is the site blog."""
    await keep(SHOP, BLOG)
    await keep(session(DAY, user="ann", site_id="shop", window="minutes"), window="minutes")
    key = await make("read", "shop", scopes=["admin"])
    async with serving(locked) as client:
        client.headers["authorization"] = f"Bearer {key}"
        yield client


async def ask(api: AsyncClient, sql: str, **more: Any) -> Response:
    return await api.post("/v1/sql", json={"sql": sql, **more})


async def rows(api: AsyncClient, sql: str, **more: Any) -> list[list[Any]]:
    answer = await ask(api, sql, **more)
    assert answer.status_code == 200, answer.text
    found: list[list[Any]] = answer.json()["rows"]
    return found


async def test_it_answers_with_columns_types_and_rows(shop: AsyncClient) -> None:
    answer = await ask(
        shop, "SELECT user_id, revenue, events, bounced, path FROM sessions WHERE \"window\" = 'visits';"
    )
    assert answer.json() == {
        "columns": [
            {"name": "user_id", "type": "text"},
            {"name": "revenue", "type": "numeric"},
            {"name": "events", "type": "int4"},
            {"name": "bounced", "type": "bool"},
            {"name": "path", "type": "text[]"},
        ],
        "rows": [["ann", "9.5", 1, True, ["beer_vitrine_nav"]]],
        "truncated": False,
        "as_of": None,
    }


async def test_every_view_shows_the_keys_site_alone(
    shop: AsyncClient, locked: Settings, make: Make, database: "psycopg.Connection[Any]"
) -> None:
    for table, site in (("rejected_events", "shop"), ("rejected_events", "blog"), ("rejected_events", None)):
        database.execute(
            f"INSERT INTO {table} VALUES ('s', 1, %s, 0, now(), %s, 'http', 'c', 'm', '')", [len(site or ""), site]
        )
    for view in VIEWS:
        await rows(shop, f"SELECT * FROM {view}")
    assert await rows(shop, "SELECT DISTINCT site_id FROM sessions") == [["shop"]]
    assert await rows(shop, "SELECT site_id FROM session_rollups") == [["shop"]] * 2
    assert await rows(shop, "SELECT site_id FROM rejected_events") == [["shop"]]
    assert await rows(shop, "SELECT user_id FROM aggregated") == [["ann"]]
    both, everything = await make("read", "shop", "blog", scopes=["admin"]), await make("read", scopes=["admin"])
    async with serving(locked) as client:
        for key, sites in ((both, [["blog"], ["shop"]]), (everything, [["blog"], ["shop"], [None]])):
            client.headers["authorization"] = f"Bearer {key}"
            assert await rows(client, "SELECT site_id FROM rejected_events ORDER BY 1") == sites


async def test_it_needs_an_admin_key(locked: Settings, make: Make) -> None:
    key = await make("read", "shop")
    async with serving(locked) as client:
        assert (await ask(client, "SELECT 1")).status_code == 401
        client.headers["authorization"] = f"Bearer {key}"
        assert "no scope admin" in problem(await ask(client, "SELECT 1"), 403)["detail"]


ESCAPES = [
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE public.sessions",
    "SELECT 1) AS a; DROP TABLE public.sessions; SELECT * FROM (SELECT 1",
    "SELECT 1) AS a CROSS JOIN (SELECT 2",
    "SELECT 1 /*",
    "",
    "-- nothing",
    "SELECT * FROM public.sessions",
    "SELECT * FROM public.access_keys",
    "SELECT * FROM public.sql_askers",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_statistic",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT current_setting('data_directory')",
    "SELECT set_config('role', 'postgres', true)",
    "SELECT set_config('session_authorization', 'postgres', true)",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('role', 'postgres', true), query_to_xml('SELECT * FROM public.access_keys', true, true, '')",
    "SELECT query_to_xml('SELECT * FROM public.access_keys', true, true, '')",
    "SELECT query_to_xml('RESET ROLE', true, true, '')",
    "SELECT table_to_xml('public.sessions', true, true, '')",
    "SET ROLE postgres",
    "RESET ROLE",
    "RESET SESSION AUTHORIZATION",
    "SHOW data_directory",
    "BEGIN",
    "COMMIT",
    "COPY public.sessions TO STDOUT",
    "COPY (SELECT 1) TO PROGRAM 'touch /tmp/here'",
    "DO $$ BEGIN PERFORM 1; END $$",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SELECT 1 AS a INTO t",
    "INSERT INTO sessions DEFAULT VALUES RETURNING 1",
    "INSERT INTO public.sql_askers VALUES (pg_backend_pid(), NULL) RETURNING 1",
    "WITH gone AS (DELETE FROM sessions RETURNING *) SELECT * FROM gone",
    "WITH more AS (UPDATE public.sql_askers SET sites = NULL RETURNING 1) SELECT * FROM more",
    "SELECT * FROM sessions FOR UPDATE",
    "SELECT nextval('public.erasures_number_seq')",
    "SELECT setval('public.erasures_number_seq', 1)",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'clickloom-api' OR usesysid = 10",
    "SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t(a int)",
    "LISTEN a",
    "PREPARE a AS SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "VACUUM",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "GRANT SELECT ON public.access_keys TO PUBLIC",
    "LOCK TABLE public.sessions",
    "SELECT repeat('x', 300000)",
    "SELECT 1 AS asked, repeat('x', 300000) AS big",
    "SELECT repeat('x', 2000000000)",
    "SELECT sum(1) FROM sessions WHERE site_id = 'shop' AND 1 / (events - 1) = 1",
]


@pytest.mark.parametrize("sql", ESCAPES)
async def test_what_is_more_than_a_question_is_refused(shop: AsyncClient, select: Select, sql: str) -> None:
    before = select("SELECT * FROM sql_askers WHERE sites IS NULL")
    told = problem(await ask(shop, sql), 422)
    assert "secret-bob" not in str(told)
    assert before == select("SELECT * FROM sql_askers WHERE sites IS NULL") == []
    assert len(select("SELECT 1 FROM sessions")) == 3
    assert await rows(shop, "SELECT user_id FROM sessions ORDER BY 1") == [["ann"], ["ann"]]


async def test_a_condition_that_fails_tells_nothing_of_other_sites_rows(shop: AsyncClient) -> None:
    """Tried on bob's row it would divide by nothing, or name him."""
    bob = "FROM sessions WHERE 1 / (CASE WHEN user_id LIKE 'secret%' THEN 0 ELSE 1 END) = 1"
    assert await rows(shop, f"SELECT count(*) {bob}") == [[2]]
    assert await rows(shop, "SELECT count(*) FROM sessions WHERE user_id NOT LIKE '%a%' AND user_id::int = 1") == [[0]]


async def test_settings_change_nothing_of_what_is_seen(shop: AsyncClient) -> None:
    for name, value in (("search_path", "public"), ("row_security", "off"), ("clickloom.sites", "blog")):
        changed = f"SELECT set_config('{name}', '{value}', false) AS a"
        assert await rows(shop, f"SELECT DISTINCT site_id FROM sessions, ({changed}) AS c WHERE a <> ''") == [["shop"]]
    assert await rows(shop, "SELECT current_setting('search_path'), current_user = session_user") == [["ask", True]]


async def test_others_questions_are_seen_by_nobody(shop: AsyncClient, locked: Settings, make: Make) -> None:
    key = await make("read", "blog", scopes=["admin"])
    seen = "SELECT query FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
    async with serving(locked) as blog:
        blog.headers["authorization"] = f"Bearer {key}"
        asking = asyncio.create_task(ask(blog, "SELECT 'hush', pg_sleep(2)"))
        found: list[list[Any]] = []
        while not asking.done() and not found:
            found = await rows(shop, seen)
        assert found
        assert "hush" not in str(found)
        await asking


async def test_the_schema_lists_the_views_and_no_more(shop: AsyncClient) -> None:
    found = await rows(shop, "SELECT table_name FROM information_schema.tables WHERE table_schema NOT LIKE 'pg%'")
    tables = {name for (name,) in found}
    assert set(VIEWS) <= tables
    assert "access_keys" not in tables


async def test_what_it_did_to_its_connection_is_gone_with_the_answer(
    shop: AsyncClient, database: "psycopg.Connection[Any]"
) -> None:
    await rows(
        shop, "SELECT pg_advisory_lock(7)::text, pg_notify('a', 'b')::text, set_config('work_mem', '1GB', false)"
    )

    async def free() -> bool:
        return database.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,)

    await until(free)
    assert database.execute("SELECT count(*) FROM sql_askers").fetchone() == (0,)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_sleep(60)",
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(60)",
        "SELECT g, CASE WHEN g > 200 THEN pg_sleep(60) END, set_config('statement_timeout', '0', false)"
        " FROM generate_series(1, 1000) AS g",
        "SELECT count(*) FROM generate_series(1, 1000000000000) AS g",
    ],
)
async def test_a_question_that_takes_too_long_is_stopped(
    settings: Settings, database: "psycopg.Connection[Any]", sql: str
) -> None:
    async with serving(settings.model_copy(update={"query_timeout_us": 1_000_000})) as api:
        await rows(api, "SELECT 1")
        begun = time.monotonic()
        assert "QUERY_TIMEOUT" in problem(await ask(api, sql), 503)["detail"]
        assert time.monotonic() - begun < 15
    running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'clickloom-sql' AND state = 'active'"
    assert database.execute(f"{running} AND datname = current_database()".encode()).fetchone() == (0,)


async def test_an_answer_has_an_end_in_rows_and_in_bytes(api: AsyncClient) -> None:
    answer = (await ask(api, "SELECT g FROM generate_series(1, 1000) AS g ORDER BY g DESC", limit=250)).json()
    assert answer["truncated"]
    assert [row[0] for row in answer["rows"]] == list(range(1000, 750, -1))
    exact = (await ask(api, "SELECT g FROM generate_series(1, 250) AS g", limit=250)).json()
    assert (len(exact["rows"]), exact["truncated"]) == (250, False)
    large = (await ask(api, "SELECT repeat('x', 200000) FROM generate_series(1, 1000)")).json()
    assert large["truncated"]
    assert 100 <= len(large["rows"]) <= 170


async def test_types_are_those_of_json_and_else_as_postgres_writes_them(api: AsyncClient) -> None:
    sql = """SELECT 1.50::numeric, 'NaN'::numeric, 2::bigint, 0.5::float8, true, NULL::text, DATE '2026-11-25',
        TIMESTAMPTZ '2026-11-25 12:00+01', '{"a": [1.10]}'::jsonb, INTERVAL '1 month', ARRAY[1, 2], ARRAY[1.5],
        '\\x00ff'::bytea, '10.0.0.0/8'::inet"""
    [row] = await rows(api, sql)
    assert row == [
        *("1.5", "NaN", 2, 0.5, True, None, "2026-11-25", "2026-11-25T11:00:00Z", {"a": [1.1]}, "1 mon"),
        *([1, 2], ["1.5"], "\\x00ff", "10.0.0.0/8"),
    ]


async def test_every_format_is_the_answer(api: AsyncClient) -> None:
    sql = """SELECT g AS n, 'u' || g AS u, g * 1.5 AS m, NULL::numeric AS nothing, '{"a":1}'::jsonb AS j,
        TIMESTAMPTZ '2026-11-25 12:00+00' AS at, ARRAY[g] AS l FROM generate_series(1, 2) AS g"""
    found = {}
    for form in Format:
        answer = await api.post("/v1/sql", json={"sql": sql, "limit": 1}, headers={"accept": form})
        assert answer.headers["content-type"].startswith(form), answer.text
        assert form is Format.json or answer.headers["clickloom-truncated"] == "true"
        found[form] = answer.content
    arrow = pa.ipc.open_stream(found[Format.arrow]).read_all()
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert arrow.to_pylist() == [
        {"n": 1, "u": "u1", "m": Decimal("1.5"), "nothing": None, "j": '{"a": 1}', "at": at, "l": [1]}
    ]
    assert parquet.read_table(io.BytesIO(found[Format.parquet])).to_pylist() == arrow.to_pylist()
    assert csv.read_csv(io.BytesIO(found[Format.csv])).to_pydict()["l"] == ["[1]"]
    line = b'{"n":1,"u":"u1","m":"1.5","nothing":null,"j":{"a": 1},"at":"2026-11-25T12:00:00Z","l":[1]}\n'
    assert found[Format.ndjson] == line


@pytest.mark.parametrize(
    ("sql", "told", "position"),
    [
        ("SELECT * FROM colours", 'relation "colours" does not exist', 15),
        ("SELECT colour FROM sessions", 'column "colour" does not exist', 8),
        ("SELEKT 1", "syntax error", 1),
        ("SELECT 1 / 0", "division by zero", None),
        ("SELECT 'infinity'::timestamptz", "cast it to text", None),
    ],
)
async def test_what_postgres_says_of_a_question_is_passed_on_with_its_place(
    api: AsyncClient, sql: str, told: str, position: int | None
) -> None:
    answer = problem(await ask(api, sql), 422)
    assert told in answer["errors"][0]["message"]
    assert answer.get("position") == position


async def test_columns_of_one_name_have_no_place_in_a_file(api: AsyncClient) -> None:
    answer = await api.post("/v1/sql", json={"sql": "SELECT 1 AS a, 2 AS a"}, headers={"accept": "text/csv"})
    assert "two columns are named a" in problem(answer, 422)["detail"]


async def test_who_may_make_no_role_is_told_what_to_do(settings: Settings, database: "psycopg.Connection[Any]") -> None:
    database.execute("CREATE ROLE poor LOGIN; GRANT ALL ON SCHEMA public, ask TO poor")
    try:
        database.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO poor")
        url = settings.database_url.replace("//postgres:@", "//poor:@")
        async with serving(settings.model_copy(update={"database_url": url})) as api:
            assert "CREATEROLE" in problem(await ask(api, "SELECT 1"), 501)["detail"]
    finally:
        database.execute("DROP OWNED BY poor; DROP ROLE poor")


async def test_a_role_that_may_do_more_is_refused(
    settings: Settings, api: AsyncClient, database: "psycopg.Connection[Any]"
) -> None:
    assert await rows(api, "SELECT 1") == [[1]]
    [(role,)] = await rows(api, "SELECT current_user::text")
    for more in ("CREATEROLE", "SUPERUSER"):
        database.execute(f'ALTER ROLE "{role}" {more}'.encode())
        assert "may do more than read" in problem(await ask(api, "SELECT 1"), 501)["detail"]
        database.execute(f'ALTER ROLE "{role}" NO{more}'.encode())


@pytest.mark.parametrize(
    ("body", "field"),
    [({"sql": "SELECT 1", "limit": 0}, "limit"), ({"sql": "a\0"}, "sql"), ({"sql": "SELECT 1", "colour": 1}, "colour")],
)
async def test_what_is_no_question_in_sql_is_told(api: AsyncClient, body: dict[str, Any], field: str) -> None:
    told = problem(await api.post("/v1/sql", json=body), 422)
    assert [error["field"] for error in told["errors"]] == [field]
    assert field != "colour" or "there are sql, limit" in told["detail"]


async def test_a_body_that_is_not_there_or_no_json_is_told(api: AsyncClient) -> None:
    assert problem(await api.post("/v1/sql"), 422)["errors"] == [{"field": "body", "message": "Field required"}]
    plain = await api.post("/v1/sql", content=b"SELECT 1", headers={"content-type": "application/json"})
    assert problem(plain, 422)["errors"][0]["field"] == "body"
