"""A lab of 100,000 datasets: the first page of a member's list with its total, and what one check costs.

``python -m benchmarks.catalog postgresql 1000`` measures one database and one size alone, without HTTP.
"""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from benchmarks import processes
from benchmarks.lab import Size, fill, settle
from benchmarks.rows import Row
from wk_jupyter.store import DatasetQuery, Store, StoreConfig
from wk_jupyter.store.access import Principal, owner, principal_of
from wk_jupyter.store.catalog.users import find_users

sys.path.insert(0, str(processes.ROOT / "tests"))
from postgres_server import NoPostgres
from postgres_server import running as running_postgres

SIZES = (1_000, 10_000, 100_000)
MEMBERS = 100
PAGE_SQL_MS, PAGE_SQL_P95_MS, PAGE_HTTP_MS, CHECK_MS = 5.0, 20.0, 30.0, 0.2
BRICKS_MS = 1.05  # of a processor for a batch of 32 bricks, see the README
_QUERIES = {
    "by name": DatasetQuery(limit=50),
    "newest": DatasetQuery(limit=50, order="created", descending=True),
    "usable, of a tag": DatasetQuery(limit=50, is_active=True, tags=("tag 3",)),
    "searched for two words": DatasetQuery(limit=50, search="retina 12"),
}


def run() -> list[Row]:
    return _on_sqlite() + _on_postgresql() + _over_http()


def _on_sqlite(sizes: Sequence[int] = SIZES) -> list[Row]:
    return _on("SQLite", lambda home: f"sqlite:///{home}/catalog.sqlite", sizes)


def _on_postgresql(sizes: Sequence[int] = SIZES) -> list[Row]:
    try:
        with running_postgres(fsync="on") as server:
            return _on("PostgreSQL", lambda _: server.url(), sizes)
    except NoPostgres as missing:
        print(f"PostgreSQL is left out: {missing}")
        return []


def _on(database: str, url: Callable[[str], str], sizes: Sequence[int]) -> list[Row]:
    rows: list[Row] = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as home, _lab(home, url(home), count) as (store, members):
            for name, query in _QUERIES.items():
                sql, whole, totals = _pages(store, members, query)
                admin, _, _ = _pages(store, [_admin(store)] * 20, query)
                print(
                    f"{database}, {count:>7,} datasets, {name:<24} SQL {median(sql):6.2f} ms, p95 "
                    f"{_p95(sql):6.2f}; with Python {median(whole):6.2f}; of {median(totals):,.0f} visible; "
                    f"admin's SQL {median(admin):6.2f}"
                )
                if count == SIZES[-1] and name == "by name":
                    title = f"member's first page of 100,000, SQL, {database}"
                    rows.append(_at_most(f"{title}: median / 5 ms", median(sql), PAGE_SQL_MS))
                    rows.append(_at_most(f"{title}: p95 / 20 ms", _p95(sql), PAGE_SQL_P95_MS))
            if count == SIZES[-1]:
                rows += _checks(database, store, members)
    return rows


def _checks(database: str, store: Store, members: list[Principal]) -> list[Row]:
    """One dataset for one principal: asked of the database, and of memory as on the way of bricks."""
    ids = [record.id for record in store.list_datasets(owner("ada"), DatasetQuery(limit=400)).records]
    fresh, known = [], []
    for number, dataset_id in enumerate(ids):
        principal = members[number % len(members)]
        started = time.perf_counter()
        with contextlib.suppress(Exception):
            store.dataset(principal, dataset_id)
        asked = time.perf_counter()
        with contextlib.suppress(Exception):
            store.cached_dataset(principal, dataset_id)
        fresh.append((asked - started) * 1000)
        known.append((time.perf_counter() - asked) * 1000)
    record = store.list_datasets(owner("ada"), DatasetQuery(limit=1)).records[0]
    record_checks = _timed(lambda: store.may_edit(members[0], record))
    print(f"{database}, one dataset read with its teams, and checked: {median(fresh):.2f} ms")
    rows = [_at_most(f"a permission check, {database} / 0.2 ms", record_checks, CHECK_MS)]
    if database == "SQLite":
        _, token = store.tokens.create(_admin(store), "bench", user_id=members[0].user_id)
        store.authentication.of_token(token)
        who = _timed(lambda: store.authentication.of_token(token))
        title = "who asks, and may she: share of a batch of 32 bricks / 5 %"
        rows.append(_at_most(title, 100 * (who + median(known)) / BRICKS_MS, 5, "%"))
    return rows


def _over_http() -> list[Row]:
    with tempfile.TemporaryDirectory() as home, processes.jupyter(Path(home)) as server:
        while json.loads(processes.fetch(f"{server.url}/wk/api/health")).get("scanning"):
            time.sleep(0.05)
        processes.fetch(f"{server.url}/wk/api/datasets/refresh", method="POST")
        # Now, as a scan would find that none of these is there.
        with _lab(home, f"sqlite:///{home}/wk_jupyter.sqlite", SIZES[-1]) as (store, members):
            tokens = [
                store.tokens.create(_admin(store), "bench", user_id=member.user_id)[1]
                for member in members[:20]
            ]
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        taken = []
        for token in tokens * 6:
            started = time.perf_counter()
            path = "/wk/api/v16/datasets?limit=50&includeTotalCount=true&isActive=true"
            connection.request("GET", path, headers={"X-Auth-Token": token})
            reply = connection.getresponse()
            entries = json.loads(reply.read())
            taken.append((time.perf_counter() - started) * 1000)
            assert reply.status == 200
            assert entries
            assert int(reply.headers["X-Total-Count"]) >= len(entries)
        return [
            _at_most("member's first page of 100,000 over HTTP / 30 ms", median(taken[20:]), PAGE_HTTP_MS)
        ]


@contextlib.contextmanager
def _lab(home: str, url: str, count: int) -> Iterator[tuple[Store, list[Principal]]]:
    store = Store(StoreConfig(Path(home), "bench", database_url=url))
    engine = store.context.engine
    fill(engine, "bench", Size(count))
    settle(engine)
    with engine.connect() as connection:
        users = find_users(connection, sa.true())
    members = [principal_of(user) for user in users if not user.is_admin]
    yield store, members[:MEMBERS]
    store.close()


def _pages(
    store: Store, principals: list[Principal], query: DatasetQuery
) -> tuple[list[float], list[float], list[int]]:
    """Times in ms of the statements alone, by the driver itself, and of the page with Python's part."""
    engine = store.context.engine
    asked: list[tuple[str, Any]] = []

    def remember(_connection, _cursor, statement, parameters, _context, _many) -> None:
        asked.append((statement, parameters))

    whole, totals, sql = [], [], []
    for principal in principals[:3] + principals:
        started = time.perf_counter()
        totals.append(store.list_datasets(principal, query).total)
        whole.append((time.perf_counter() - started) * 1000)
        asked.clear()
        sa.event.listen(engine, "before_cursor_execute", remember)
        store.list_datasets(principal, query)
        sa.event.remove(engine, "before_cursor_execute", remember)
        connection = engine.raw_connection()
        cursor = connection.cursor()
        started = time.perf_counter()
        for statement, parameters in asked:
            cursor.execute(statement, parameters)
            cursor.fetchall()
        sql.append((time.perf_counter() - started) * 1000)
        connection.close()
    return sql[3:], whole[3:], totals[3:]


def _admin(store: Store) -> Principal:
    return principal_of(store.owner)


def _timed(function: Callable[[], object], times: int = 2000) -> float:
    gc.disable()
    started = time.perf_counter()
    for _ in range(times):
        function()
    taken = (time.perf_counter() - started) * 1000 / times
    gc.enable()
    return taken


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def _at_most(name: str, ours: float, limit: float, unit: str = "ms") -> Row:
    return Row(name, ours, limit, 1, unit, at_most=True)


if __name__ == "__main__":
    _, database, *sizes = sys.argv
    {"sqlite": _on_sqlite, "postgresql": _on_postgresql}[database]([int(size) for size in sizes] or SIZES)
