"""Datasets as the scan of the disk writes them into the catalog."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from wk_jupyter.store.catalog.database import now_ms
from wk_jupyter.store.catalog.organizations import all_organizations
from wk_jupyter.store.catalog.tables import SORT_LENGTH, datasets
from wk_jupyter.store.catalog.text import fold, searchable
from wk_jupyter.store.changes import Changes, Kind
from wk_jupyter.store.records import MISSING_REASON, FolderFinding, OrganizationRecord

_NEW: Final = (
    "id", "organization_id", "folder_id", "directory_name", "name", "created", "sort_name", "search_text",
)  # fmt: skip
_NAMES_AT_ONCE: Final = 500  # of a list in a statement; databases have limits
_NOTED: Final = 100  # changes of one scan that are noted one by one


class Known(NamedTuple):
    """What the catalog says of folders, by their names, for the scan to compare.

    ``active``: the disk key. ``others``: disk key, status and its reason.
    """

    active: dict[str, str]
    others: dict[str, tuple[str, str, str]]


class DatasetRepository:
    """What the scan reads and writes of one organization's datasets, but for the trash. Thread-safe."""

    def __init__(self, engine: sa.Engine, organization: OrganizationRecord, changes: Changes) -> None:
        self._engine = engine
        self._organization = organization
        self._changes = changes
        self._own = sa.and_(
            datasets.c.organization_id == organization.id,
            datasets.c.trashed.is_(None),
            datasets.c.directory_name.not_like(".%"),  # what is being imported has no folder yet
        )

    def properties(self, dataset_id: str) -> bytes | None:
        """Return the JSON of a dataset that was recognised without a properties file."""
        wanted = sa.select(datasets.c.properties).where(self._own, datasets.c.id == dataset_id)
        with self._engine.connect() as connection:
            found: bytes | None = connection.execute(wanted).scalar()
            return found

    def organizations(self) -> frozenset[str]:
        """Return the names of all organizations, which are those of their folders."""
        return frozenset(each.name for each in all_organizations(self._engine))

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
        if not (added or changed or missing):
            return ()
        with self._changes.writing() as writer:
            connection = writer.connection
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
            touched = self._ids(connection, [*(finding.directory_name for finding in changed), *missing])
            news: list[tuple[Kind, list[str]]] = [
                ("added", self._ids(connection, [finding.directory_name for finding in added[:_NOTED]])),
                ("changed", touched),
            ]
            for kind, ids in news:
                # A lab's first scan finds thousands: that is one piece of news.
                for subject in ids if len(ids) < _NOTED else [None]:
                    writer.note("dataset", kind, subject, self._organization.id)
            return tuple(touched)

    def _ids(self, connection: sa.Connection, names: Sequence[str]) -> list[str]:
        return [
            dataset_id
            for start in range(0, len(names), _NAMES_AT_ONCE)
            for dataset_id in connection.scalars(
                sa.select(datasets.c.id).where(
                    self._own, datasets.c.directory_name.in_(names[start : start + _NAMES_AT_ONCE])
                )
            )
        ]

    def _insert(self, connection: sa.Connection, added: Sequence[FolderFinding]) -> None:
        """Insert new datasets, but for those that another process has just found as well."""
        plain, rest = [], []
        now, own, root = now_ms(), self._organization.id, self._organization.root_folder_id
        for finding, dataset_id in zip(added, _new_ids(len(added)), strict=True):
            name = finding.directory_name
            folded = fold(name)
            row = (dataset_id, own, root, name, name, now, folded[:SORT_LENGTH], folded)
            if finding.status_reason or finding.warnings or finding.properties is not None:
                rest.append({**dict(zip(_NEW, row, strict=True)), **_decided(finding)})
            else:  # nearly all: the other columns have their default
                layers = finding.layers
                found = (finding.disk_key, finding.status, finding.element_classes)
                plain.append((*row, *found, _layers_json(layers), _layer_text(layers)))
        dialect = self._engine.dialect
        if plain:
            # By the driver itself: SQLAlchemy's work on each row took longer than the database's.
            mark = "?" if dialect.paramstyle == "qmark" else "%s"
            columns = (*_NEW, "disk_key", "status", "element_classes", "layers", "layer_text")
            names, marks = ", ".join(columns), ", ".join([mark] * len(columns))
            connection.exec_driver_sql(
                f"INSERT INTO {datasets.name} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
                plain,
            )
        if rest:
            insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
            connection.execute(insert(datasets).on_conflict_do_nothing(), rest)


def _decided(finding: FolderFinding) -> dict[str, Any]:
    """Return all columns that a folder decides."""
    values = finding._asdict()
    del values["directory_name"]
    return {**values, "layer_text": _layer_text(finding.layers)}


@lru_cache(maxsize=256)  # most datasets of a lab have layers of the same few names
def _layer_text(layers: tuple[tuple[str, str], ...]) -> str:
    return searchable(name for name, _ in layers)


@lru_cache(maxsize=256)
def _layers_json(layers: tuple[tuple[str, str], ...]) -> str:
    return msgspec.json.encode(layers).decode()


def _new_ids(count: int) -> list[str]:
    """Return fresh ids as ``new_id`` makes them, in ascending order: an index grows fastest at its end."""
    begin = f"{int(time.time()):08x}"
    digits = secrets.token_hex(8 * count)
    return sorted(begin + digits[start : start + 16] for start in range(0, 16 * count, 16))
