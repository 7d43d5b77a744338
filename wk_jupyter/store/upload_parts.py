"""Mags and attachments that are brought into a dataset which is there already.

Either they were uploaded and are moved to their place, or a client that sees the server's disk has put
them there itself, as files or as links. Who brings them must be able to edit the dataset.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from wk_jupyter.datasource import DataSource, LayerSource, parse_data_source
from wk_jupyter.errors import Conflict, Forbidden, InvalidInput, NotFound
from wk_jupyter.geometry import Mag
from wk_jupyter.store.access import Action, Principal
from wk_jupyter.store.attachment_edits import KINDS
from wk_jupyter.store.context import Context
from wk_jupyter.store.data_dir import BINARY_DATA
from wk_jupyter.store.data_source_edits import REMOVED, write_edited
from wk_jupyter.store.names import checked_name
from wk_jupyter.store.records import DatasetRecord

SINGLE: Final = "the-file-itself"
"""The path of an upload that is one file, without a folder."""
_ORIGIN: Final = "dataSource"
_HEADERS: Final = {"wkw": "header.wkw", "zarr": ".zarray", "zarr3": "zarr.json", "n5": "attributes.json"}
_LISTS: Final = frozenset({"meshes", "agglomerates", "connectomes"})
_SUFFIXES: Final = {"hdf5": ".hdf5", "json": ".json", "zarr3": "", "neuroglancerPrecomputed": ""}


class MagPart(msgspec.Struct, frozen=True, tag="mag"):
    """A mag for a layer; ``axis_order`` and ``channel_index`` as a properties file has them."""

    dataset_id: str
    layer: str
    mag: tuple[int, int, int]
    axis_order: Mapping[str, int] | None = None
    channel_index: int | None = None

    def place(self, layer: LayerSource) -> Path:
        """Return where it belongs within the dataset. Raises Conflict where there is one."""
        mag = Mag(self.mag)
        if any(each.mag == mag for each in layer.mags):
            raise Conflict(f"the layer {layer.name!r} has a mag {mag} already.", hint="Delete it first.")
        return Path(layer.name) / mag.name

    def added(self, layer: Mapping[str, Any], place: Path) -> dict[str, Any]:
        """Return a layer's JSON with this in it."""
        entry = {
            "mag": list(self.mag),
            "path": f"./{place.as_posix()}",
            "axisOrder": self.axis_order,
            "channelIndex": self.channel_index,
        }
        told = {key: value for key, value in entry.items() if value is not None}
        return {**layer, "mags": [*layer["mags"], told]}

    def require_usable(self, layer: LayerSource, path: Path) -> None:
        """Raise InvalidInput where a folder cannot be a mag of a layer."""
        header = _HEADERS.get(layer.data_format)
        if not path.is_dir() or (header is not None and not (path / header).is_file()):
            raise InvalidInput(
                f"what was brought is no mag stored as {layer.data_format}: it has no {header}.",
                hint=f"All mags of {layer.name!r} are stored alike.",
            )


class AttachmentPart(msgspec.Struct, frozen=True, tag="attachment"):
    """An attachment for a layer. ``kind``: a field of ``attachments``."""

    dataset_id: str
    layer: str
    kind: str
    name: str
    data_format: str

    def place(self, layer: LayerSource) -> Path:
        """Return where it belongs within the dataset. Raises Conflict where there is one, InvalidInput."""
        place = attachment_place(layer.name, self.kind, self.name, self.data_format)
        name = self.name.strip()
        there = self._there(layer.to_document())
        if any(each.get("name") == name for each in there) or (there and self.kind not in _LISTS):
            raise Conflict(
                f"the layer {layer.name!r} has an attachment {name!r} already, or may have one only.",
                hint="Delete it first.",
            )
        return place

    def added(self, layer: Mapping[str, Any], place: Path) -> dict[str, Any]:
        """Return a layer's JSON with this in it."""
        entry = {"name": self.name.strip(), "path": f"./{place.as_posix()}", "dataFormat": self.data_format}
        listed = [*self._there(layer), entry] if self.kind in _LISTS else entry
        return {**layer, "attachments": {**(layer.get("attachments") or {}), self.kind: listed}}

    def require_usable(self, layer: LayerSource, path: Path) -> None:
        """Raise InvalidInput where nothing is there."""
        if not path.exists():
            raise InvalidInput(f"there is nothing for the attachment {self.name!r} of {layer.name!r}.")

    def _there(self, layer: Mapping[str, Any]) -> list[dict[str, Any]]:
        found = (layer.get("attachments") or {}).get(self.kind) or []
        return [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]


Part = MagPart | AttachmentPart


class UploadParts:
    """Puts mags and attachments into datasets on somebody's behalf. Thread-safe.

    ``roots``: where links may lead to, besides the datasets of the server's own organization.
    """

    def __init__(self, context: Context, roots: tuple[Path, ...] = ()) -> None:
        self._context = context
        own = context.data_dir / BINARY_DATA / context.home.name
        self._roots = tuple(Path(os.path.realpath(root)) for root in (*roots, own))

    def require_possible(self, principal: Principal, part: Part) -> None:
        """Raise what ``put`` would: DatasetNotFound, Forbidden, LayerNotFound, Conflict, InvalidInput."""
        with self._context.engine.connect() as connection:
            record = self._context.dataset(connection, principal, part.dataset_id, Action.EDIT)
        self._place(record, part)

    def put(self, principal: Principal, part: Part, brought: Path) -> DatasetRecord:
        """Move what was uploaded to its place. Raises as ``require_possible``; then it stays where it is."""
        moved: Path | None = None
        try:
            with self._context.changes.writing() as writer:
                record = self._context.dataset(writer.connection, principal, part.dataset_id, Action.EDIT)
                place = self._free(record, self._place(record, part))
                source = _alone(brought) if isinstance(part, AttachmentPart) else brought
                part.require_usable(self._source(record).layer(part.layer), source)
                source.rename(place)
                moved = place
                writer.note("dataset", "changed", record.id, record.organization_id)
                self._write(record, part, place)
        except BaseException:
            if moved is not None:
                with contextlib.suppress(OSError):
                    moved.rename(source)
            raise
        return self._context.look_again(record)

    def reserve(self, principal: Principal, part: Part) -> Path:
        """Return where somebody who sees this disk may put a part herself. Raises as ``put``."""
        self.require_disk(principal)
        with self._context.engine.connect() as connection:
            record = self._context.dataset(connection, principal, part.dataset_id, Action.EDIT)
        return self._free(record, self._place(record, part))

    def finish(self, principal: Principal, part: Part) -> DatasetRecord:
        """Take what was put into a reserved place. Raises as ``put``, Forbidden for links that lead out."""
        self.require_disk(principal)
        with self._context.changes.writing() as writer:
            record = self._context.dataset(writer.connection, principal, part.dataset_id, Action.EDIT)
            place = self._place(record, part)
            if not os.path.lexists(place):
                raise NotFound(f"there is nothing at {place.name} yet.", hint="Put it there, then finish.")
            self.require_allowed(self._context.folder(record), place)
            part.require_usable(self._source(record).layer(part.layer), place)
            writer.note("dataset", "changed", record.id, record.organization_id)
            self._write(record, part, place)
        return self._context.look_again(record)

    def require_allowed(self, folder: Path, place: Path) -> None:
        """Raise Forbidden for a link that leads to where nobody may import from; it is taken away."""
        real = Path(os.path.realpath(place))
        if not any(real.is_relative_to(root) for root in (*self._roots, Path(os.path.realpath(folder)))):
            if place.is_symlink():
                place.unlink()
            raise Forbidden(
                f"the link {place.name} leads to a folder from which may not be imported.",
                hint="WkJupyterApp.allowed_roots says from where.",
            )

    def require_disk(self, principal: Principal) -> None:
        """Raise Forbidden for whom the server's disk is none of her business."""
        if not principal.administers(self._context.home.id):
            raise Forbidden(
                "only admins may put files on the server's disk.", hint="Upload them over HTTP instead."
            )

    def _source(self, record: DatasetRecord) -> DataSource:
        return self._context.data_source(record)

    def _place(self, record: DatasetRecord, part: Part) -> Path:
        if record.trashed is not None:
            raise Conflict(f"the dataset {record.name!r} is in the trash.", hint="Restore it first.")
        folder = self._context.folder(record)
        return folder / part.place(self._source(record).layer(part.layer))

    def _free(self, record: DatasetRecord, place: Path) -> Path:
        """Make the folders above a place; what lies there and belongs to nothing is put aside."""
        folder = self._context.folder(record)
        if not os.path.realpath(place.parent).startswith(os.path.realpath(folder) + os.sep):
            raise InvalidInput(
                f"{place.parent.name} is a link to somewhere else: nothing is written there.",
                hint="Add it to a layer that lies in the dataset's own folder.",
            )
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_symlink():
                place.unlink()
            elif place.exists():
                aside = folder / REMOVED / str(time.time_ns() // 1_000_000) / place.relative_to(folder)
                aside.parent.mkdir(parents=True)
                shutil.move(place, aside)
        except OSError as error:
            raise Conflict(f"{place.name} cannot be written: {error.strerror}.") from None
        return place

    def _write(self, record: DatasetRecord, part: Part, place: Path) -> None:
        folder, source = self._context.folder(record), self._source(record)
        layer = part.added(source.layer(part.layer).to_document(), place.relative_to(folder))
        document = source.to_document()
        layers = [layer if each["name"] == layer["name"] else each for each in document["dataLayers"]]
        result = parse_data_source({**document, "dataLayers": layers}, origin=_ORIGIN, name=source.name)
        write_edited(folder, result)


def attachment_place(layer: str, kind: str, name: str, data_format: str) -> Path:
    """Return where an attachment belongs within a dataset. Raises InvalidInput where it cannot be one."""
    name = checked_name(name, "attachment name", refused="/\\", most=200)
    if kind not in KINDS or data_format not in _SUFFIXES or name in {".", ".."}:
        raise InvalidInput(f"there are no attachments of the kind {kind[:40]!r} as it is described.")
    return Path(layer) / kind / f"{name}{_SUFFIXES[data_format]}"


def _alone(brought: Path) -> Path:
    """An attachment that is one file came as a file of the name ``SINGLE``."""
    single = brought / SINGLE
    return single if single.is_file() else brought
