"""Datasets in the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from wk_jupyter.store.catalog.database import new_id, now_ms
from wk_jupyter.store.catalog.tables import datasets, folders, organizations
from wk_jupyter.store.records import DatasetPage, DatasetQuery, DatasetRecord, FolderRecord

_ROOT_NAME: Final = "Datasets"
_COLUMNS: Final = [column for column in datasets.c if column.name not in ("properties", "organization_id")]


class DatasetRepository:
    """Reads and writes rows of one organization's datasets. Thread-safe."""

    def __init__(self, engine: sa.Engine, organization: str) -> None:
        self._engine = engine
        self.organization = organization
        self.organization_id, self.root_folder = self._ensure_organization()

    def page(self, condition: ColumnElement[bool], query: DatasetQuery) -> DatasetPage:
        """Return a page of the datasets that meet ``condition`` and the query, by name."""
        where = sa.and_(self._own(), condition, *self._filters(query))
        rows = (
            sa.select(*_COLUMNS, sa.func.count().over().label("total"))
            .where(where)
            .order_by(sa.func.lower(datasets.c.name), datasets.c.id)
            .offset(query.offset)
            .limit(query.limit)
        )
        with self._engine.connect() as connection:
            found = connection.execute(rows).mappings().all()
            # Beyond the last page the window function has no row to stand in.
            total = found[0]["total"] if found else self._count(connection, where) if query.offset else 0
        return DatasetPage([self._record(row) for row in found], total)

    def find(self, condition: ColumnElement[bool]) -> DatasetRecord | None:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(*_COLUMNS).where(self._own(), condition)).mappings().first()
        return None if row is None else self._record(row)

    def properties(self, dataset_id: str) -> bytes | None:
        """Return the JSON of a dataset's properties."""
        with self._engine.connect() as connection:
            found: bytes | None = connection.execute(
                sa.select(datasets.c.properties).where(datasets.c.id == dataset_id)
            ).scalar()
            return found

    def disk_keys(self) -> dict[str, tuple[str, str, str]]:
        """Return (id, disk key, status) of every dataset by its folder's name."""
        columns = (datasets.c.directory_name, datasets.c.id, datasets.c.disk_key, datasets.c.status)
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).where(self._own()))
            return {name: (found, key, status) for name, found, key, status in rows}

    def write_scan(
        self,
        added: Sequence[Mapping[str, Any]],
        changed: Sequence[Mapping[str, Any]],
        missing: Iterable[str],
        reason: str,
    ) -> None:
        """Write what a scan found, all at once or not at all."""
        fixed = {
            "organization_id": self.organization_id,
            "folder_id": self.root_folder.id,
            "tags": [],
            "metadata": [],
            "is_public": False,
            "created": now_ms(),
        }
        with self._engine.begin() as connection:
            if added:
                rows = [{**fixed, "id": new_id(), "name": row["directory_name"], **row} for row in added]
                connection.execute(sa.insert(datasets), rows)
            for row in changed:
                values = {key: value for key, value in row.items() if key != "directory_name"}
                at = datasets.c.directory_name == row["directory_name"]
                connection.execute(sa.update(datasets).where(self._own(), at).values(values))
            gone = [{"gone": dataset_id} for dataset_id in missing]
            if gone:
                connection.execute(
                    sa.update(datasets)
                    .where(datasets.c.id == sa.bindparam("gone"))
                    .values(status="missing", status_reason=reason, disk_key=""),
                    gone,
                )

    def _own(self) -> ColumnElement[bool]:
        return datasets.c.organization_id == self.organization_id

    def _filters(self, query: DatasetQuery) -> list[ColumnElement[bool]]:
        filters: list[ColumnElement[bool]] = []
        if query.organization is not None and query.organization != self.organization:
            filters.append(sa.false())
        if query.is_active is not None:
            is_active = datasets.c.status == "active"
            filters.append(is_active if query.is_active else sa.not_(is_active))
        if query.folder_id is not None:
            filters.append(datasets.c.folder_id == query.folder_id)
        searched = (
            datasets.c.name,
            datasets.c.directory_name,
            datasets.c.description,
            sa.cast(datasets.c.tags, sa.Text),
            sa.cast(datasets.c.layers, sa.Text),
        )
        filters += [
            sa.or_(*(column.icontains(piece, autoescape=True) for column in searched))
            for piece in query.search.split()
        ]
        return filters

    def _count(self, connection: sa.Connection, where: ColumnElement[bool]) -> int:
        return connection.execute(sa.select(sa.func.count()).select_from(datasets).where(where)).scalar_one()

    def _record(self, row: sa.RowMapping) -> DatasetRecord:
        values = {column.name: row[column.name] for column in _COLUMNS}
        values.update(
            organization=self.organization,
            tags=tuple(row["tags"]),
            metadata=tuple(row["metadata"]),
            warnings=tuple(row["warnings"]),
            layers=tuple((name, category) for name, category in row["layers"]),
        )
        return DatasetRecord(**values)

    def _ensure_organization(self) -> tuple[str, FolderRecord]:
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            found = connection.execute(
                sa.select(organizations.c.id).where(organizations.c.name == self.organization)
            ).scalar()
            if found is None:
                found = new_id()
                row = {"id": found, "name": self.organization, "created": now_ms()}
                connection.execute(sa.insert(organizations).values(row))
                root = {"id": new_id(), "organization_id": found, "name": _ROOT_NAME}
                connection.execute(sa.insert(folders).values(root))
            top = connection.execute(
                sa.select(folders.c.id, folders.c.name).where(
                    folders.c.organization_id == found, folders.c.parent_id.is_(None)
                )
            ).one()
        return found, FolderRecord(top.id, top.name)
