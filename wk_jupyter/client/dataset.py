"""A dataset as one uses it in a cell."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wk_jupyter.client.connection import Connection
from wk_jupyter.client.dataset_settings import DatasetSettings
from wk_jupyter.client.http_source import HttpSource
from wk_jupyter.client.images import Png
from wk_jupyter.client.layer import LAYER_HEAD, Layer, layer_row
from wk_jupyter.client.sources import LocalSource, VoxelSource, source_on_this_machine
from wk_jupyter.datasource import DataSource, LayerSource, parse_data_source
from wk_jupyter.errors import InvalidDataSource, WkError
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.view_configuration import view_configuration

if TYPE_CHECKING:
    from wk_jupyter.widgets.viewer import Viewer

_THUMBNAIL_SIDE = 160


class Layers(Mapping[str, Layer]):
    """A dataset's layers by name: ``ds.layers["color"]``. Raises LayerNotFound, naming those there are."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._source = dataset.data_source

    def __getitem__(self, name: str) -> Layer:
        source = self._source
        return Layer(source.layer(name), source.voxel_size, self._dataset.voxels, self._edit)

    def _edit(self, name: str, changes: Mapping[str, Any]) -> LayerSource:
        """Change a layer on the server, and return it as it is then."""
        self._dataset._edit_layer(name, changes)  # noqa: SLF001 - what a dataset's own layers may ask
        return self._dataset.data_source.layer(str(changes.get("name", name)))

    def __iter__(self) -> Any:
        return iter([layer.name for layer in self._source.layers])

    def __len__(self) -> int:
        return len(self._source.layers)

    def __contains__(self, name: object) -> bool:
        return any(layer.name == name for layer in self._source.layers)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return "\n".join(repr(layer) for layer in self.values())

    def _repr_html_(self) -> str:
        return f"<table>{LAYER_HEAD}{''.join(layer_row(layer) for layer in self.values())}</table>"


class Dataset(DatasetSettings):
    """A dataset on a server, or a folder that lies here. Made by ``wk_jupyter.open``.

    On a server its settings are written when they are set: ``ds.name = "Cortex"``, ``ds.tags += ["em"]``.
    """

    warnings: tuple[str, ...]

    def __init__(
        self,
        source: DataSource,
        voxels: VoxelSource,
        *,
        entry: Mapping[str, Any] | None = None,
        connection: Connection | None = None,
        warnings: tuple[str, ...] = (),
        in_trash: bool = False,
    ) -> None:
        self.data_source = source
        self.connection = connection
        self.warnings = warnings
        self._voxels = voxels
        self._entry = dict(entry or {})
        self._in_trash = in_trash

    @property
    def bounding_box(self) -> BoundingBox:
        """The smallest box that holds all layers, in mag-1 voxels."""
        return self.data_source.bounding_box

    @property
    def layers(self) -> Layers:
        return Layers(self)

    @property
    def voxels(self) -> VoxelSource:
        """What reads the voxels, here or from the server."""
        return self._voxels

    @property
    def view_configuration(self) -> dict[str, Any]:
        """How the dataset is shown: WEBKNOSSOS's keys, completed with defaults."""
        if self.connection is not None:
            configuration: dict[str, Any] = self.connection.api(
                "POST", f"datasetConfigurations/{self.id}", body=[]
            )
            return configuration
        return view_configuration(self.data_source)

    @property
    def folder(self) -> Path | None:
        """Where a dataset that was opened by its path lies; None for one on a server."""
        is_local = self.connection is None and isinstance(self._voxels, LocalSource)
        return self._voxels.folder if is_local else None  # type: ignore[attr-defined]

    def thumbnail(self, width: int = 400, height: int = 400) -> Png:
        """Return a picture of the dataset, as its view configuration shows it."""
        drawn = HttpSource(self.connection, str(self.id)) if self.connection is not None else self._voxels
        return Png(drawn.thumbnail(None, width, height))

    def view(self, **settings: Any) -> Viewer:
        """Show the dataset: ``ds.view(position=(100, 200, 30), zoom=2, layers={"color": {"opacity": 50}})``.

        What is not given comes from the view configuration. See ``wk_jupyter.Viewer``.
        """
        from wk_jupyter.widgets.viewer import Viewer  # noqa: PLC0415 loads ipywidgets

        return Viewer.of(self, **settings)

    @property
    def local_source(self) -> LocalSource | None:
        """A way to read the files in this process, where they can be reached."""
        return self._voxels if isinstance(self._voxels, LocalSource) else None

    def read_bricks(self, layer: str, request: Mapping[str, Any]) -> bytes:
        """Return a brick frame, for a page that asks the kernel instead of a server."""
        if self.connection is not None:
            body = {**request, "accept": ["raw"]}
            path = f"data/v15/datasets/{self.id}/layers/{layer}/bricks"
            return self.connection.request("POST", path, json=body).content
        from wk_jupyter.client.local import bricks  # noqa: PLC0415 loads the stored formats

        source = self.local_source
        if source is None:
            raise WkError(f"{self.name} cannot be read in this process.")
        return bricks(source.reader(self.data_source.layer(layer)), request)

    def _take(self, entry: Mapping[str, Any]) -> None:
        self.data_source, self._voxels = _parts_of(entry, self._server())
        self.warnings = tuple(entry.get("warnings", ()))
        self._entry = dict(entry)

    def __repr__(self) -> str:
        where = f"on {self.connection.url}" if self.connection is not None else f"in {self.folder}"
        layers = ", ".join(self.layers)
        return f"<Dataset {self.name!r} {where}: {layers}; {self.voxel_size}; {self.bounding_box}>"

    def _repr_html_(self) -> str:
        picture = ""
        try:
            data = base64.b64encode(self.thumbnail(_THUMBNAIL_SIDE, _THUMBNAIL_SIDE).data).decode()
            side = _THUMBNAIL_SIDE
            picture = f"<img alt='' width='{side}' height='{side}' src='data:image/png;base64,{data}'>"
        except WkError as error:
            picture = f"<div>no picture: {escape(error.message)}</div>"
        notes = "".join(f"<li>{escape(warning)}</li>" for warning in self.warnings)
        extent = " × ".join(f"{n:,}" for n in self.bounding_box.size)
        facts = f"{escape(str(self.voxel_size))} a voxel, {extent} voxels"
        return (
            "<div style='display:flex;gap:16px;align-items:flex-start'>"
            f"<div>{picture}</div><div><b>{escape(self.name)}</b>"
            f"<div style='color:var(--jp-ui-font-color2,#616161)'>{facts}</div>"
            f"{self.layers._repr_html_()}"
            f"{f'<ul>{notes}</ul>' if notes else ''}</div></div>"
        )


def dataset_of_entry(entry: Mapping[str, Any], connection: Connection, *, in_trash: bool = False) -> Dataset:
    """Make a dataset of what the server tells. Raises InvalidDataSource, saying why it is unusable."""
    source, voxels = _parts_of(entry, connection)
    warnings = tuple(entry.get("warnings", ()))
    return Dataset(source, voxels, entry=entry, connection=connection, warnings=warnings, in_trash=in_trash)


def _parts_of(entry: Mapping[str, Any], connection: Connection) -> tuple[DataSource, VoxelSource]:
    document = entry["dataSource"]
    if "status" in document:
        reason = entry.get("statusReason") or document["status"]
        raise InvalidDataSource(
            f"the dataset {entry['name']!r} cannot be opened: {reason}",
            hint="Mend it on disk, then wk.refresh().",
        )
    source = parse_data_source(document, origin=f"the answer for {entry['name']}", name=entry["name"])
    return source, source_on_this_machine(connection, source) or HttpSource(connection, entry["id"])
