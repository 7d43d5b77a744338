"""Layers, mags and attachments of one dataset in another, by links on disk: nothing is copied.

Who composes must be able to see the source and to edit the target. A link gives whoever sees the target
the source's voxels too, so that is what composing means. Deleting the target loses links alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from wk_jupyter.datasource import DataSource, parse_data_source
from wk_jupyter.errors import Conflict, InvalidInput, NotFound
from wk_jupyter.geometry import Mag
from wk_jupyter.store.access import Action, Principal
from wk_jupyter.store.context import Context
from wk_jupyter.store.data_source_edits import write_edited
from wk_jupyter.store.names import checked_name
from wk_jupyter.store.records import DatasetRecord
from wk_jupyter.store.volumes import resolve_mag_path

_ORIGIN: Final = "dataSource"


@dataclass(frozen=True)
class _Part:
    """One dataset of the two, as an open transaction sees it."""

    record: DatasetRecord
    folder: Path
    source: DataSource

    def layer_document(self, name: str) -> dict[str, Any]:
        """Raises LayerNotFound."""
        return self.source.layer(name).to_document()


class Composing:
    """Puts parts of datasets into others on somebody's behalf. Thread-safe."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def add_layer(
        self, principal: Principal, target: str, *, source: str, layer: str, name: str
    ) -> DatasetRecord:
        """Add a layer of another dataset. Raises DatasetNotFound, Forbidden, LayerNotFound, Conflict."""

        def compose(into: _Part, of: _Part) -> tuple[dict[str, Any], dict[Path, Path]]:
            document = of.layer_document(layer)
            if any(each.name == name for each in into.source.layers):
                raise Conflict(f"there is a layer {name!r} already.", hint="Give it another name.")
            links = {}
            for mag, entry in zip(of.source.layer(layer).mags, document["mags"], strict=True):
                place = PurePosixPath(name) / mag.mag.name
                links[into.folder / place] = resolve_mag_path(of.folder, of.source.layer(layer), mag)
                entry["path"] = f"./{place}"
            document |= {"name": name}
            document.pop("attachments", None)
            whole = into.source.to_document()
            return {**whole, "dataLayers": [*whole["dataLayers"], document]}, links

        return self._compose(principal, target, source, compose)

    def add_mag(
        self,
        principal: Principal,
        target: str,
        *,
        source: str,
        layers: tuple[str, str],
        mags: tuple[Mag, Mag],
    ) -> DatasetRecord:
        """Add a mag of another dataset's layer to a layer: ``layers`` and ``mags`` are (source, target).

        Raises DatasetNotFound, Forbidden, LayerNotFound, MagNotFound, Conflict, InvalidInput where the
        voxels are of another type.
        """

        def compose(into: _Part, of: _Part) -> tuple[dict[str, Any], dict[Path, Path]]:
            theirs, ours = of.source.layer(layers[0]), into.source.layer(layers[1])
            for what in ("element_class", "data_format", "num_channels"):
                if getattr(theirs, what) != getattr(ours, what):
                    raise InvalidInput(
                        f"the layer {ours.name!r} has {what} {getattr(ours, what)}, the other "
                        f"{getattr(theirs, what)}.",
                        hint="Mags of one layer are of one kind.",
                    )
            if any(each.mag == mags[1] for each in ours.mags):
                raise Conflict(f"the layer {ours.name!r} has a mag {mags[1]} already.")
            found = next((each for each in theirs.mags if each.mag == mags[0]), None)
            if found is None:
                raise NotFound(f"the layer {theirs.name!r} has no mag {mags[0]}.")
            place = PurePosixPath(ours.name) / mags[1].name
            entry = {**found.to_document(), "mag": list(mags[1]), "path": f"./{place}"}
            layer = {**ours.to_document(), "mags": [*ours.to_document()["mags"], entry]}
            links = {into.folder / place: resolve_mag_path(of.folder, theirs, found)}
            return _with_layer(into.source, layer), links

        return self._compose(principal, target, source, compose)

    def add_attachment(
        self,
        principal: Principal,
        target: str,
        *,
        source: str,
        layers: tuple[str, str],
        kind: str,
        names: tuple[str, str],
    ) -> DatasetRecord:
        """Add an attachment of another dataset's layer; ``kind`` is a field of ``attachments``.

        Raises DatasetNotFound, Forbidden, LayerNotFound, NotFound, Conflict.
        """

        def compose(into: _Part, of: _Part) -> tuple[dict[str, Any], dict[Path, Path]]:
            theirs = _attachments(of.layer_document(layers[0]), kind)
            found = next((each for each in theirs if each["name"] == names[0]), None)
            if found is None:
                raise NotFound(f"the layer {layers[0]!r} has no attachment {names[0]!r} among its {kind}.")
            layer = into.layer_document(layers[1])
            there = _attachments(layer, kind)
            if any(each["name"] == names[1] for each in there):
                raise Conflict(f"the layer {layers[1]!r} has an attachment {names[1]!r} already.")
            path = PurePosixPath(str(found.get("path", "")))
            if path.is_absolute() or ".." in path.parts:
                raise InvalidInput(f"the path {str(path)!r} of the attachment leaves its dataset.")
            name = checked_name(names[1], "targetAttachmentName", refused="/\\", most=200)
            place = PurePosixPath(layers[1]) / kind / f"{name}{path.suffix}"
            entry = {**found, "name": name, "path": f"./{place}"}
            listed = {**(layer.get("attachments") or {}), kind: [*there, entry]}
            document = _with_layer(into.source, {**layer, "attachments": listed})
            return document, {into.folder / place: of.folder / path}

        return self._compose(principal, target, source, compose)

    def _compose(
        self,
        principal: Principal,
        target: str,
        source: str,
        compose: Callable[[_Part, _Part], tuple[dict[str, Any], dict[Path, Path]]],
    ) -> DatasetRecord:
        made: list[Path] = []
        try:
            with self._context.changes.writing() as writer:
                of = self._part(self._context.dataset(writer.connection, principal, source, Action.READ))
                into = self._part(self._context.dataset(writer.connection, principal, target, Action.EDIT))
                document, links = compose(into, of)
                result = parse_data_source(document, origin=_ORIGIN, name=into.source.name)
                for place, leads_to in links.items():
                    made += _link(into.folder, place, leads_to)
                writer.note("dataset", "changed", into.record.id, into.record.organization_id)
                write_edited(into.folder, result)
        except BaseException:
            for path in reversed(made):
                _unmake(path)
            raise
        return self._context.look_again(into.record)

    def _part(self, record: DatasetRecord) -> _Part:
        if record.trashed is not None:
            raise Conflict(f"the dataset {record.name!r} is in the trash.", hint="Restore it first.")
        return _Part(record, self._context.folder(record), self._context.data_source(record))


def _with_layer(source: DataSource, layer: Mapping[str, Any]) -> dict[str, Any]:
    document = source.to_document()
    layers = [layer if each["name"] == layer["name"] else each for each in document["dataLayers"]]
    return {**document, "dataLayers": layers}


def _attachments(layer: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    listed = layer.get("attachments")
    found = listed.get(kind) if isinstance(listed, Mapping) else None
    entries = found if isinstance(found, list) else [found]
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("name"), str)]


def _link(folder: Path, place: Path, leads_to: Path) -> list[Path]:
    """Make a link and the folders above it; return what was made. Raises Conflict, InvalidInput."""
    if not leads_to.exists():
        raise NotFound(f"the source has nothing at {leads_to.name}.", hint="Was it moved or unmounted?")
    if not place.parent.resolve().is_relative_to(folder.resolve()):
        raise InvalidInput(
            f"{place.parent.name} is a link to somewhere else: nothing is written there.",
            hint="Add it to a layer that lies in the dataset's own folder.",
        )
    made = []
    try:
        for parent in reversed([each for each in place.parents if not each.exists()]):
            parent.mkdir()
            made.append(parent)
        # Absolute and without links in it: it still leads there from the trash, and past links that change.
        place.symlink_to(os.path.realpath(leads_to), target_is_directory=leads_to.is_dir())
    except OSError as error:
        for path in reversed(made):
            _unmake(path)
        raise Conflict(f"the link {place.name} cannot be made: {error.strerror}.") from None
    return [*made, place]


def _unmake(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        path.rmdir()
