"""What the catalog and the scan answer with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Status: TypeAlias = Literal["active", "not imported yet", "unreadable", "missing"]
Order: TypeAlias = Literal["name", "created"]
MISSING_REASON: Final = "No longer available on datastore."


@dataclass(frozen=True)
class DatasetRecord:
    """One row of the catalog. ``layers`` are (name, category); times are in ms since 1970.

    ``directory_name`` is the folder on disk, ``name`` what people read. ``warnings`` are those of the
    scan; ``Store.warnings`` adds what is true at the moment.
    """

    id: str
    organization: str
    folder_id: str
    directory_name: str
    name: str
    description: str | None
    tags: tuple[str, ...]
    metadata: tuple[Mapping[str, Any], ...]
    is_public: bool
    created: int
    sorting_key: int
    status: Status
    status_reason: str
    warnings: tuple[str, ...]
    layers: tuple[tuple[str, str], ...]
    disk_key: str = field(repr=False)
    admin_view_configuration: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def is_active(self) -> bool:
        return self.status == "active"

    @property
    def color_layer_names(self) -> tuple[str, ...]:
        return tuple(name for name, category in self.layers if category == "color")

    @property
    def segmentation_layer_names(self) -> tuple[str, ...]:
        return tuple(name for name, category in self.layers if category == "segmentation")


@dataclass(frozen=True)
class DatasetQuery:
    """Which datasets to list, and in which order.

    All words of ``search`` must be found, in whatever case, in the name, the folder's name, the
    description, the tags or the names of layers.
    """

    search: str = ""
    is_active: bool | None = None
    organization: str | None = None
    folder_id: str | None = None
    order: Order = "name"
    descending: bool = False
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class DatasetPage:
    """A part of a list, and how many there are in all."""

    records: list[DatasetRecord]
    total: int


@dataclass(frozen=True)
class FolderRecord:
    id: str
    name: str
    parent_id: str | None = None


@dataclass(frozen=True)
class OrganizationRecord:
    id: str
    name: str
    root_folder: FolderRecord


@dataclass(frozen=True)
class UserRecord:
    """``created`` is in ms since 1970."""

    id: str
    name: str
    is_admin: bool
    created: int


class FolderFinding(NamedTuple):
    """What a dataset's folder says of it: the columns that the scan decides.

    ``properties`` is the JSON of what was recognised where there is no properties file. ``disk_key``
    changes when the folder has to be looked into again; empty: always.
    """

    directory_name: str
    disk_key: str
    status: Status = "active"
    status_reason: str = ""
    layers: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    properties: bytes | None = None


@dataclass(frozen=True)
class ScanReport:
    """What a scan of the data directory found. ``touched`` are ids of datasets that changed or went."""

    datasets: int
    added: int
    changed: int
    missing: int
    unusable: int
    seconds: float
    notices: tuple[str, ...] = ()
    touched: tuple[str, ...] = field(default=(), repr=False)
