"""Datasets read from the catalog: one, or a page of a list, with the teams that may see them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.visitors import InternalTraversal

from wk_jupyter.store.catalog.filters import are_indexed, filters, of_tags
from wk_jupyter.store.catalog.grants import dataset_grants
from wk_jupyter.store.catalog.tables import dataset_uses, datasets, organizations, teams
from wk_jupyter.store.records import DatasetPage, DatasetQuery, DatasetRecord, TeamRecord

_HIDDEN: Final = {"properties", "sort_name", "search_text", "layer_text", "element_classes"}
_SHOWN: Final = [
    *(column for column in datasets.c if column.name not in _HIDDEN),
    organizations.c.name.label("organization"),
]
_NAMES: Final = [column.name for column in _SHOWN]
_WITH_ORGANIZATION: Final = datasets.join(organizations, organizations.c.id == datasets.c.organization_id)
_TEAMS: Final = sa.select(teams, organizations.c.name.label("organization")).join(
    organizations, organizations.c.id == teams.c.organization_id
)
_SIZE_SECONDS: Final = 60.0
_IDS_AT_ONCE: Final = 500  # databases have limits
_FEW_PARTS: Final = 2


class Unindexed(ColumnElement[Any]):
    """A column by which SQLite's planner shall not look rows up: it thinks too highly of some indexes.

    Other databases have statistics by themselves and are told nothing.
    """

    inherit_cache = True
    _traverse_internals = [("column", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - read by SQLAlchemy

    def __init__(self, column: sa.Column[Any]) -> None:
        self.column = column
        self.type = column.type


@compiles(Unindexed)
def _plain(element: Unindexed, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.column, **options))


@compiles(Unindexed, "sqlite")
def _with_plus(element: Unindexed, compiler: Any, **options: Any) -> str:
    return f"+{compiler.process(element.column, **options)}"


@dataclass(frozen=True, eq=False)
class Listed:
    """Datasets of a list: as the ``test`` of one row, and as ``parts`` that have no row in common.

    Each part has an index of its own: together they are found without looking at other datasets.
    """

    test: ColumnElement[bool]
    parts: tuple[ColumnElement[bool], ...]


class _Statements(NamedTuple):
    """Ways to a page. ``walk``: all datasets in their order, until it is full; ``gather``: all that match,
    put in order; ``once``: the same, and counted at the same time, where rows have to be read."""

    total: sa.Select[Any]
    walk: sa.Select[Any] | None = None
    gather: sa.Select[Any] | None = None
    once: sa.Select[Any] | None = None


class DatasetReader:
    """Reads datasets of all organizations. Thread-safe."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._size = (0.0, 0)  # until when it holds, and how many datasets there are, about

    def page(
        self,
        listed: Listed,
        query: DatasetQuery,
        values: Mapping[str, Any] | None = None,
        user_id: str | None = None,
    ) -> DatasetPage:
        """Return a page of the datasets that are listed and meet the query. Raises InvalidInput.

        ``values`` are those of parameters in ``listed``. ``user_id``: whose last use the order is about.
        """
        # To make a statement takes longer than to run it: it is kept where others will ask the same.
        make = _statements.__wrapped__ if query.trashed else _statements
        count, walk, gather, once = make(listed, query)
        given = {**(values or {}), **({"used_by": user_id} if query.order == "lastUsed" else {})}
        with self._engine.connect() as connection:
            if once is not None:
                rows = connection.execute(once, given).all()
                # A page without rows has none that could tell the total.
                total = rows[0][-1] if rows else connection.execute(count, given).scalar_one()
            else:
                total = connection.execute(count, given).scalar_one()
                is_walk = _is_shorter_walk(query, total, self._about_how_many(connection))
                statement = walk if is_walk else gather
                assert statement is not None
                rows = connection.execute(statement, given).all() if total else []
            return DatasetPage(_records(connection, rows), total)

    def find(self, condition: ColumnElement[bool]) -> DatasetRecord | None:
        with self._engine.connect() as connection:
            return find_dataset(connection, condition)

    def last_used(self, user_id: str, dataset_ids: Sequence[str]) -> dict[str, int]:
        """Return when a user used datasets last, in ms since 1970, of those that she has used."""
        columns = dataset_uses.c
        found: dict[str, int] = {}
        with self._engine.connect() as connection:
            for start in range(0, len(dataset_ids), _IDS_AT_ONCE):
                ids = dataset_ids[start : start + _IDS_AT_ONCE]
                rows = sa.select(columns.dataset_id, columns.last_used).where(
                    columns.user_id == user_id, columns.dataset_id.in_(ids), columns.last_used.is_not(None)
                )
                found |= {dataset_id: last_used for dataset_id, last_used in connection.execute(rows)}  # noqa: C416 - rows, not pairs
        return found

    def teams(self, team_ids: Iterable[str]) -> dict[str, TeamRecord]:
        """Return teams by their ids."""
        found: dict[str, TeamRecord] = {}
        wanted = sorted(team_ids)
        with self._engine.connect() as connection:
            for start in range(0, len(wanted), _IDS_AT_ONCE):
                ids = wanted[start : start + _IDS_AT_ONCE]
                for row in connection.execute(_TEAMS.where(teams.c.id.in_(ids))).mappings():
                    found[row["id"]] = TeamRecord(**row)
        return found

    def _about_how_many(self, connection: sa.Connection) -> int:
        holds_until, size = self._size
        if holds_until < time.monotonic():
            size = connection.execute(sa.select(sa.func.count()).select_from(datasets)).scalar_one()
            self._size = (time.monotonic() + _SIZE_SECONDS, size)
        return size


def find_dataset(connection: sa.Connection, condition: ColumnElement[bool]) -> DatasetRecord | None:
    """Return the dataset that meets the condition, read in a transaction that is open."""
    found = find_datasets(connection, condition)
    return found[0] if found else None


def find_datasets(connection: sa.Connection, condition: ColumnElement[bool]) -> list[DatasetRecord]:
    """Return all datasets that meet the condition, read in a transaction that is open."""
    rows = connection.execute(sa.select(*_SHOWN).select_from(_WITH_ORGANIZATION).where(condition)).all()
    return _records(connection, rows)


@lru_cache(maxsize=256)
def _statements(listed: Listed, query: DatasetQuery) -> _Statements:
    where, keys = filters(query), _keys(query)
    if are_indexed(query):
        ways = [
            _shown(_page(_matching(parts, where, keys).subquery("matching"), query), query)
            for parts in ((listed.test,), listed.parts)
        ]
        return _Statements(_count(listed.parts, where), *ways)
    if len(listed.parts) > _FEW_PARTS:  # a member's, which are small: tags are looked for among them
        seen = _matching(listed.parts, where, keys).cte("seen").prefix_with("MATERIALIZED")
        matching = sa.select(*seen.c).where(*of_tags(query, list(seen.c)[-1])).cte("matching")
    else:
        matching = _matching(listed.parts, [*where, *of_tags(query, datasets.c.id)], keys).cte("matching")
    total = sa.select(sa.func.count()).select_from(matching)
    return _Statements(total, once=_shown(_page(matching, query, total), query))


def _keys(query: DatasetQuery) -> list[ColumnElement[Any]]:
    """What a list is ordered by, the id after it. Each begins an index, for which ``trashed`` is there."""
    columns = datasets.c
    if query.order == "lastUsed":
        used = sa.select(dataset_uses.c.last_used).where(
            dataset_uses.c.user_id == sa.bindparam("used_by", type_=columns.id.type),
            dataset_uses.c.dataset_id == columns.id,
        )
        return [sa.func.coalesce(used.scalar_subquery(), 0), columns.id]
    key = columns.created if query.order == "created" else columns.sort_name
    return [key, columns.id] if query.trashed else [columns.trashed, key, columns.id]


def _matching(
    parts: Sequence[ColumnElement[bool]], where: Sequence[ColumnElement[bool]], keys: Sequence[Any]
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    columns = [key.label(f"key{number}") for number, key in enumerate(keys)]
    selects = [sa.select(*columns).where(part, *where) for part in parts]
    return selects[0] if len(selects) == 1 else sa.union_all(*selects)


def _count(parts: Iterable[ColumnElement[bool]], where: Sequence[ColumnElement[bool]]) -> sa.Select[Any]:
    """The parts have nothing in common: what they hold is added up."""
    counts = [
        sa.select(sa.func.count()).select_from(datasets).where(part, *where).scalar_subquery()
        for part in parts
    ]
    total: Any = counts[0]
    for count in counts[1:]:
        total += count
    return sa.select(total)


def _page(
    matching: sa.FromClause, query: DatasetQuery, total: sa.Select[Any] | None = None
) -> sa.Select[Any]:
    more = [] if total is None else [total.scalar_subquery().label("total")]
    order = [column.desc() if query.descending else column for column in matching.c]
    return sa.select(*matching.c, *more).order_by(*order).offset(query.offset or None).limit(query.limit)


def _shown(page: sa.Select[Any], query: DatasetQuery) -> sa.Select[Any]:
    """All columns, read for the page's few rows alone."""
    few = page.subquery("page")
    keys = [column for column in few.c if column.name != "total"]
    totals = [column for column in few.c if column.name == "total"]
    return (
        sa.select(*_SHOWN, *totals)
        .select_from(few.join(_WITH_ORGANIZATION, datasets.c.id == keys[-1]))
        .order_by(*(column.desc() if query.descending else column for column in keys))
    )


def _is_shorter_walk(query: DatasetQuery, total: int, size: int) -> bool:
    """Whether to go through all datasets in their order and stop when the page is full.

    That looks at about ``page * size / total`` datasets; to sort all that match, at ``total``.
    """
    if query.limit is None:
        return total * 2 > size
    return total * total > (query.offset + query.limit) * size


def _records(connection: sa.Connection, rows: Sequence[Sequence[Any]]) -> list[DatasetRecord]:
    found = [dict(zip(_NAMES, row, strict=False)) for row in rows]  # a page's rows end with the total
    grants = dataset_grants(connection, {values["id"]: values["folder_id"] for values in found})
    for values in found:
        own, cumulative = grants[values["id"]]
        values |= {"team_ids": own, "cumulative_team_ids": cumulative}
        if values["sorting_key"] is None:
            values["sorting_key"] = values["created"]
        for name in ("tags", "metadata", "warnings"):
            values[name] = tuple(values[name])
        values["layers"] = tuple([(name, category) for name, category in values["layers"]])
    return [DatasetRecord(**values) for values in found]
