"""How a finished dataset comes to its place: by one rename, inside of the transaction that says so.

What is being imported lies in ``<organization>/.importing/<dataset id>``; ``placed-as`` in there tells, to
whom comes after a kill, under which name the dataset may already be in its place.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from wk_jupyter.errors import Conflict, InvalidInput
from wk_jupyter.store.catalog.tables import datasets
from wk_jupyter.store.catalog.text import dataset_text, searchable
from wk_jupyter.store.changes import Writer
from wk_jupyter.store.context import Context
from wk_jupyter.store.data_dir import BINARY_DATA
from wk_jupyter.store.dataset_folder import look
from wk_jupyter.store.jobs import Jobs
from wk_jupyter.store.records import DatasetRecord, JobRecord

IMPORTING: Final = ".importing"
SOURCE: Final = "source"
_MARKER: Final = "placed-as"


class Placing:
    """Puts datasets that are made in ``.importing`` into the list. Thread-safe."""

    def __init__(self, context: Context, jobs: Jobs) -> None:
        self._context = context
        self._jobs = jobs

    def root(self, organization: str) -> Path:
        """Return the folder of an organization's datasets."""
        return self._context.data_dir / BINARY_DATA / organization

    def folder_of(self, record: DatasetRecord) -> Path:
        """Return the folder in which a dataset of the catalog is made."""
        return self.root(record.organization) / IMPORTING / record.id

    def put_in_place(
        self, record: DatasetRecord, made: Path, job: JobRecord | None = None, log: str = ""
    ) -> DatasetRecord:
        """Bring what was made to its place in the list, whole. Raises Conflict where it was given up."""
        moved: Path | None = None
        root = self.root(record.organization)
        try:
            with self._context.changes.writing() as writer:
                now = self._require_importing(writer.connection, record)
                name = self._free_name(writer.connection, now)
                (self.folder_of(record) / _MARKER).write_text(name)
                made.rename(root / name)
                moved = root / name
                self._activate(writer, now, name)
                if job is not None:
                    self._jobs.succeed(writer, job, log)
        except BaseException:
            if moved is not None:
                with contextlib.suppress(OSError):
                    moved.rename(made)
            raise
        shutil.rmtree(self.folder_of(record), ignore_errors=True)
        self._context.forget({record.id})
        return self._context.look_again(record)

    def finish_placed(self, writer: Writer, record: DatasetRecord) -> bool:
        """Write, where it is so, what a kill came before: that a dataset is in its place. Returns whether."""
        entry = self.folder_of(record)
        if not self._was_placed(entry):
            return False
        self._activate(writer, record, (entry / _MARKER).read_text())
        return True

    def _require_importing(self, connection: sa.Connection, record: DatasetRecord) -> DatasetRecord:
        now = self._context.find(connection, record.id)
        if now.status != "importing":
            raise Conflict(f"the import of {record.name!r} was given up.")
        return now

    def _activate(self, writer: Writer, record: DatasetRecord, name: str) -> None:
        """Write into the row what its folder says, now that it is in its place."""
        # A scan may have come by before a recovery, and have taken the folder for a new dataset.
        is_double = sa.and_(
            datasets.c.organization_id == record.organization_id, datasets.c.directory_name == name
        )
        writer.connection.execute(sa.delete(datasets).where(is_double, datasets.c.id != record.id))
        root = self.root(record.organization)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            finding = look(str(root), name, descriptor)
        finally:
            os.close(descriptor)
        layer_text = searchable(layer for layer, _ in finding.layers)
        text = dataset_text(name, name=record.name, description=record.description, tags=record.tags)
        is_it = datasets.c.id == record.id
        writer.connection.execute(
            sa.update(datasets)
            .where(is_it)
            .values(**finding._asdict(), layer_text=layer_text, search_text=text)
        )
        writer.note("dataset", "changed", record.id, record.organization_id)

    def _was_placed(self, entry: Path) -> bool:
        """Whether the dataset went to its place, and only the catalog does not know."""
        marker = entry / _MARKER
        if not marker.is_file():
            return False
        name = marker.read_text()
        is_gone = not (entry / SOURCE).exists() and not (entry / "work" / "dataset").exists()
        return is_gone and bool(name) and os.path.lexists(entry.parent.parent / name)

    def _free_name(self, connection: sa.Connection, record: DatasetRecord) -> str:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", record.name).strip("._")[:200] or "dataset"
        for name in (plain, f"{plain}-{record.id}"):
            is_it = sa.and_(
                datasets.c.organization_id == record.organization_id, datasets.c.directory_name == name
            )
            taken = connection.scalar(sa.select(sa.func.count()).select_from(datasets).where(is_it))
            if not taken and not os.path.lexists(self.root(record.organization) / name):
                return name
        raise InvalidInput(f"there is no free folder for {record.name!r}.")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Tell others that somebody works in a folder, until this ends or the process does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether somebody works in a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
