"""Datasets read from the catalog: one, or a page of a list, with the teams that may see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from wk_jupyter.errors import InvalidInput
from wk_jupyter.store.catalog.grants import dataset_grants, subtree
from wk_jupyter.store.catalog.tables import dataset_tags, dataset_teams, datasets, folders, organizations
from wk_jupyter.store.catalog.text import fold
from wk_jupyter.store.records import DatasetPage, DatasetQuery, DatasetRecord

_HIDDEN: Final = {"properties", "sort_name", "search_text", "layer_text", "element_classes"}
_SHOWN: Final = [
    *(column for column in datasets.c if column.name not in _HIDDEN),
    organizations.c.name.label("organization"),
]
_NAMES: Final = [column.name for column in _SHOWN]
_WITH_ORGANIZATION: Final = datasets.join(organizations, organizations.c.id == datasets.c.organization_id)
_ORDERS: Final[dict[str, list[sa.Column[Any]]]] = {
    "name": [datasets.c.sort_name],
    "created": [datasets.c.created, datasets.c.sort_name],
}
_MAX_WORDS: Final = 50
_MAX_SEARCH: Final = 1000


class DatasetReader:
    """Reads datasets of all organizations. Thread-safe."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def page(self, condition: ColumnElement[bool], query: DatasetQuery) -> DatasetPage:
        """Return a page of the datasets that meet ``condition`` and the query. Raises InvalidInput."""
        where = sa.and_(condition, *_filters(query))
        total = sa.select(sa.func.count()).select_from(_WITH_ORGANIZATION).where(where)
        order = [*_ORDERS[query.order], datasets.c.id]
        rows = (
            sa.select(*_SHOWN, total.scalar_subquery())
            .select_from(_WITH_ORGANIZATION)
            .where(where)
            .order_by(*(column.desc() if query.descending else column for column in order))
            .offset(query.offset or None)
            .limit(query.limit)
        )
        with self._engine.connect() as connection:
            found = connection.execute(rows).all()
            # A page without rows has none that could tell the total.
            count = found[0][-1] if found else connection.execute(total).scalar_one()
            return DatasetPage(_records(connection, found), count)

    def find(self, condition: ColumnElement[bool]) -> DatasetRecord | None:
        with self._engine.connect() as connection:
            return find_dataset(connection, condition)


def find_dataset(connection: sa.Connection, condition: ColumnElement[bool]) -> DatasetRecord | None:
    """Return the dataset that meets the condition, read in a transaction that is open."""
    row = connection.execute(sa.select(*_SHOWN).select_from(_WITH_ORGANIZATION).where(condition)).first()
    return None if row is None else _records(connection, [row])[0]


def _filters(query: DatasetQuery) -> list[ColumnElement[bool]]:
    columns = datasets.c
    filters = [*_words(query.search)]
    if query.organization is not None:
        wanted = sa.select(organizations.c.id).where(organizations.c.name == query.organization)
        filters.append(columns.organization_id == wanted.scalar_subquery())
    if query.is_active is not None:
        is_active = columns.status == "active"
        filters.append(is_active if query.is_active else sa.not_(is_active))
    if query.folder_id is not None and query.include_subfolders:
        filters.append(
            columns.folder_id.in_(sa.select(subtree(folders.c.id == query.folder_id, "wanted").c.id))
        )
    elif query.folder_id is not None:
        filters.append(columns.folder_id == query.folder_id)
    filters += [
        columns.id.in_(sa.select(dataset_tags.c.dataset_id).where(dataset_tags.c.tag == tag))
        for tag in query.tags
    ]
    if query.team_id is not None:
        allowed = sa.select(dataset_teams.c.dataset_id).where(dataset_teams.c.team_id == query.team_id)
        filters.append(columns.id.in_(allowed))
    if query.owner_id is not None:
        filters.append(columns.owner_id == query.owner_id)
    if query.element_class is not None:
        filters.append(columns.element_classes.contains(f" {query.element_class} ", autoescape=True))
    ranges = (
        (columns.created, query.created_from, query.created_to),
        (columns.used_storage_bytes, query.bytes_from, query.bytes_to),
    )
    for column, least, most in ranges:
        filters += [column >= least] if least is not None else []
        filters += [column <= most] if most is not None else []
    return filters


def _words(search: str) -> list[ColumnElement[bool]]:
    words = fold(search.replace("\0", " ")).split()
    if len(words) > _MAX_WORDS or len(search) > _MAX_SEARCH:
        raise InvalidInput(
            f"search: it has {len(words)} words and {len(search)} characters; "
            f"at most {_MAX_WORDS} and {_MAX_SEARCH} are looked for."
        )
    searched = (datasets.c.search_text, datasets.c.layer_text)
    return [sa.or_(*(column.contains(word, autoescape=True) for column in searched)) for word in words]


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
