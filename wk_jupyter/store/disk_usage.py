"""How much room datasets take: counted by a thread in the background, and kept in the catalog."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, NamedTuple

import sqlalchemy as sa

from wk_jupyter.store.catalog.database import writing
from wk_jupyter.store.catalog.tables import datasets, organizations
from wk_jupyter.store.data_dir import BINARY_DATA

_log = logging.getLogger(__name__)
_AT_ONCE: Final = 100  # datasets between two writes
_STOP_SECONDS: Final = 10.0


class _Wanted(NamedTuple):
    dataset_id: str
    counted: Future[int]


class DiskUsage:
    """Counts the bytes of datasets, those first that somebody waits for. One thread, made when needed."""

    def __init__(self, engine: sa.Engine, data_dir: Path) -> None:
        self._engine = engine
        self._data_dir = data_dir
        self._wanted: deque[_Wanted] = deque()
        self._fill = False
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def count(self, dataset_id: str) -> Future[int]:
        """Count one dataset anew. The future is cancelled where the store closes or the dataset is gone."""
        wanted = _Wanted(dataset_id, Future())
        with self._changed:
            if self._stop.is_set():
                wanted.counted.cancel()
            else:
                self._wanted.append(wanted)
                self._wake()
        return wanted.counted

    def count_new(self, changed: Sequence[str] = ()) -> None:
        """Count what has no number yet, and those that changed."""
        for dataset_id in changed:
            self.count(dataset_id)
        with self._changed:
            self._fill = True
            self._wake()

    def close(self) -> None:
        """Stop counting, also in the middle of a dataset."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(_STOP_SECONDS)
        while self._wanted:
            self._wanted.popleft().counted.cancel()

    def _wake(self) -> None:
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="wk_jupyter disk usage", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._changed:
                while not (self._wanted or self._fill or self._stop.is_set()):
                    self._changed.wait()
            try:
                self._count_wanted()
                self._count_some_new()
            except (sa.exc.SQLAlchemyError, OSError):
                if not self._stop.is_set():
                    _log.exception("wk_jupyter: the room that datasets take could not be kept")
                self._fill = False

    def _count_wanted(self) -> None:
        while self._wanted and not self._stop.is_set():
            wanted = self._wanted.popleft()
            try:
                sizes = self._sizes(datasets.c.id == wanted.dataset_id)
            except BaseException:
                wanted.counted.cancel()
                raise
            if wanted.dataset_id not in sizes:
                wanted.counted.cancel()
            elif wanted.counted.set_running_or_notify_cancel():
                wanted.counted.set_result(sizes[wanted.dataset_id])

    def _count_some_new(self) -> None:
        if not self._fill or self._stop.is_set():
            return
        is_new = sa.and_(
            datasets.c.used_storage_bytes.is_(None),
            datasets.c.trashed.is_(None),
            datasets.c.status == "active",
        )
        if not self._sizes(is_new):
            self._fill = False

    def _sizes(self, condition: sa.ColumnElement[bool]) -> dict[str, int]:
        """Count some datasets that meet the condition, and keep what was counted."""
        rows = (
            sa.select(datasets.c.id, organizations.c.name, datasets.c.directory_name)
            .join(organizations, organizations.c.id == datasets.c.organization_id)
            .where(condition)
            .limit(_AT_ONCE)
        )
        with self._engine.connect() as connection:
            found = connection.execute(rows).all()
        sizes = {}
        for dataset_id, organization, directory in found:
            size = used_storage_bytes(self._data_dir / BINARY_DATA / organization / directory, self._stop)
            if self._stop.is_set():
                break
            sizes[dataset_id] = size
        if sizes:
            with writing(self._engine) as connection:
                connection.execute(
                    sa.update(datasets)
                    .where(datasets.c.id == sa.bindparam("dataset"))
                    .values(used_storage_bytes=sa.bindparam("size")),
                    [{"dataset": dataset_id, "size": size} for dataset_id, size in sizes.items()],
                )
        return sizes


def used_storage_bytes(folder: Path, stop: threading.Event | None = None) -> int:
    """Return the bytes of a dataset's files inside of mag folders. Walks the folder: slow.

    What is reached by links below the dataset's folder belongs to others and is not counted. Where it is
    told to ``stop``, the number is of no use.
    """
    total = 0
    pending = [(str(folder), 0)]
    while pending and not (stop is not None and stop.is_set()):
        place, depth = pending.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append((entry.path, depth + 1))
                    elif depth >= 2 and not entry.is_symlink():
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # closed to us, or removed while we look
            continue
    return total
