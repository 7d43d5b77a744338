"""The store: one object, built once, through which a server or a script reaches everything."""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from wk_jupyter.datasource import DataSource, LayerSource, MagSource, parse_data_source, read_properties
from wk_jupyter.errors import InvalidDataSource, InvalidInput, MagNotFound
from wk_jupyter.geometry import Mag
from wk_jupyter.store.access import AccessPolicy, Action, Principal, no_such_dataset
from wk_jupyter.store.bricks import LayerReader
from wk_jupyter.store.catalog.database import open_database
from wk_jupyter.store.catalog.datasets import DatasetRepository
from wk_jupyter.store.catalog.tables import datasets
from wk_jupyter.store.inbox import Inbox, Progress
from wk_jupyter.store.links import broken_links
from wk_jupyter.store.records import DatasetPage, DatasetQuery, DatasetRecord, FolderRecord, ScanReport
from wk_jupyter.store.volumes import resolve_mag_path
from wk_jupyter.view_configuration import view_configuration

ID_FILE: Final = ".wk_jupyter_id"
CATALOG_FILE: Final = "wk_jupyter.sqlite"
BINARY_DATA: Final = "binaryData"
_RECORD_SECONDS: Final = 2.0  # how long a dataset's row may be old on the way of bricks
_MAX_READERS: Final = 256
_MAX_RECORDS: Final = 4096
_ID: Final = re.compile(r"(?:.*-)?([0-9a-f]{24})", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class StoreConfig:
    """Where a store lies. Sizes are in bytes."""

    data_dir: Path
    organization: str = "default"
    owner_name: str = "owner"
    database_url: str | None = None
    max_read_bytes: int = 2**30


class Store:
    """Datasets of one data directory. Thread-safe."""

    def __init__(self, config: StoreConfig, policy: AccessPolicy | None = None) -> None:
        self.config = config
        self.policy = policy or AccessPolicy()
        self._folder = _prepare(config)
        self.data_dir_id = _read_or_make_id(config.data_dir)
        self._engine = open_database(config.database_url or f"sqlite:///{config.data_dir / CATALOG_FILE}")
        self._datasets = DatasetRepository(self._engine, config.organization)
        self._inbox = Inbox(self._folder, self._datasets)
        self._lock = threading.Lock()
        self._records: OrderedDict[str, tuple[float, DatasetRecord]] = OrderedDict()
        self._sources: OrderedDict[tuple[str, str], DataSource] = OrderedDict()
        self._readers: OrderedDict[tuple[str, str, str], LayerReader] = OrderedDict()

    @property
    def root_folder(self) -> FolderRecord:
        return self._datasets.root_folder

    def scan(self, progress: Progress | None = None, cancelled: threading.Event | None = None) -> ScanReport:
        """Bring the catalog to what lies on disk. Blocks; see ``Inbox.scan``."""
        report = self._inbox.scan(progress=progress, cancelled=cancelled)
        with self._lock:
            self._records.clear()
        return report

    def list_datasets(self, principal: Principal, query: DatasetQuery) -> DatasetPage:
        """Return a page of those datasets that the principal may see."""
        page = self._datasets.page(self.policy.readable(principal), query)
        return DatasetPage([self._with_links(record) for record in page.records], page.total)

    def dataset(self, principal: Principal, ref: str) -> DatasetRecord:
        """Return the dataset of an id, or of ``name-id``. Raises DatasetNotFound, also for the unseen."""
        record = self.cached_dataset(principal, ref)
        if record is not None:
            return record
        matched = _ID.fullmatch(ref)
        found = self._datasets.find(datasets.c.id == matched[1].lower()) if matched else None
        if found is None:
            raise no_such_dataset(ref)
        found = self._with_links(found)
        self._remember(self._records, found.id, (time.monotonic() + _RECORD_SECONDS, found), _MAX_RECORDS)
        self.policy.require(principal, Action.READ, found)
        return found

    def cached_dataset(self, principal: Principal, ref: str) -> DatasetRecord | None:
        """Return the dataset where it is known without the database. Raises DatasetNotFound as above."""
        entry = self._records.get(ref[-24:].lower())
        if entry is None or entry[0] < time.monotonic():
            return None
        self.policy.require(principal, Action.READ, entry[1])
        return entry[1]

    def dataset_in_folder(self, principal: Principal, organization: str, directory: str) -> DatasetRecord:
        """Return the dataset of a folder on disk. Raises DatasetNotFound."""
        found = self._datasets.find(datasets.c.directory_name == directory)
        if found is None or organization != self.config.organization:
            raise no_such_dataset(directory)
        self.policy.require(principal, Action.READ, found)
        return found

    def folder(self, record: DatasetRecord) -> Path:
        """Return where a dataset lies on disk."""
        return self._folder / record.directory_name

    def mag_folder(self, record: DatasetRecord, layer: str, mag: Mag) -> Path:
        """Return where a mag lies. Raises LayerNotFound, MagNotFound, CorruptData for a hostile path."""
        source = self.data_source(record).layer(layer)
        return resolve_mag_path(self.folder(record), source, find_mag(source, mag))

    def data_source(self, record: DatasetRecord) -> DataSource:
        """Return what a dataset is made of. Raises InvalidDataSource with its reason where it is unusable."""
        key = (record.id, record.disk_key)
        source = self._sources.get(key)
        if source is None:
            if not record.is_active:
                reason = record.status_reason or record.status
                raise InvalidDataSource(
                    f"the dataset {record.name!r} cannot be used: {reason}",
                    hint="Mend it on disk, then refresh.",
                )
            stored = self._datasets.properties(record.id)
            if stored is None:
                source = read_properties(self.folder(record))
            else:  # recognised by the scan, without a properties file
                source = parse_data_source(stored, origin=record.directory_name, name=record.directory_name)
            self._remember(self._sources, key, source, _MAX_READERS)
        return source

    def layer(self, record: DatasetRecord, name: str) -> LayerReader:
        """Return the reader of a layer, which is kept as long as the dataset does not change."""
        key = (record.id, record.disk_key, name)
        reader = self._readers.get(key)
        if reader is None:
            source = self.data_source(record).layer(name)
            reader = LayerReader(source, self.folder(record), max_read_bytes=self.config.max_read_bytes)
            self._remember(self._readers, key, reader, _MAX_READERS)
        return reader

    def cached_layer(self, record: DatasetRecord, name: str) -> LayerReader | None:
        """Return the reader where it is there without asking the database or the disk."""
        return self._readers.get((record.id, record.disk_key, name))

    def view_configuration(
        self, record: DatasetRecord, call: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return how to show a dataset: built-in < file < admins < ``call``."""
        return view_configuration(self.data_source(record), record.admin_view_configuration, call)

    def used_storage_bytes(self, record: DatasetRecord) -> int:
        """Return the bytes of a dataset's files inside of mag folders. Walks the folder: slow."""
        total = 0
        pending = [(str(self.folder(record)), 0)]
        while pending:
            folder, depth = pending.pop()
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, depth + 1))
                elif depth >= 2 and not entry.is_symlink():
                    total += entry.stat(follow_symlinks=False).st_size
        return total

    def close(self) -> None:
        """Let go of files and of the database."""
        with self._lock:
            self._readers.clear()
        self._engine.dispose()

    def _with_links(self, record: DatasetRecord) -> DatasetRecord:
        """Add a warning for each link that leads nowhere: looked up when it is told, not at each scan."""
        if not record.is_active:
            return record
        broken = broken_links(self.folder(record), (name for name, _ in record.layers))
        return replace(record, warnings=(*record.warnings, *broken)) if broken else record

    def _remember(self, cache: OrderedDict[Any, Any], key: Any, value: Any, limit: int) -> None:
        with self._lock:
            cache[key] = value
            while len(cache) > limit:
                cache.popitem(last=False)


def find_mag(layer: LayerSource, mag: Mag) -> MagSource:
    """Return a layer's mag. Raises MagNotFound, naming those that are there."""
    for source in layer.mags:
        if source.mag == mag:
            return source
    there = ", ".join(source.mag.name for source in layer.mags)
    raise MagNotFound(f"the layer {layer.name!r} has no mag {mag}.", hint=f"It has {there}.")


def _prepare(config: StoreConfig) -> Path:
    """Make the organization's folder. Raises InvalidInput where the data directory cannot be used."""
    name = config.organization
    if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
        raise InvalidInput(f"{name!r} cannot be an organization's name.", hint="It becomes a folder's name.")
    folder = config.data_dir / BINARY_DATA / name
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"the data directory {config.data_dir} cannot be used: {error.strerror}.",
            hint="Set WkJupyterApp.data_dir or WK_JUPYTER_DATA_DIR to a folder that you may write to.",
        ) from None
    return folder


def _read_or_make_id(data_dir: Path) -> str:
    """Return the data directory's random id, by which a client on the same machine knows it again."""
    path = data_dir / ID_FILE
    try:
        with path.open("x") as stream:
            stream.write(secrets.token_hex(16))
    except FileExistsError:
        pass
    except OSError as error:
        raise InvalidInput(
            f"the data directory {data_dir} cannot be written to: {error.strerror}.",
            hint="Set WkJupyterApp.data_dir or WK_JUPYTER_DATA_DIR to a folder that you may write to.",
        ) from None
    return path.read_text().strip()
