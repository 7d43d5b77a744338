"""The list of datasets, one dataset, and looking at the disk again."""

from __future__ import annotations

import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from wk_jupyter.api.documents import dataset_document
from wk_jupyter.api.models import (
    Dataset,
    DatasetCompact,
    DatasetIdentity,
    DatasetListQuery,
    NameCheck,
    ScanSummary,
)
from wk_jupyter.api.people import Team
from wk_jupyter.api.versions import encode_big_integers, lists_are_compact
from wk_jupyter.errors import InvalidInput
from wk_jupyter.server_ext.handlers.layers import LayerHandler
from wk_jupyter.server_ext.handlers.server import data_store
from wk_jupyter.store.dataset_name import faults_of_name

if TYPE_CHECKING:
    from wk_jupyter.datasource import LayerSource, MagSource
    from wk_jupyter.store import DatasetQuery, DatasetRecord, Store
    from wk_jupyter.store.access import Principal
    from wk_jupyter.store.records import AboutDatasets

_LARGEST_PAGE = 10_000
_LAST_PAGE = 2**31


class DatasetHandler(LayerHandler):
    """Turns records into the API's JSON."""

    def full(self, store: Store, record: DatasetRecord, about: AboutDatasets | None = None) -> Any:
        """All that is known of a dataset. Absolute paths are told to admins alone. It blocks.

        ``about`` is asked of the store where it is not given.
        """
        about = about or store.about(self.principal, [record])
        is_member = self.principal.is_member_of(record.organization_id)
        dataset = Dataset(
            id=record.id,
            name=record.name,
            data_source=self._data_source_document(store, record),
            data_store=data_store(self),
            owning_organization=record.organization,
            allowed_teams=_teams(record.team_ids, about, record),
            allowed_teams_cumulative=_teams(record.cumulative_team_ids, about, record),
            is_active=record.is_active,
            is_public=record.is_public,
            description=record.description,
            directory_name=record.directory_name,
            created=record.created,
            is_editable=store.may_edit(self.principal, record),
            last_used_by_user=about.last_used.get(record.id, 0),
            logo_url="",
            sorting_key=record.sorting_key,
            metadata=[dict(entry) for entry in record.metadata],
            is_unreported=not record.is_active,
            tags=list(record.tags),
            folder_id=record.folder_id,
            used_storage_bytes=record.used_storage_bytes,
            owner=record.owner_id if is_member else None,
            is_virtual=False,
            status_reason=self.told(record.status_reason, record),
            warnings=[self.told(warning, record) for warning in store.warnings(record)],
        )
        return encode_big_integers(msgspec.to_builtins(dataset), self.version)

    def _data_source_document(self, store: Store, record: DatasetRecord) -> dict[str, Any]:
        identity = {"name": record.directory_name, "team": record.organization}
        if not record.is_active:
            return {"id": identity, "status": self._status(record)}
        folder = store.folder(record)

        def mag_path(layer: LayerSource, mag: MagSource) -> str | None:
            if not self.sees_server_paths:
                return f"./{layer.name}/{mag.mag.name}"
            return str(store.mag_folder(record, layer.name, mag.mag))

        def attachment_path(path: str) -> str:
            if self.sees_server_paths:
                return str(folder / path)
            return PurePosixPath(path).name if path.startswith("/") else path

        return dataset_document(
            store.data_source(record), identity=identity, mag_path=mag_path, attachment_path=attachment_path
        )

    def _status(self, record: DatasetRecord) -> str:
        """Nothing where all is well, else why the dataset cannot be used."""
        return "" if record.is_active else self.told(record.status_reason or record.status, record)


def _teams(ids: frozenset[str], about: AboutDatasets, record: DatasetRecord) -> list[Team]:
    found = sorted((about.teams[team] for team in ids if team in about.teams), key=lambda team: team.name)
    return [
        Team(
            id=team.id,
            name=team.name,
            organization=record.organization,
            is_organization_team=team.is_organization_team,
        )
        for team in found
    ]


class DatasetListHandler(DatasetHandler):
    async def get(self) -> None:
        query = self.query(DatasetListQuery)
        if query.limit is not None and not 0 <= query.limit <= _LARGEST_PAGE:
            raise InvalidInput(f"limit: {query.limit} is not from 0 to {_LARGEST_PAGE}.")
        if not 0 <= query.page_number <= _LAST_PAGE:
            raise InvalidInput(f"pageNumber: pages count from 0, and {_LAST_PAGE:,} is the last.")
        store = await self.store()
        await self.services.first_scan()
        wanted = _catalog_query(query, self.principal)
        page = await self.services.run(store.list_datasets, self.principal, wanted)
        is_compact = query.compact or lists_are_compact(self.version)
        about = await self.services.run(store.about, self.principal, page.records, with_teams=not is_compact)
        if query.include_total_count:
            self.set_header("X-Total-Count", str(page.total))
        if is_compact:
            self.send([self._compact(store, record, about) for record in page.records])
        else:
            self.send(
                await self.services.run(lambda: [self.full(store, record, about) for record in page.records])
            )

    def _compact(self, store: Store, record: DatasetRecord, about: AboutDatasets) -> DatasetCompact:
        return DatasetCompact(
            id=record.id,
            name=record.name,
            owning_organization=record.organization,
            folder_id=record.folder_id,
            is_active=record.is_active,
            directory_name=record.directory_name,
            created=record.created,
            is_editable=store.may_edit(self.principal, record),
            last_used_by_user=about.last_used.get(record.id, 0),
            status=self._status(record),
            tags=list(record.tags),
            is_unreported=not record.is_active,
            color_layer_names=list(record.color_layer_names),
            segmentation_layer_names=list(record.segmentation_layer_names),
        )


def _catalog_query(query: DatasetListQuery, principal: Principal) -> DatasetQuery:
    from wk_jupyter.store import DatasetQuery  # noqa: PLC0415 - loads SQLAlchemy

    is_active = query.is_active
    if is_active is None and query.is_unreported is not None:
        is_active = not query.is_unreported
    return DatasetQuery(
        search=query.search_query or "",
        is_active=is_active,
        organization=query.organization_id,
        organization_id=(principal.organization_id or "") if query.only_my_organization else None,
        folder_id=query.folder_id,
        include_subfolders=bool(query.include_subfolders),
        tags=tuple(query.tag),
        team_id=query.team,
        owner_id=query.uploader,
        element_class=query.element_class,
        created_from=query.created_from,
        created_to=query.created_to,
        bytes_from=query.bytes_from,
        bytes_to=query.bytes_to,
        trashed=query.trashed,
        order=query.order,
        descending=query.direction == "descending",
        limit=query.limit,
        offset=query.page_number * (query.limit or 0),
    )


class DatasetDetailHandler(DatasetHandler):
    async def get(self, dataset: str) -> None:
        record = await self.dataset(dataset)
        store = await self.store()
        document = await self.services.run(self._opened, store, record)
        document["usedStorageBytes"] = await self.services.used_storage_bytes(record)
        self.send(document)

    def _opened(self, store: Store, record: DatasetRecord) -> Any:
        store.settings.note_use(self.principal, record)
        return self.full(store, record)


class DisambiguateHandler(LayerHandler):
    """From the old address of a dataset, organization and folder name, to its id."""

    async def get(self, organization: str, directory: str) -> None:
        store = await self.store()
        await self.services.first_scan()
        record = await self.services.run(store.dataset_in_folder, self.principal, organization, directory)
        self.send(
            DatasetIdentity(
                id=record.id,
                name=record.name,
                organization=record.organization,
                directory_name=record.directory_name,
            )
        )


class RefreshHandler(LayerHandler):
    """Compare the data directory with the catalog, now."""

    async def post(self, **_: str) -> None:
        report = await self.services.scan()
        self.send(ScanSummary(datasets=report.datasets, unusable=report.unusable, seconds=report.seconds))


class ReloadHandler(LayerHandler):
    """Look at one dataset again: also its voxels may have changed."""

    async def post(self, organization: str, dataset: str) -> None:
        from wk_jupyter.store.access import no_such_dataset  # noqa: PLC0415 - loaded with the store

        started = time.monotonic()
        record = await self.dataset(dataset)
        if organization != record.organization:
            raise no_such_dataset(dataset)
        found = await self.services.look_again(record)
        seconds = time.monotonic() - started
        self.send(ScanSummary(datasets=1, unusable=int(not found.is_active), seconds=seconds))


class NameCheckHandler(LayerHandler):
    """Whether a new dataset may have a name; that another one has it does not matter."""

    async def get(self, name: str) -> None:
        faults = faults_of_name(name)
        self.send(NameCheck(is_valid=not faults, errors=faults))
