"""Datasets in the catalog."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ColumnElement

from wk_jupyter.errors import InvalidInput
from wk_jupyter.store.catalog.database import now_ms
from wk_jupyter.store.catalog.tables import SORT_LENGTH, datasets
from wk_jupyter.store.catalog.text import fold, searchable
from wk_jupyter.store.records import (
    MISSING_REASON,
    DatasetPage,
    DatasetQuery,
    DatasetRecord,
    FolderFinding,
    OrganizationRecord,
)

_SHOWN: Final = [
    column
    for column in datasets.c
    if column.name not in {"organization_id", "properties", "sort_name", "search_text", "layer_text"}
]
_NAMES: Final = [column.name for column in _SHOWN]
_ORDERS: Final[dict[str, list[sa.Column[Any]]]] = {
    "name": [datasets.c.sort_name],
    "created": [datasets.c.created, datasets.c.sort_name],
}
_MAX_WORDS: Final = 50
_MAX_SEARCH: Final = 1000
_NAMES_AT_ONCE: Final = 500  # of a list in a statement; databases have limits


class Known(NamedTuple):
    """What the catalog says of folders, by their names, for the scan to compare.

    ``active``: the disk key. ``others``: disk key, status and its reason.
    """

    active: dict[str, str]
    others: dict[str, tuple[str, str, str]]


class DatasetRepository:
    """Reads and writes rows of one organization's datasets. Thread-safe."""

    def __init__(self, engine: sa.Engine, organization: OrganizationRecord) -> None:
        self._engine = engine
        self._organization = organization
        self._own = datasets.c.organization_id == organization.id

    def page(self, condition: ColumnElement[bool], query: DatasetQuery) -> DatasetPage:
        """Return a page of the datasets that meet ``condition`` and the query. Raises InvalidInput."""
        where = sa.and_(self._own, condition, *self._filters(query))
        total = sa.select(sa.func.count()).select_from(datasets).where(where)
        order = [*_ORDERS[query.order], datasets.c.id]
        rows = (
            sa.select(*_SHOWN, total.scalar_subquery())
            .where(where)
            .order_by(*(column.desc() if query.descending else column for column in order))
            .offset(query.offset or None)
            .limit(query.limit)
        )
        with self._engine.connect() as connection:
            found = connection.execute(rows).all()
            # A page without rows has none that could tell the total.
            count = found[0][-1] if found else connection.execute(total).scalar_one()
        return DatasetPage([self._record(row) for row in found], count)

    def find(self, condition: ColumnElement[bool]) -> DatasetRecord | None:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(*_SHOWN).where(self._own, condition)).first()
        return None if row is None else self._record(row)

    def properties(self, dataset_id: str) -> bytes | None:
        """Return the JSON of a dataset that was recognised without a properties file."""
        wanted = sa.select(datasets.c.properties).where(self._own, datasets.c.id == dataset_id)
        with self._engine.connect() as connection:
            found: bytes | None = connection.execute(wanted).scalar()
            return found

    def known(self) -> Known:
        """Return what the scan compares folders with."""
        columns = datasets.c
        is_active = columns.status == "active"
        active = sa.select(columns.directory_name, columns.disk_key).where(self._own, is_active)
        others = sa.select(
            columns.directory_name, columns.disk_key, columns.status, columns.status_reason
        ).where(self._own, sa.not_(is_active))
        with self._engine.connect() as connection:
            return Known(
                {name: key for name, key in connection.execute(active).all()},  # noqa: C416 - rows, not pairs
                {name: (key, status, reason) for name, key, status, reason in connection.execute(others)},
            )

    def write_scan(
        self, added: Sequence[FolderFinding], changed: Sequence[FolderFinding], missing: Sequence[str]
    ) -> tuple[str, ...]:
        """Write what a scan found, all at once or not at all. Returns the ids of what changed or went."""
        with self._engine.begin() as connection:
            self._insert(connection, added)
            if changed:
                connection.execute(
                    sa.update(datasets).where(self._own, datasets.c.directory_name == sa.bindparam("folder")),
                    [{"folder": finding.directory_name, **_decided(finding)} for finding in changed],
                )
            if missing:
                connection.execute(
                    sa.update(datasets)
                    .where(self._own, datasets.c.directory_name == sa.bindparam("folder"))
                    .values(status="missing", status_reason=MISSING_REASON, disk_key=""),
                    [{"folder": name} for name in missing],
                )
            names = [*(finding.directory_name for finding in changed), *missing]
            return tuple(
                dataset_id
                for start in range(0, len(names), _NAMES_AT_ONCE)
                for dataset_id in connection.scalars(
                    sa.select(datasets.c.id).where(
                        self._own, datasets.c.directory_name.in_(names[start : start + _NAMES_AT_ONCE])
                    )
                )
            )

    def _insert(self, connection: sa.Connection, added: Sequence[FolderFinding]) -> None:
        """Insert new datasets, but for those that another process has just found as well."""
        plain, rest = [], []
        now = now_ms()
        for finding, dataset_id in zip(added, _new_ids(len(added)), strict=True):
            name = finding.directory_name
            row = {
                "id": dataset_id,
                "organization_id": self._organization.id,
                "folder_id": self._organization.root_folder.id,
                "directory_name": name,
                "name": name,
                "created": now,
                "sort_name": fold(name)[:SORT_LENGTH],
                "search_text": searchable([name]),
            }
            if finding.status_reason or finding.warnings or finding.properties is not None:
                rest.append(row | _decided(finding))
            else:  # nearly all: columns that have their default cost more than half as much again
                row.update(
                    disk_key=finding.disk_key,
                    status=finding.status,
                    layers=finding.layers,
                    layer_text=_layer_text(finding.layers),
                )
                plain.append(row)
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        for rows in (plain, rest):
            if rows:
                connection.execute(insert(datasets).on_conflict_do_nothing(), rows)

    def _filters(self, query: DatasetQuery) -> list[ColumnElement[bool]]:
        filters: list[ColumnElement[bool]] = []
        if query.organization is not None and query.organization != self._organization.name:
            filters.append(sa.false())
        if query.is_active is not None:
            is_active = datasets.c.status == "active"
            filters.append(is_active if query.is_active else sa.not_(is_active))
        if query.folder_id is not None:
            filters.append(datasets.c.folder_id == query.folder_id)
        words = fold(query.search.replace("\0", " ")).split()
        if len(words) > _MAX_WORDS or len(query.search) > _MAX_SEARCH:
            raise InvalidInput(
                f"search: it has {len(words)} words and {len(query.search)} characters; "
                f"at most {_MAX_WORDS} and {_MAX_SEARCH} are looked for."
            )
        searched = (datasets.c.search_text, datasets.c.layer_text)
        return filters + [
            sa.or_(*(column.contains(word, autoescape=True) for column in searched)) for word in words
        ]

    def _record(self, row: Sequence[Any]) -> DatasetRecord:
        values = dict(zip(_NAMES, row, strict=False))  # a page's rows end with the total
        if values["sorting_key"] is None:
            values["sorting_key"] = values["created"]
        for name in ("tags", "metadata", "warnings"):
            values[name] = tuple(values[name])
        values["layers"] = tuple([(name, category) for name, category in values["layers"]])
        return DatasetRecord(organization=self._organization.name, **values)


def _decided(finding: FolderFinding) -> dict[str, Any]:
    """Return all columns that a folder decides."""
    values = finding._asdict()
    del values["directory_name"]
    return {**values, "layer_text": _layer_text(finding.layers)}


@lru_cache(maxsize=256)  # most datasets of a lab have layers of the same few names
def _layer_text(layers: tuple[tuple[str, str], ...]) -> str:
    return searchable(name for name, _ in layers)


def _new_ids(count: int) -> list[str]:
    """Return fresh ids as ``new_id`` makes them, in ascending order: an index grows fastest at its end."""
    begin = f"{int(time.time()):08x}"
    digits = secrets.token_hex(8 * count)
    return sorted(begin + digits[start : start + 16] for start in range(0, 16 * count, 16))
