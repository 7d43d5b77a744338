"""Requests and replies as they go over the wire: field names and JSON types of the WEBKNOSSOS API.

Python names are in snake case, JSON names in camel case. Positions and sizes are x, y, z in mag-1
voxels unless a field says otherwise. Times are milliseconds since 1970.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from wk_jupyter.api.people import Team
from wk_jupyter.api.wire import Wire

Vec3 = tuple[int, int, int]
Json = dict[str, Any]


# --- errors ---------------------------------------------------------------------------------


class Message(Wire):
    """``changed``: of a conflict, the fields that somebody else changed, as they are now."""

    error: str
    hint: str = ""
    code: str = "error"
    changed: Json | UnsetType = UNSET


class Messages(Wire):
    """The one shape of every error."""

    messages: list[Message]


# --- server ---------------------------------------------------------------------------------


class HttpApiVersioning(Wire):
    current_api_version: int
    oldest_supported_api_version: int


class Software(Wire):
    name: str
    version: str


class BuildInfo(Wire):
    webknossos: Software
    http_api_versioning: HttpApiVersioning
    local_data_store_enabled: bool = True
    local_tracing_store_enabled: bool = False


class Health(Wire, omit_defaults=True):
    """``dataDirId`` is told to the signed-in alone: it proves that the server's paths are one's own."""

    status: str = "ok"
    version: str = ""
    data_dir_id: str | None = None
    scanning: bool = False


class DataStore(Wire):
    url: str
    name: str
    allows_upload: bool
    is_scratch: bool = False
    jobs_supported_by_available_workers: tuple[str, ...] = ()
    jobs_enabled: bool = False


# --- datasets -------------------------------------------------------------------------------


class DatasetCompact(Wire):
    id: str
    name: str
    owning_organization: str
    folder_id: str
    is_active: bool
    directory_name: str
    created: int
    is_editable: bool
    last_used_by_user: int
    status: str
    tags: list[str]
    is_unreported: bool
    color_layer_names: list[str]
    segmentation_layer_names: list[str]


class Dataset(Wire):
    """``dataSource`` is the datasource-properties document, or ``{"id", "status"}`` where unusable.

    ``statusReason`` says in words why it is unusable; ``warnings`` what is odd but does not hinder.
    ``usedStorageBytes`` is null as long as the dataset's files have not been counted. Teams are told to
    members of the organization; ``owner`` is the id of whoever brought the dataset.
    """

    id: str
    name: str
    data_source: Json
    data_store: DataStore
    owning_organization: str
    allowed_teams: list[Team]
    allowed_teams_cumulative: list[Team]
    is_active: bool
    is_public: bool
    description: str | None
    directory_name: str
    created: int
    is_editable: bool
    last_used_by_user: int
    logo_url: str
    sorting_key: int
    metadata: list[Json]
    is_unreported: bool
    tags: list[str]
    folder_id: str
    used_storage_bytes: int | None
    owner: str | None
    is_virtual: bool
    status_reason: str
    warnings: list[str]


class DatasetIdentity(Wire):
    id: str
    name: str
    organization: str
    directory_name: str


class DatasetListQuery(Wire):
    """Every filter is optional, and all of them must be met.

    All words of ``searchQuery`` must be found in the name, the folder on disk, the description, tags,
    metadata or names of layers. ``tag`` may come several times. ``team`` and ``uploader`` are ids; ranges
    include both ends, in ms since 1970 and in bytes. ``trashed`` lists what of the trash one may restore.
    """

    is_active: bool | None = None
    is_unreported: bool | None = None
    organization_id: str | None = None
    only_my_organization: bool = False
    search_query: str | None = None
    folder_id: str | None = None
    include_subfolders: bool | None = None
    tag: list[str] = []  # noqa: RUF012 - msgspec copies it
    team: str | None = None
    uploader: str | None = None
    element_class: str | None = None
    created_from: int | None = None
    created_to: int | None = None
    bytes_from: int | None = None
    bytes_to: int | None = None
    trashed: bool = False
    order: Literal["name", "created", "lastUsed"] = "name"
    direction: Literal["ascending", "descending"] = "ascending"
    limit: int | None = None
    page_number: int = 0
    include_total_count: bool = False
    compact: bool = False


class NameCheck(Wire):
    """``errors`` has a sentence for each reason why a dataset cannot have this name."""

    is_valid: bool
    errors: list[str]


class ScanSummary(Wire):
    """What a scan of the data directory found."""

    datasets: int
    unusable: int
    seconds: float


# --- voxels ---------------------------------------------------------------------------------


class AdditionalCoordinate(Wire):
    """A place on an additional axis, such as time."""

    name: str
    value: int


class CutoutQuery(Wire):
    """``x``, ``y``, ``z`` in mag-1 voxels; ``width``, ``height``, ``depth`` in voxels of ``mag``.

    ``additionalCoordinates`` is written ``t=3,q=0``.
    """

    x: int
    y: int
    z: int
    width: int
    height: int
    depth: int
    mag: str = "1"
    half_byte: bool = False
    additional_coordinates: str = ""


class Cuboid(Wire):
    """``position`` in mag-1 voxels; sizes in voxels of ``mag``. ``zoomStep`` is the old ``mag``."""

    position: Vec3
    mag: Vec3 | None = None
    zoom_step: int | None = None
    cube_size: int = 32
    four_bit: bool = False
    additional_coordinates: list[AdditionalCoordinate] | None = None


class RawCuboid(Wire):
    """``position`` in mag-1 voxels; sizes in voxels of ``mag``."""

    position: Vec3
    width: int
    height: int
    depth: int
    mag: Vec3 = (1, 1, 1)
    half_byte: bool = False
    additional_coordinates: list[AdditionalCoordinate] | None = None


class PictureQuery(Wire):
    """Size in pixels; ``x``, ``y``, ``z`` the centre in mag-1 voxels; ``zoom`` mag-1 voxels a pixel.

    ``color`` is ``rrggbb``. What is not given comes from the view configuration.
    """

    width: int = 400
    height: int = 400
    x: int | None = None
    y: int | None = None
    z: int | None = None
    mag: str | None = None
    zoom: float | None = None
    intensity_min: float | None = None
    intensity_max: float | None = None
    color: str | None = None
    invert_color: bool | None = None


class Histogram(Wire):
    """``histogram`` has 256 equal bins from ``min`` to ``max``; voxels of value 0 are left out."""

    number_of_elements: int
    min: float
    max: float
    histogram: list[int]


class FoundData(Wire):
    """``position``: the mag-1 voxel of a value that is not 0; both null where there is none."""

    position: Vec3 | None
    mag: Vec3 | None
