"""What the catalog and the scan answer with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Status: TypeAlias = Literal["active", "not imported yet", "unreadable", "missing", "importing", "failed"]
JobState: TypeAlias = Literal["pending", "running", "succeeded", "failed", "cancelled"]
Order: TypeAlias = Literal["name", "created", "lastUsed"]
MISSING_REASON: Final = "No longer available on datastore."


@dataclass(frozen=True)
class DatasetRecord:
    """One row of the catalog. ``layers`` are (name, category); times are in ms since 1970.

    ``directory_name`` is the folder on disk, ``name`` what people read. ``warnings`` are those of the
    scan; ``Store.warnings`` adds what is true at the moment. ``team_ids`` are the teams that may see this
    very dataset, ``cumulative_team_ids`` those of its folders as well.
    """

    id: str
    organization_id: str
    organization: str
    folder_id: str
    owner_id: str | None
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
    trashed: int | None = None
    trashed_from: str | None = None
    used_storage_bytes: int | None = None
    sharing_nonce: str | None = field(default=None, repr=False)
    team_ids: frozenset[str] = frozenset()
    cumulative_team_ids: frozenset[str] = frozenset()

    @property
    def is_active(self) -> bool:
        return self.status == "active"

    @property
    def color_layer_names(self) -> tuple[str, ...]:
        return tuple(name for name, category in self.layers if category == "color")

    @property
    def segmentation_layer_names(self) -> tuple[str, ...]:
        return tuple(name for name, category in self.layers if category == "segmentation")


class AboutDatasets(NamedTuple):
    """``last_used``: when the one who asks used which dataset, in ms since 1970. ``teams``: by id."""

    last_used: Mapping[str, int]
    teams: Mapping[str, TeamRecord]


@dataclass(frozen=True)
class DatasetQuery:
    """Which datasets to list, and in which order.

    All words of ``search`` must be found, in whatever case, in the name, the folder's name, the
    description, the tags, the metadata or the names of layers. ``tags`` must all be there; the team is
    allowed on the dataset itself or on a folder above it. Times are in ms since 1970, sizes in bytes;
    ranges include both ends. ``trashed`` lists what of the trash one may restore.
    """

    search: str = ""
    is_active: bool | None = None
    organization: str | None = None
    organization_id: str | None = None
    folder_id: str | None = None
    include_subfolders: bool = False
    tags: tuple[str, ...] = ()
    team_id: str | None = None
    owner_id: str | None = None
    element_class: str | None = None
    created_from: int | None = None
    created_to: int | None = None
    bytes_from: int | None = None
    bytes_to: int | None = None
    trashed: bool = False
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
    """A folder of the catalog, none on disk. Its own teams, and with those of all folders above it."""

    id: str
    organization_id: str
    name: str
    parent_id: str | None = None
    metadata: tuple[Mapping[str, Any], ...] = ()
    team_ids: frozenset[str] = frozenset()
    cumulative_team_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FolderMove:
    """A folder that is moved or may be: which teams gain and lose sight of it and the datasets below.

    Datasets in the trash are not counted. Those with teams of their own may stay in sight of a team that
    loses the folder.
    """

    folder: FolderRecord
    gained: tuple[TeamRecord, ...]
    lost: tuple[TeamRecord, ...]
    dataset_count: int


@dataclass(frozen=True)
class OrganizationRecord:
    """``everyone_id``: the team ``default``, which all users are in."""

    id: str
    name: str
    root_folder_id: str
    everyone_id: str


@dataclass(frozen=True)
class TeamRecord:
    id: str
    organization_id: str
    organization: str
    name: str
    is_organization_team: bool
    created: int


class Membership(NamedTuple):
    team_id: str
    team: str
    is_manager: bool


@dataclass(frozen=True)
class UserRecord:
    """``name`` is what she signs in by. Times are in ms since 1970."""

    id: str
    organization_id: str
    organization: str
    name: str
    email: str
    first_name: str
    last_name: str
    is_admin: bool
    is_dataset_manager: bool
    is_active: bool
    created: int
    last_activity: int | None
    memberships: tuple[Membership, ...] = ()

    @property
    def shown_email(self) -> str:
        """What clients are told, which need an address: one that leads nowhere where none is known."""
        return self.email or f"{self.name}@localhost"

    @property
    def shown_first_name(self) -> str:
        return self.first_name or self.name


@dataclass(frozen=True)
class JobRecord:
    """Something that is done in the background. ``progress`` from 0 to 1; times in ms since 1970.

    ``error``: why it failed, as ``message``, ``hint``, ``code`` and ``details``. ``request`` is what was
    asked for. ``dataset_id`` None: the dataset is gone.
    """

    id: str
    organization_id: str
    owner_id: str | None
    dataset_id: str | None
    dataset_name: str
    kind: str
    state: JobState
    progress: float
    message: str
    error: Mapping[str, Any] | None
    request: Mapping[str, Any] = field(repr=False)
    attempts: int
    created: int
    started: int | None
    finished: int | None
    log: str = field(default="", repr=False)
    runner: str | None = field(default=None, repr=False)
    seen: int | None = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        return self.state in {"succeeded", "failed", "cancelled"}


class FolderFinding(NamedTuple):
    """What a dataset's folder says of it: the columns that the scan decides.

    ``properties`` is the JSON of what was recognised where there is no properties file. ``disk_key``
    changes when the folder has to be looked into again; empty: always. ``element_classes`` has a blank
    on both sides of each, to be searched for.
    """

    directory_name: str
    disk_key: str
    status: Status = "active"
    status_reason: str = ""
    layers: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    properties: bytes | None = None
    element_classes: str = ""


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


def merged_report(reports: Sequence[ScanReport], notices: Sequence[str] = ()) -> ScanReport:
    """Return one report of scans that followed each other, with more notices before theirs."""
    return ScanReport(
        datasets=sum(report.datasets for report in reports),
        added=sum(report.added for report in reports),
        changed=sum(report.changed for report in reports),
        missing=sum(report.missing for report in reports),
        unusable=sum(report.unusable for report in reports),
        seconds=sum(report.seconds for report in reports),
        notices=(*notices, *(notice for report in reports for notice in report.notices)),
        touched=tuple(dataset for report in reports for dataset in report.touched),
    )
