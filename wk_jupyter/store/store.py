"""The store: one object, built once, through which a server or a script reaches everything."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from wk_jupyter.datasource import DataSource, LayerSource, MagSource, parse_data_source, read_properties
from wk_jupyter.errors import InvalidDataSource, MagNotFound, NotFound, WkError
from wk_jupyter.geometry import Mag
from wk_jupyter.store.access import AccessPolicy, Action, Principal, id_in, no_such_dataset
from wk_jupyter.store.authentication import Authentication
from wk_jupyter.store.bricks import LayerReader
from wk_jupyter.store.cache import LruCache, RecentCache
from wk_jupyter.store.catalog.database import open_database
from wk_jupyter.store.catalog.datasets import DatasetRepository
from wk_jupyter.store.catalog.listing import DatasetReader
from wk_jupyter.store.catalog.organizations import all_organizations, ensure_organization
from wk_jupyter.store.catalog.tables import datasets, organizations, users
from wk_jupyter.store.catalog.text import storable
from wk_jupyter.store.catalog.users import ensure_owner, find_users
from wk_jupyter.store.changes import Changes
from wk_jupyter.store.composing import Composing
from wk_jupyter.store.context import Context
from wk_jupyter.store.data_dir import BINARY_DATA, CATALOG_FILE, prepare, read_or_make_id
from wk_jupyter.store.dataset_settings import DatasetSettings
from wk_jupyter.store.disk_usage import DiskUsage
from wk_jupyter.store.events import Events
from wk_jupyter.store.folder_tree import Folders
from wk_jupyter.store.imports.imports import Imports
from wk_jupyter.store.inbox import Inbox, Progress
from wk_jupyter.store.job_runner import JobRunner
from wk_jupyter.store.jobs import Jobs
from wk_jupyter.store.links import broken_links
from wk_jupyter.store.people import People
from wk_jupyter.store.records import (
    AboutDatasets,
    DatasetPage,
    DatasetQuery,
    DatasetRecord,
    OrganizationRecord,
    ScanReport,
    UserRecord,
    merged_report,
)
from wk_jupyter.store.sharing import SharingTokens, read_or_make_secret
from wk_jupyter.store.tokens import Tokens
from wk_jupyter.store.trash import Trash
from wk_jupyter.store.upload_parts import UploadParts
from wk_jupyter.store.upload_paths import UploadPaths
from wk_jupyter.store.uploads import UploadLimits, Uploads
from wk_jupyter.store.view_settings import ViewSettings
from wk_jupyter.store.volumes import resolve_mag_path
from wk_jupyter.view_configuration import view_configuration

_RECORD_SECONDS: Final = 2.0  # how long a dataset's row may be old on the way of bricks
_MAX_RECORDS: Final = 4096


@dataclass(frozen=True)
class StoreConfig:
    """Where a store lies. Sizes are in bytes; ``max_open_layers`` bounds readers that are kept.

    ``owner_name``: whom the server belongs to, an admin of the organization; None: nobody is made that.
    ``allowed_roots``: folders from which admins may import.
    """

    data_dir: Path
    organization: str = "default"
    owner_name: str | None = "owner"
    database_url: str | None = None
    max_read_bytes: int = 2**30
    max_open_layers: int = 256
    allowed_roots: tuple[Path, ...] = ()
    max_upload_bytes: int | None = None
    max_upload_files: int = 1_000_000


class Store:
    """Datasets of one data directory. Thread-safe."""

    def __init__(self, config: StoreConfig) -> None:
        self.config = config
        prepare(config.data_dir, config.organization)
        self.data_dir_id = read_or_make_id(config.data_dir)
        self.sharing = SharingTokens(read_or_make_secret(config.data_dir))
        self.policy = AccessPolicy(self.sharing)
        self._engine = open_database(config.database_url or f"sqlite:///{config.data_dir / CATALOG_FILE}")
        self.home = ensure_organization(self._engine, config.organization)
        self._owner: UserRecord | None = None
        if config.owner_name is not None:
            self._owner = ensure_owner(self._engine, self.home, config.owner_name)
        self.changes = Changes(self._engine)
        self.usage = DiskUsage(self._engine, config.data_dir)
        self._reader = DatasetReader(self._engine)
        self._inboxes: dict[str, tuple[Inbox, DatasetRepository]] = {}
        self._records: RecentCache[str, DatasetRecord] = RecentCache(_MAX_RECORDS, _RECORD_SECONDS)
        self._sources: LruCache[tuple[str, str], DataSource] = LruCache(config.max_open_layers)
        self._readers: LruCache[tuple[str, str, str], LayerReader] = LruCache(config.max_open_layers)
        self.changes.listen(self._records.clear)
        self.context = Context(
            engine=self._engine,
            policy=self.policy,
            sharing=self.sharing,
            changes=self.changes,
            data_dir=config.data_dir,
            home=self.home,
            forget=self._forget,
            data_source=self.data_source,
            look_again=self.check_disk,
        )
        self.authentication = Authentication(self.context)
        self.people = People(self.context)
        self.events = Events(self.context)
        self.folders = Folders(self.context)
        self.settings = DatasetSettings(self.context)
        self.views = ViewSettings(self.context)
        self.trash = Trash(self.context)
        self.composing = Composing(self.context)
        self.tokens = Tokens(self.context)
        self.jobs = Jobs(self.context)
        self.imports = Imports(self.context, self.jobs, config.allowed_roots)
        limits = UploadLimits(config.max_upload_bytes, config.max_upload_files)
        self.upload_parts = UploadParts(self.context, config.allowed_roots)
        self.upload_paths = UploadPaths(self.context, self.imports, self.composing, self.upload_parts)
        self.uploads = Uploads(self.context, self.imports, self.composing, self.upload_parts, limits)
        self._runner: JobRunner | None = None

    @property
    def owner(self) -> UserRecord:
        """Whom the server belongs to. Raises NotFound in a store without one."""
        if self._owner is None:
            raise NotFound("this store belongs to nobody.", hint="Give StoreConfig an owner_name.")
        return self._owner

    def scan(self, progress: Progress | None = None, cancelled: threading.Event | None = None) -> ScanReport:
        """Bring the catalog to what lies on disk, for each organization. Blocks; see ``Inbox.scan``."""
        reports, notices = [], list[str]()
        for organization in all_organizations(self._engine):
            notices += self.trash.recover(organization)
            notices += self.imports.recover(organization)
            self.uploads.sweep(organization)
            inbox, _ = self._inbox(organization)
            reports.append(inbox.scan(progress=progress, cancelled=cancelled))
        report = merged_report(reports, notices)
        self._forget(set(report.touched))
        return report

    def check_disk(self, record: DatasetRecord) -> DatasetRecord:
        """Look at one dataset's folder again and return what is found. Its files are opened anew.

        For voxels that were rewritten below the same properties file, which a scan cannot see.
        """
        if record.trashed is None:
            self._inbox_of(record)[0].look_again(record.directory_name)
        self._forget({record.id})
        return self._reader.find(datasets.c.id == record.id) or record

    def user_of(self, principal: Principal) -> UserRecord:
        """Return the user that somebody is; of whoever holds the data directory, its owner."""
        wanted = principal.user_id or self.owner.id
        with self._engine.connect() as connection:
            return find_users(connection, users.c.id == wanted)[0]

    def list_datasets(self, principal: Principal, query: DatasetQuery) -> DatasetPage:
        """Return a page of those datasets that the principal may see. Raises InvalidInput."""
        listed, values = self.policy.listed(principal, trashed=query.trashed)
        return self._reader.page(listed, query, values, principal.user_id)

    def about(
        self, principal: Principal, records: Sequence[DatasetRecord], *, with_teams: bool = True
    ) -> AboutDatasets:
        """Return what replies tell her beside the records: her own last uses, and teams.

        Teams are told to members of their organization alone.
        """
        used: dict[str, int] = {}
        if principal.user_id is not None:
            used = self._reader.last_used(principal.user_id, [record.id for record in records])
        shown = [
            record for record in records if with_teams and principal.is_member_of(record.organization_id)
        ]
        teams = self._reader.teams(frozenset().union(*(record.cumulative_team_ids for record in shown)))
        return AboutDatasets(used, teams)

    def dataset(self, principal: Principal, ref: str) -> DatasetRecord:
        """Return the dataset of an id, or of ``name-id``. Raises DatasetNotFound, also for the unseen."""
        found = self.cached_dataset(principal, ref)
        if found is None:
            era = self._records.era
            found = self._reader.find(datasets.c.id == id_in(ref))
            if found is None:
                raise no_such_dataset(ref)
            self._records.put(found.id, found, era)
            self.policy.require(principal, Action.READ, found)
        return found

    def may_edit(self, principal: Principal, record: DatasetRecord) -> bool:
        return self.policy.may(principal, Action.EDIT, record)

    def cached_dataset(self, principal: Principal, ref: str) -> DatasetRecord | None:
        """Return the dataset where it is known without asking the database. Raises as ``dataset`` does."""
        found = self._records.get(id_in(ref))
        if found is not None:
            self.policy.require(principal, Action.READ, found)
        return found

    def dataset_in_folder(self, principal: Principal, organization: str, directory: str) -> DatasetRecord:
        """Return the dataset of a folder on disk. Raises DatasetNotFound."""
        wanted = sa.and_(organizations.c.name == organization, datasets.c.directory_name == directory)
        found = None if "\0" in directory + organization else self._reader.find(wanted)
        if found is None:
            raise no_such_dataset(directory)
        self.policy.require(principal, Action.READ, found)
        return found

    def folder(self, record: DatasetRecord) -> Path:
        """Return where a dataset lies on disk."""
        return self.context.folder(record)

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
            stored = self._inbox_of(record)[1].properties(record.id)
            if stored is None:
                source = read_properties(self.folder(record))
            else:  # recognised by the scan, without a properties file
                source = parse_data_source(stored, origin=record.directory_name, name=record.directory_name)
            source = self._sources.keep_first(key, source)
        return source

    def layer(self, record: DatasetRecord, name: str) -> LayerReader:
        """Return the reader of a layer, which is kept as long as the dataset does not change."""
        key = (record.id, record.disk_key, name)
        reader = self._readers.get(key)
        if reader is None:
            source = self.data_source(record).layer(name)
            reader = LayerReader(source, self.folder(record), max_read_bytes=self.config.max_read_bytes)
            reader = self._readers.keep_first(key, reader)
        return reader

    def cached_layer(self, record: DatasetRecord, name: str) -> LayerReader | None:
        """Return the reader where it is there without asking the database or the disk."""
        return self._readers.get((record.id, record.disk_key, name))

    def view_configuration(
        self, record: DatasetRecord, call: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return how to show a dataset, whoever asks: built-in < file < admins < ``call``."""
        return view_configuration(self.data_source(record), record.admin_view_configuration, call=call)

    def warnings(self, record: DatasetRecord) -> tuple[str, ...]:
        """Return what is odd about a dataset but does not hinder: what the scan noticed, and broken links.

        Links are looked at now: they break without any change in the dataset, and a scan of many datasets
        has no time to list the folders of all layers.
        """
        try:
            broken = broken_links(self.folder(record), self.data_source(record)) if record.is_active else []
        except WkError:
            broken = []
        return (*record.warnings, *map(storable, broken))

    def start_jobs(self, *, at_once: int = 1, workers: int = 2, data_format: str = "zarr3") -> None:
        """Work on jobs in this process's name, so many at once, until the store is closed."""
        if at_once and self._runner is None:
            self._runner = JobRunner(
                self.context,
                self.jobs,
                self.imports,
                at_once=at_once,
                workers=workers,
                data_format=data_format,
            )
            self._runner.start()

    def close(self) -> None:
        """Let go of files and of the database."""
        if self._runner is not None:
            self._runner.stop()
        self.usage.close()
        self.authentication.close()
        self._readers.clear()
        self._engine.dispose()

    def _inbox_of(self, record: DatasetRecord) -> tuple[Inbox, DatasetRepository]:
        known = self._inboxes.get(record.organization_id)
        if known is not None:
            return known
        organizations = all_organizations(self._engine)
        return self._inbox(next(each for each in organizations if each.id == record.organization_id))

    def _inbox(self, organization: OrganizationRecord) -> tuple[Inbox, DatasetRepository]:
        """Return what compares an organization's folder with the catalog, made when it is first asked."""
        known = self._inboxes.get(organization.id)
        if known is None:
            repository = DatasetRepository(self._engine, organization, self.changes)
            folder = self.config.data_dir / BINARY_DATA / organization.name
            known = self._inboxes.setdefault(organization.id, (Inbox(folder, repository), repository))
        return known

    def _forget(self, changed: set[str]) -> None:
        """Drop what is remembered of datasets that changed; rows may have changed in other ways too."""
        self._records.clear()
        self._sources.drop(lambda key: key[0] in changed)
        self._readers.drop(lambda key: key[0] in changed)


def find_mag(layer: LayerSource, mag: Mag) -> MagSource:
    """Return a layer's mag. Raises MagNotFound, naming those that are there."""
    for source in layer.mags:
        if source.mag == mag:
            return source
    there = ", ".join(source.mag.name for source in layer.mags)
    raise MagNotFound(f"the layer {layer.name!r} has no mag {mag}.", hint=f"It has {there}.")
