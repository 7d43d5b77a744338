"""Deleting that can be undone: a dataset's folder goes to ``<organization>/.trash/<id>`` and comes back.

Folders are renamed inside of the transaction that changes the row, last: whoever is killed in between
leaves a folder in the trash whose row says that it is not there, or out of it the other way round, and
the next scan puts it right. Whoever looks for such folders holds the same lock. A dataset that is a link
loses the link, never what it leads to.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from wk_jupyter.errors import Conflict, InvalidInput
from wk_jupyter.store.access import Action, Principal
from wk_jupyter.store.catalog.database import now_ms
from wk_jupyter.store.catalog.tables import datasets
from wk_jupyter.store.changes import Writer
from wk_jupyter.store.context import Context
from wk_jupyter.store.data_dir import BINARY_DATA
from wk_jupyter.store.records import DatasetRecord, OrganizationRecord

TRASH: Final = ".trash"
_IN_TRASH: Final = re.compile(r"[0-9a-f]{24}")
_PURGED: Final = re.compile(r"\.purging-([0-9a-f]{24})-[0-9a-f]{8}")
_log: Final = logging.getLogger(__name__)


class Trash:
    """Moves datasets to the trash and back. Thread-safe; blocks while folders are removed."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def delete(self, principal: Principal, ref: str) -> DatasetRecord:
        """Move a dataset to the trash, where those find it who may edit it. Its sharing links end.

        Raises DatasetNotFound, Forbidden, Conflict where it is there already or its folder cannot be moved.
        """
        with self._moving() as (writer, moves):
            record = self._context.dataset(writer.connection, principal, ref, Action.EDIT)
            if record.trashed is not None:
                raise Conflict(f"the dataset {record.name!r} is in the trash.", hint="Purge or restore it.")
            self._set(
                writer,
                record,
                directory_name=f"{TRASH}/{record.id}",
                trashed=now_ms(),
                trashed_from=record.directory_name,
                sharing_nonce=None,
            )
            writer.note("dataset", "removed", record.id, record.organization_id, before=record)
            self._move(moves, self._context.folder(record), self._folder(record) / TRASH / record.id)
            changed = self._context.find(writer.connection, record.id)
        self._context.forget({record.id})
        return changed

    def restore(self, principal: Principal, ref: str) -> DatasetRecord:
        """Bring a dataset back, under another folder's name on disk where its own was taken meanwhile.

        Raises DatasetNotFound, Forbidden, Conflict where it is not in the trash or cannot be moved.
        """
        with self._moving() as (writer, moves):
            record = self._context.dataset(writer.connection, principal, ref, Action.EDIT)
            if record.trashed is None:
                raise Conflict(f"the dataset {record.name!r} is not in the trash.")
            name = self._free_name(writer.connection, record)
            self._set(writer, record, directory_name=name, trashed=None, trashed_from=None)
            writer.note("dataset", "added", record.id, record.organization_id)
            marker = self._folder(record) / TRASH / f".restoring-{record.id}"
            marker.write_text(name)  # by which the next scan knows a folder that came back too early
            self._move(moves, self._context.folder(record), self._folder(record) / name)
            changed = self._context.find(writer.connection, record.id)
        marker.unlink(missing_ok=True)
        self._context.forget({record.id})
        return changed

    def purge(self, principal: Principal, ref: str) -> None:
        """Remove a dataset for good, in the trash or not. Raises DatasetNotFound, Forbidden, Conflict."""
        with self._moving() as (writer, moves):
            record = self._context.dataset(writer.connection, principal, ref, Action.EDIT)
            writer.connection.execute(sa.delete(datasets).where(datasets.c.id == record.id))
            writer.note("dataset", "removed", record.id, record.organization_id, before=record)
            doomed = self._folder(record) / TRASH / f".purging-{record.id}-{secrets.token_hex(4)}"
            self._move(moves, self._context.folder(record), doomed)
        self._context.forget({record.id})
        _remove(doomed)

    def recover(self, organization: OrganizationRecord) -> list[str]:
        """Settle what somebody who was killed left half done. Returns what was done, in words.

        What was being deleted or purged, and is in the catalog as if it were not, is put back; what was
        purged is removed to the end.
        """
        folder = self._context.data_dir / BINARY_DATA / organization.name
        trash = folder / TRASH
        notices: list[str] = []
        doomed: list[Path] = []
        if not trash.is_dir():
            return notices
        with self._context.changes.writing() as writer:
            for marker in sorted(trash.glob(".restoring-*")):
                notices += _end_restoring(writer.connection, marker)
            for entry in sorted(trash.iterdir()):
                match = _PURGED.fullmatch(entry.name)
                dataset_id = match[1] if match else entry.name
                if match is None and _IN_TRASH.fullmatch(entry.name) is None:
                    continue
                columns = sa.select(datasets.c.directory_name, datasets.c.trashed)
                row = writer.connection.execute(columns.where(datasets.c.id == dataset_id)).first()
                if row is None:
                    doomed += [entry] if match else []
                elif row.trashed is None or match:
                    notices += _put_back(entry, folder / row.directory_name)
        for path in doomed:
            _remove(path)
        return notices

    # --- shared -----------------------------------------------------------------------------

    def _folder(self, record: DatasetRecord) -> Path:
        return self._context.data_dir / BINARY_DATA / record.organization

    @contextmanager
    def _moving(self) -> Iterator[tuple[Writer, list[tuple[Path, Path]]]]:
        """A transaction whose moves of folders are undone where it does not hold."""
        moves: list[tuple[Path, Path]] = []
        try:
            with self._context.changes.writing() as writer:
                yield writer, moves
        except BaseException:
            for source, target in reversed(moves):
                with contextlib.suppress(OSError):
                    target.rename(source)
            raise

    @staticmethod
    def _set(writer: Writer, record: DatasetRecord, **values: object) -> None:
        writer.connection.execute(sa.update(datasets).where(datasets.c.id == record.id).values(values))

    @staticmethod
    def _move(moves: list[tuple[Path, Path]], source: Path, target: Path) -> None:
        """Rename a folder or link. One that has vanished from the disk needs no move."""
        try:
            if not os.path.lexists(source):
                return
            target.parent.mkdir(exist_ok=True)
            if os.path.lexists(target):
                raise InvalidInput(f"{target.name} is there already.", hint="Move it away.")
            source.rename(target)
        except OSError as error:
            raise Conflict(
                f"the folder {source.name} cannot be moved: {error.strerror}.",
                hint="Whoever runs the server must be allowed to write to the folder above it.",
            ) from None
        moves.append((source, target))

    def _free_name(self, connection: sa.Connection, record: DatasetRecord) -> str:
        wanted = record.trashed_from or record.id
        for name in (wanted, f"{wanted[:200]}-{record.id}"):
            is_it = sa.and_(
                datasets.c.organization_id == record.organization_id, datasets.c.directory_name == name
            )
            is_taken = connection.scalar(sa.select(sa.func.count()).select_from(datasets).where(is_it))
            if not is_taken and not os.path.lexists(self._folder(record) / name):
                return name
        raise Conflict(
            f"there is another dataset in the folder {wanted!r}.", hint="Rename that folder, then restore."
        )


def _end_restoring(connection: sa.Connection, marker: Path) -> list[str]:
    """Take a folder back into the trash where it came out of it and the catalog does not know."""
    dataset_id = marker.name.removeprefix(".restoring-")
    row = connection.execute(sa.select(datasets.c.trashed).where(datasets.c.id == dataset_id)).first()
    name, place = marker.read_text(), marker.parent / dataset_id
    came_out = marker.parent.parent / name
    notices = []
    if row is not None and row.trashed is not None and came_out.exists() and not os.path.lexists(place):
        came_out.rename(place)
        notices.append(f"{name} was left half restored: it is in the trash.")
    marker.unlink()
    return notices


def _put_back(entry: Path, place: Path) -> list[str]:
    if os.path.lexists(place):
        return [f"{entry} was left half deleted, and {place.name} is there anew: it stays in the trash."]
    try:
        entry.rename(place)
    except OSError as error:
        return [f"{entry} was left half deleted and cannot be put back: {error.strerror}."]
    return [f"{place.name} was left half deleted: it is back."]


def _remove(path: Path) -> None:
    """Remove a folder or link. What cannot be removed now is tried again by the next scan."""
    try:
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    except OSError as error:
        _log.warning("%s cannot be removed yet: %s", path, error)
