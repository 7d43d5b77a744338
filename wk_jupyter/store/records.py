"""What the catalog answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Status: TypeAlias = Literal["active", "not imported yet", "unreadable", "missing"]
MISSING_REASON: Final = "No longer available on datastore."


@dataclass(frozen=True)
class DatasetRecord:
    """One row of the catalog. ``layers`` are (name, category); ``created`` is in ms since 1970."""

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
    """Which datasets to list. All pieces of ``search`` must be found, in whatever case."""

    search: str = ""
    is_active: bool | None = None
    organization: str | None = None
    folder_id: str | None = None
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class DatasetPage:
    """A part of a list, sorted by name, and how many there are in all."""

    records: list[DatasetRecord]
    total: int


@dataclass(frozen=True)
class FolderRecord:
    id: str
    name: str
    parent_id: str | None = None


@dataclass(frozen=True)
class ScanReport:
    """What a scan of the data directory found."""

    datasets: int
    added: int
    changed: int
    missing: int
    unusable: int
    seconds: float
    notices: tuple[str, ...] = ()
