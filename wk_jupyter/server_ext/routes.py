"""All routes: tornado's handlers, the OpenAPI description and the tests of permission are made from this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wk_jupyter.api import folders as folder_wire
from wk_jupyter.api import models
from wk_jupyter.api import people as wire
from wk_jupyter.api.dataset_settings import Access as AccessExplained
from wk_jupyter.api.dataset_settings import (
    AccessQuery,
    AllowedTeamsUpdate,
    ComposedAttachment,
    ComposedLayer,
    ComposedMag,
    DatasetUpdate,
    DeletionQuery,
    SharingToken,
    ViewUpdate,
)
from wk_jupyter.api.events import Event, EventsQuery
from wk_jupyter.server_ext.handlers import (
    bricks,
    composing,
    dataset_settings,
    datasets,
    events,
    folders,
    people,
    pictures,
    proxy,
    server,
    voxels,
    zarr,
)
from wk_jupyter.server_ext.operations import Access, Operation
from wk_jupyter.server_ext.routes_imports import IMPORTS
from wk_jupyter.server_ext.routes_uploads import UPLOADS
from wk_jupyter.store.bricks import BrickRequest

if TYPE_CHECKING:
    from wk_jupyter.server_ext.handlers.base import WkHandler
    from wk_jupyter.server_ext.services import Services

OPEN, VISIBLE, SIGNED_IN, MANAGING = Access.OPEN, Access.VISIBLE, Access.SIGNED_IN, Access.MANAGING
JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
HTML: Final = "text/html"
LAYER: Final = "datasets/{dataset}/layers/{layer}"

_SERVER: Final = (
    Operation(
        "GET", "api", "buildinfo", server.BuildInfoHandler, OPEN, "Versions of the API", models.BuildInfo
    ),
    Operation("GET", "api", "health", server.HealthHandler, OPEN, "Whether the server works", models.Health),
    Operation(
        "GET", "api", "datastores", server.DataStoresHandler, OPEN, "Where voxels are", list[models.DataStore]
    ),
    Operation("GET", "api", "openapi.json", server.OpenApiHandler, OPEN, "This description", JSON),
    Operation(
        "GET", "api", "events", events.EventsHandler, SIGNED_IN,
        "What happens to datasets, folders, teams and users that one may see, as it happens",
        Event, query=EventsQuery, streamed=True,
    ),
)  # fmt: skip

_PEOPLE: Final = (
    Operation("GET", "api", "user", people.CurrentUserHandler, SIGNED_IN, "Who is asking", wire.User),
    Operation("GET", "api", "users", people.UsersHandler, SIGNED_IN, "Users one may see", list[wire.User]),
    Operation(
        "POST", "api", "users", people.UsersHandler, SIGNED_IN, "A new user", wire.User, body=wire.NewUser
    ),
    Operation("GET", "api", "users/{user}", people.UserHandler, SIGNED_IN, "One user", wire.User),
    Operation(
        "PATCH", "api", "users/{user}", people.UserHandler, SIGNED_IN, "Change a user", wire.User,
        body=wire.UserUpdate,
    ),
    Operation(
        "GET", "api", "users/{user}/loggedTime", people.LoggedTimeHandler, SIGNED_IN,
        "Time spent on annotations", wire.LoggedTime,
    ),
    Operation("GET", "api", "teams", people.TeamsHandler, SIGNED_IN, "Teams", list[wire.Team]),
    Operation(
        "POST", "api", "teams", people.TeamsHandler, SIGNED_IN, "A new team", wire.Team, body=wire.NewTeam
    ),
    Operation("DELETE", "api", "teams/{team}", people.TeamsHandler, SIGNED_IN, "Delete a team", JSON),
    Operation("GET", "api", "tokens", people.TokensHandler, SIGNED_IN, "Own tokens", list[wire.ApiToken]),
    Operation(
        "POST", "api", "tokens", people.TokensHandler, SIGNED_IN, "A new token, told this once",
        wire.ApiToken, body=wire.NewToken,
    ),
    Operation("DELETE", "api", "tokens/{token}", people.TokensHandler, SIGNED_IN, "Revoke a token", JSON),
)  # fmt: skip

_DATASETS: Final = (
    Operation(
        "GET", "api", "datasets", datasets.DatasetListHandler, VISIBLE, "Datasets that one may see, by name",
        list[models.DatasetCompact], query=models.DatasetListQuery,
    ),
    Operation(
        "POST", "api", "datasets/refresh", datasets.RefreshHandler, MANAGING,
        "Look for datasets on the disk", models.ScanSummary,
    ),
    Operation(
        "GET", "api", "datasets/disambiguate/{organization}/{directory}/toId", datasets.DisambiguateHandler,
        VISIBLE, "The id of a dataset's folder", models.DatasetIdentity,
    ),
    Operation(
        "GET", "api", "datasets/{name}/isValidNewName", datasets.NameCheckHandler, SIGNED_IN,
        "Whether a new dataset may have this name", models.NameCheck,
    ),
    Operation(
        "GET", "api", "datasets/{dataset}", datasets.DatasetDetailHandler, VISIBLE, "One dataset",
        models.Dataset,
    ),
    Operation(
        "POST", "data", "triggers/checkInboxBlocking", datasets.RefreshHandler, MANAGING,
        "Look for datasets on the disk", models.ScanSummary,
    ),
    Operation(
        "POST", "data", "triggers/reload/{organization}/{dataset}", datasets.ReloadHandler, MANAGING,
        "Look at a dataset on the disk", models.ScanSummary,
    ),
)  # fmt: skip

_SETTINGS: Final = (
    Operation(
        "PATCH", "api", "datasets/{dataset}/updatePartial", dataset_settings.DatasetChangeHandler, VISIBLE,
        "Change what is named of a dataset", models.Dataset, body=DatasetUpdate,
    ),
    Operation(
        "PATCH", "api", "datasets/{dataset}", dataset_settings.DatasetChangeHandler, VISIBLE,
        "Change a dataset, sent whole", models.Dataset, body=DatasetUpdate,
    ),
    Operation(
        "DELETE", "api", "datasets/{dataset}", dataset_settings.DatasetChangeHandler, VISIBLE,
        "Move a dataset to the trash", JSON, query=DeletionQuery,
    ),
    *(
        Operation(
            "POST", "api", f"datasets/{{dataset}}/compose/{action}", handler, VISIBLE,
            f"Refer to {what} of another dataset", models.Dataset, body=body,
        )
        for action, handler, what, body in (
            ("addLayer", composing.AddLayerHandler, "a layer", ComposedLayer),
            ("addMag", composing.AddMagHandler, "a mag", ComposedMag),
            ("addAttachment", composing.AddAttachmentHandler, "an attachment", ComposedAttachment),
        )
    ),
    Operation(
        "POST", "api", "datasets/{dataset}/restore", dataset_settings.RestoreHandler, VISIBLE,
        "Bring a dataset back from the trash", models.Dataset,
    ),
    Operation(
        "PATCH", "api", "datasets/{dataset}/teams", dataset_settings.AllowedTeamsHandler, VISIBLE,
        "Teams that may see a dataset", models.Dataset, body=list[str] | AllowedTeamsUpdate,
    ),
    Operation(
        "GET", "api", "datasets/{dataset}/sharingToken", dataset_settings.SharingTokenHandler, VISIBLE,
        "The token of a dataset's sharing link", SharingToken,
    ),
    Operation(
        "DELETE", "api", "datasets/{dataset}/sharingToken", dataset_settings.SharingTokenHandler, VISIBLE,
        "End a dataset's sharing links", JSON,
    ),
    Operation(
        "GET", "api", "datasetConfigurations/{dataset}", dataset_settings.ViewConfigurationHandler, VISIBLE,
        "How to show a dataset", JSON,
    ),
    Operation(
        "POST", "api", "datasetConfigurations/{dataset}", dataset_settings.ViewConfigurationHandler, VISIBLE,
        "How to show a dataset with annotations", JSON, body=list[str],
    ),
    Operation(
        "PATCH", "api", "datasetConfigurations/{dataset}", dataset_settings.ViewConfigurationHandler,
        SIGNED_IN, "Set how a dataset is shown to oneself", JSON, body=ViewUpdate,
    ),
    Operation(
        "GET", "api", "datasetConfigurations/default/{dataset}", dataset_settings.ViewDefaultsHandler,
        VISIBLE, "How a dataset is shown to those who have set nothing", JSON,
    ),
    Operation(
        "PUT", "api", "datasetConfigurations/default/{dataset}", dataset_settings.ViewDefaultsHandler,
        VISIBLE, "Set how a dataset is shown to those who have set nothing", JSON, body=dict[str, Any],
    ),
    Operation(
        "GET", "api", "datasets/{dataset}/access", dataset_settings.AccessHandler, SIGNED_IN,
        "Why somebody may see a dataset", AccessExplained, query=AccessQuery,
    ),
)  # fmt: skip

_FOLDERS: Final = (
    Operation(
        "GET", "api", "folders/root", folders.RootFolderHandler, SIGNED_IN,
        "The folder that all others lie in", folder_wire.Folder,
    ),
    Operation(
        "GET", "api", "folders/tree", folders.FolderTreeHandler, SIGNED_IN,
        "All folders that one may see, each before those in it", list[folder_wire.FolderWithParent],
        query=folder_wire.FolderTreeQuery,
    ),
    Operation(
        "POST", "api", "folders/create", folders.NewFolderHandler, SIGNED_IN, "A new folder",
        folder_wire.Folder, query=folder_wire.NewFolderQuery,
    ),
    Operation(
        "GET", "api", "folders/{folder}", folders.FolderHandler, SIGNED_IN, "One folder", folder_wire.Folder
    ),
    Operation(
        "PUT", "api", "folders/{folder}", folders.FolderHandler, SIGNED_IN,
        "Change a folder's name, its own teams and its metadata", folder_wire.Folder,
        body=folder_wire.FolderUpdate,
    ),
    Operation(
        "DELETE", "api", "folders/{folder}", folders.FolderHandler, SIGNED_IN, "Delete an empty folder", JSON
    ),
    Operation(
        "PUT", "api", "folders/{folder}/move", folders.MoveFolderHandler, SIGNED_IN,
        "Put a folder into another, or see what that would change", folder_wire.MovedFolder,
        query=folder_wire.MoveQuery,
    ),
)  # fmt: skip

_VOXELS: Final = (
    Operation(
        "POST", "data", f"{LAYER}/bricks", bricks.BricksHandler, VISIBLE,
        "Many bricks of 32³ voxels in one frame, stored blocks as they lie", BYTES, body=BrickRequest,
    ),
    Operation(
        "GET", "data", f"{LAYER}/data", voxels.BucketsHandler, VISIBLE, "The voxels of a box", BYTES,
        query=models.CutoutQuery,
    ),
    Operation(
        "POST", "data", f"{LAYER}/data", voxels.BucketsHandler, VISIBLE,
        "The voxels of cubes; the header MISSING-BUCKETS lists those that are not stored", BYTES,
        body=list[models.Cuboid],
    ),
    Operation(
        "POST", "data", f"{LAYER}/readData", voxels.ReadDataHandler, VISIBLE, "The voxels of a box", BYTES,
        body=models.RawCuboid,
    ),
    Operation(
        "GET", "data", f"{LAYER}/histogram", pictures.HistogramHandler, VISIBLE,
        "How often which intensity occurs, by channel", list[models.Histogram],
    ),
    Operation(
        "GET", "data", f"{LAYER}/findData", pictures.FindDataHandler, VISIBLE,
        "A position where a voxel is not 0", models.FoundData,
    ),
    *(
        Operation(
            "GET", "data", f"{place}/thumbnail{suffix}", handler, VISIBLE, "A picture of the x, y plane",
            "image/png" if suffix == ".png" else "image/jpeg", query=models.PictureQuery,
        )
        for place, handler in (
            (LAYER, pictures.LayerThumbnailHandler),
            ("datasets/{dataset}", pictures.DatasetThumbnailHandler),
        )
        for suffix in ("", ".jpg", ".png")
    ),
)  # fmt: skip

_PROXY: Final = (
    Operation(
        "GET", "data", "datasets/{dataset}/proxy/datasource-properties.json", proxy.ProxyPropertiesHandler,
        VISIBLE, "What the proxied files are", JSON,
    ),
    Operation(
        "GET", "data", "datasets/{dataset}/proxy/layers/{layer}/mags/{mag}/{rest*}", proxy.ProxyMagHandler,
        VISIBLE, "A stored file of a mag, or its Range", BYTES,
    ),
    Operation(
        "GET", "data", "datasets/{dataset}/proxy/layers/{layer}/attachments/{kind}/{rest*}",
        proxy.ProxyAttachmentHandler, VISIBLE, "A stored file of an attachment, or its Range", BYTES,
    ),
)  # fmt: skip


def _zarr_row(path: str, handler: type[WkHandler], summary: str, response: str) -> Operation:
    return Operation("GET", "data", path, handler, VISIBLE, summary, response)


_ZARR2: Final = (
    _zarr_row("zarr/{dataset}", zarr.Zarr2RootHandler, "Links to the layers", HTML),
    _zarr_row("zarr/{dataset}/.zgroup", zarr.Zarr2GroupHandler, "Zarr v2 group of a dataset", JSON),
    _zarr_row(
        "zarr/{dataset}/datasource-properties.json",
        zarr.Zarr2PropertiesHandler,
        "What the Zarr v2 arrays are",
        JSON,
    ),
    _zarr_row("zarr/{dataset}/{layer}", zarr.Zarr2LayerHandler, "Links to the mags", HTML),
    _zarr_row("zarr/{dataset}/{layer}/.zgroup", zarr.Zarr2GroupHandler, "Zarr v2 group of a layer", JSON),
    _zarr_row(
        "zarr/{dataset}/{layer}/.zattrs", zarr.Zarr2LayerAttributesHandler, "OME-NGFF 0.4 of a layer", JSON
    ),
    _zarr_row("zarr/{dataset}/{layer}/{mag}", zarr.Zarr2MagHandler, "Links to the array", HTML),
    _zarr_row("zarr/{dataset}/{layer}/{mag}/.zarray", zarr.Zarr2ArrayHandler, "Zarr v2 array of a mag", JSON),
    _zarr_row("zarr/{dataset}/{layer}/{mag}/{chunk}", zarr.Zarr2ChunkHandler, "A chunk, c.x.y.z", BYTES),
)

_ZARR3: Final = tuple(
    row
    for root in ("zarr3", "zarr3_experimental")
    for row in (
        _zarr_row(f"{root}/{{dataset}}", zarr.Zarr3RootHandler, "Links to the layers", HTML),
        _zarr_row(
            f"{root}/{{dataset}}/zarr.json", zarr.Zarr3GroupHandler, "Zarr v3 group of a dataset", JSON
        ),
        _zarr_row(
            f"{root}/{{dataset}}/datasource-properties.json",
            zarr.Zarr3PropertiesHandler,
            "What the Zarr v3 arrays are",
            JSON,
        ),
        _zarr_row(f"{root}/{{dataset}}/{{layer}}", zarr.Zarr3LayerHandler, "Links to the mags", HTML),
        _zarr_row(
            f"{root}/{{dataset}}/{{layer}}/zarr.json",
            zarr.Zarr3LayerGroupHandler,
            "OME-NGFF 0.5 of a layer",
            JSON,
        ),
        _zarr_row(f"{root}/{{dataset}}/{{layer}}/{{mag}}", zarr.Zarr3MagHandler, "Links to the array", HTML),
        _zarr_row(
            f"{root}/{{dataset}}/{{layer}}/{{mag}}/zarr.json",
            zarr.Zarr3ArrayHandler,
            "Zarr v3 array of a mag",
            JSON,
        ),
        _zarr_row(
            f"{root}/{{dataset}}/{{layer}}/{{mag}}/{{chunk*}}",
            zarr.Zarr3ChunkHandler,
            "A chunk, c/c/x/y/z",
            BYTES,
        ),
    )
)

OPERATIONS: Final = (
    *UPLOADS,
    *_VOXELS,
    *_SERVER,
    *_PEOPLE,
    *_DATASETS,
    *_SETTINGS,
    *_FOLDERS,
    *IMPORTS,
    *_PROXY,
    *_ZARR2,
    *_ZARR3,
)
"""In the order in which addresses are compared: the first that fits answers. The busiest come first."""


def _handler_of(operations: dict[str, Operation]) -> type[WkHandler]:
    """The class that answers all methods of an address: tornado wants one."""
    handlers = tuple(dict.fromkeys(operation.handler for operation in operations.values()))
    if len(handlers) == 1:
        return handlers[0]
    return type("And".join(handler.__name__ for handler in handlers), handlers, {})


def tornado_routes(services: Services) -> list[tuple[str, type[WkHandler], dict[str, Any]]]:
    """One entry an address, relative to the base URL; whatever else is below ``wk/`` comes last."""
    addresses: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        addresses.setdefault(operation.pattern, {})[operation.method] = operation
    routes: list[tuple[str, type[WkHandler], dict[str, Any]]] = [
        (pattern, _handler_of(operations), {"operations": operations, "services": services})
        for pattern, operations in addresses.items()
    ]
    return [*routes, (r"wk(?:/.*)?", server.NowhereHandler, {"operations": {}, "services": services})]
