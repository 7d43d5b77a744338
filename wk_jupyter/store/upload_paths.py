"""Datasets that somebody who sees the server's disk puts there herself: reserved, then finished.

She writes to ``<organization>/.paths/<dataset id>/dataset``. When it is finished that becomes a link to the
dataset, because whoever moved files there has left links to that place behind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from wk_jupyter.datasource import DataSource, parse_data_source, write_properties
from wk_jupyter.errors import Conflict, InvalidDataSource, InvalidInput, NotFound
from wk_jupyter.geometry import Mag
from wk_jupyter.store.access import Principal
from wk_jupyter.store.catalog.database import new_id
from wk_jupyter.store.catalog.tables import datasets
from wk_jupyter.store.composing import Composing
from wk_jupyter.store.context import Context
from wk_jupyter.store.data_dir import BINARY_DATA
from wk_jupyter.store.imports.imports import Delivery, Imports
from wk_jupyter.store.imports.stored import require_own_files
from wk_jupyter.store.upload_parts import UploadParts, attachment_place

PATHS: Final = ".paths"
_RESERVED: Final = "reserved.json"
_ID: Final = re.compile(r"[0-9a-f]{24}")


class PathReservation(msgspec.Struct, frozen=True):
    """A dataset to be. ``document``: its data source; ``links``: (dataset, layer, new name)."""

    name: str
    document: Mapping[str, Any]
    folder_id: str | None = None
    team_ids: tuple[str, ...] = ()
    links: tuple[tuple[str, str, str], ...] = ()
    is_unique: bool = False


@dataclass(frozen=True)
class UploadPaths:
    """Reserves and finishes. Thread-safe."""

    context: Context
    imports: Imports
    composing: Composing
    parts: UploadParts

    def reserve(self, principal: Principal, wanted: PathReservation) -> tuple[str, dict[str, Any]]:
        """Return a new dataset's id, and its data source with absolute paths to which files are to go.

        Raises Forbidden, InvalidInput, InvalidDataSource, NotFound, Conflict.
        """
        self.parts.require_disk(principal)
        self.imports.require_may_add(
            principal, name=wanted.name, folder_id=wanted.folder_id, team_ids=wanted.team_ids
        )
        if wanted.is_unique:
            self._require_unique(wanted.name)
        source = _placed(wanted)
        dataset_id = new_id()
        folder = self._place(dataset_id)
        folder.mkdir(parents=True)
        document = source.to_document()
        kept = msgspec.structs.replace(wanted, document=document)
        (folder.parent / _RESERVED).write_bytes(msgspec.json.encode(kept))
        return dataset_id, _absolute(document, folder)

    def finish(self, principal: Principal, dataset_id: str) -> None:
        """Make a dataset of what was put there; asked again, nothing happens.

        Raises Forbidden for links that lead out, NotFound, WkError where a mag is wrong: files stay there.
        """
        self.parts.require_disk(principal)
        folder = self._place(dataset_id)
        if not _ID.fullmatch(dataset_id) or not (folder.parent / _RESERVED).is_file():
            raise NotFound(f"no dataset was reserved as {dataset_id[:100]!r}.")
        if folder.is_symlink():
            return
        wanted = msgspec.json.decode((folder.parent / _RESERVED).read_bytes(), type=PathReservation)
        if folder.is_dir():
            self._check(folder, wanted)
        delivery = Delivery(
            name=wanted.name,
            folder=folder,
            link=True,
            folder_id=wanted.folder_id,
            team_ids=wanted.team_ids,
            dataset_id=dataset_id,
        )
        self.imports.take(principal, delivery)
        for other, layer, name in wanted.links:
            self.composing.add_layer(principal, dataset_id, source=other, layer=layer, name=name)
        with self.context.engine.connect() as connection:
            record = self.context.find(connection, dataset_id)
        if record.is_active:
            folder.symlink_to(self.context.folder(record))

    def _check(self, folder: Path, wanted: PathReservation) -> None:
        """Refuse what could not become a dataset, while files are still where they were put."""
        source = parse_data_source(wanted.document, origin="dataSource", name=wanted.name)
        for layer in wanted.document["dataLayers"]:
            for entry in _entries(layer):
                self.parts.require_allowed(folder, folder / entry["path"])
                if not (folder / entry["path"]).exists():
                    raise NotFound(
                        f"there is nothing at {entry['path']} yet.", hint="Put it there, then finish."
                    )
        require_own_files(folder, source, linked=True)
        write_properties(folder, source)

    def _require_unique(self, name: str) -> None:
        is_it = sa.and_(datasets.c.organization_id == self.context.home.id, datasets.c.name == name)
        with self.context.engine.connect() as connection:
            if connection.scalar(sa.select(sa.func.count()).select_from(datasets).where(is_it)):
                raise Conflict(f"there is a dataset {name!r} already.", hint="Choose another name.")

    def _place(self, dataset_id: str) -> Path:
        root = self.context.data_dir / BINARY_DATA / self.context.home.name
        return root / PATHS / dataset_id / "dataset"


def _placed(wanted: PathReservation) -> DataSource:
    """Return the data source with all files in the dataset's own folder, wherever they are said to be."""
    document = msgspec.json.decode(msgspec.json.encode(wanted.document))
    try:
        for layer in document["dataLayers"]:
            for mag in layer["mags"]:
                mag["path"] = f"./{layer['name']}/{Mag(mag['mag']).name}"
                mag.pop("credentialId", None)
            for kind, listed in (layer.get("attachments") or {}).items():
                for each in listed if isinstance(listed, list) else [listed]:
                    if each is not None:
                        name, data_format = str(each["name"]), str(each["dataFormat"])
                        each["path"] = f"./{attachment_place(layer['name'], kind, name, data_format)}"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidDataSource(f"dataSource: a layer is wrong: {error!r}.", field="dataLayers") from None
    source = parse_data_source(document, origin="dataSource", name=wanted.name)
    if not source.layers:
        raise InvalidInput("dataSource: it has no layers.", hint="A dataset has one at least.")
    return source


def _entries(layer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All of a layer's JSON that has a path."""
    found = list(layer["mags"])
    for listed in (layer.get("attachments") or {}).values():
        found += [each for each in (listed if isinstance(listed, list) else [listed]) if each]
    return found


def _absolute(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    copy: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    for layer in copy["dataLayers"]:
        for entry in _entries(layer):
            entry["path"] = os.path.normpath(folder / entry["path"])
    return copy
