"""Edits of a dataset's properties file, on top of what it says now.

Clients send the data source as they know it, and they do not know all of it: what they leave out stays.
Where voxels lie, and in which form, is never theirs to say: that is kept from the file, by layer and mag.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from wk_jupyter.datasource import DataSource, LayerSource, MagSource, parse_data_source, write_properties
from wk_jupyter.errors import Conflict, InvalidDataSource, InvalidInput, WkError
from wk_jupyter.geometry import Mag
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.store.attachment_edits import AttachmentRenaming, edited_attachments
from wk_jupyter.store.volumes import resolve_mag_path
from wk_jupyter.view_configuration import DATASET_CHECKS, LAYER_CHECKS

BACKUPS: Final = "datasource-properties-backups.log"
_MAX_BACKUPS: Final = 8 * 1024**2
REMOVED: Final = ".trash"
# What a caller may say of a layer that is there; null takes it away.
_EDITABLE: Final = (
    "category",
    "boundingBox",
    "largestSegmentId",
    "coordinateTransformations",
    "adminViewConfiguration",
)
_ORIGIN: Final = "dataSource"


@dataclass(frozen=True)
class Renaming:
    old: str
    new: str


def edited(
    source: DataSource,
    wanted: Mapping[str, Any],
    renamings: Sequence[Renaming],
    folder: Path,
    attachments: Sequence[AttachmentRenaming] | None = None,
) -> DataSource:
    """Return the data source with what ``wanted`` says, which has the form of a properties file.

    Layers that it does not list are taken out, as are mags, and attachments of kinds that it lists.
    ``attachments``: those that are renamed; None: the caller may not know of any, so that a layer without
    keeps its own. Raises InvalidDataSource, InvalidInput.
    """
    document = source.to_document()
    if "scale" in wanted:
        document["scale"] = wanted["scale"]
    if "defaultViewConfiguration" in wanted:
        old = document.get("defaultViewConfiguration")
        document["defaultViewConfiguration"] = _view(old, wanted["defaultViewConfiguration"], DATASET_CHECKS)
    if "dataLayers" in wanted:
        before = document["dataLayers"]
        document["dataLayers"] = _layers(before, wanted["dataLayers"], renamings, folder)
        _edit_attachments(before, document["dataLayers"], wanted["dataLayers"], renamings, attachments)
    document = {key: value for key, value in document.items() if value is not None}
    result = parse_data_source(document, origin=_ORIGIN, name=source.name)
    if not result.layers:
        raise InvalidInput("dataSource: the last layer cannot be removed.", hint="Delete the dataset.")
    _require_possible_ids(result)
    _require_files(result, source, folder)
    return result


def compared(seen: Any, stored: DataSource) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what somebody saw of a data source, field by field, and what these fields are now.

    ``seen`` has the form of a properties file; layers that are listed are taken to be all that there were.
    Raises InvalidInput.
    """
    document = stored.to_document()
    expected: dict[str, Any] = {}
    current: dict[str, Any] = {}
    if not isinstance(seen, dict):
        raise InvalidInput("expected: dataSource has to be an object.")
    if "scale" in seen:
        expected["scale"], current["scale"] = seen["scale"], document["scale"]
    if "dataLayers" in seen:
        layers = seen["dataLayers"]
        if not isinstance(layers, list) or not all(
            isinstance(each, dict) and "name" in each for each in layers
        ):
            raise InvalidInput("expected: dataSource.dataLayers has to be a list of layers with names.")
        now = {layer["name"]: layer for layer in document["dataLayers"]}
        expected["layers"] = sorted(str(layer["name"]) for layer in layers)
        current["layers"] = sorted(now)
        for layer in layers:
            for key in _EDITABLE:
                if key in layer and layer["name"] in now:
                    field = f"{key} of {layer['name']}"
                    expected[field], current[field] = layer[key], now[layer["name"]].get(key)
    return expected, current


def write_edited(folder: Path, source: DataSource) -> None:
    """Write the properties file at once or not at all; what it said before is kept in a log beside it.

    Raises Conflict where the folder cannot be written to.
    """
    try:
        _keep_former(folder)
        write_properties(folder, source)
    except OSError as error:
        raise Conflict(
            f"the properties of {folder.name} cannot be written: {error.strerror}.",
            hint="Whoever runs the server must be allowed to write to the dataset's folder.",
        ) from None


def put_aside(folder: Path, before: DataSource, after: DataSource) -> None:
    """Move files of mags that were taken out to ``.trash`` in the dataset's folder; links are unlinked.

    What lies behind a link, or is used by another mag, stays where it is.
    """
    kept = {os.path.realpath(path) for path in _mag_folders(folder, after)}
    place = folder / REMOVED / str(time.time_ns() // 1_000_000)
    for path in _mag_folders(folder, before):
        if os.path.realpath(path) in kept or not os.path.lexists(path):
            continue
        within = path.parent.resolve()
        if not within.is_relative_to(folder.resolve()):
            continue
        if path.is_symlink():
            path.unlink()
            continue
        target = place / within.relative_to(folder.resolve()) / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    for name in {layer.name for layer in before.layers} - {layer.name for layer in after.layers}:
        _leave(folder / name)


def _leave(layer_folder: Path) -> None:
    """Take away what a layer that is gone leaves: a link, or a folder in which nothing is."""
    try:
        if layer_folder.is_symlink():
            layer_folder.unlink()
        elif layer_folder.is_dir():
            layer_folder.rmdir()
    except OSError:
        return  # there is something else in it


def _mag_folders(folder: Path, source: DataSource) -> Iterable[Path]:
    for layer in source.layers:
        for mag in layer.mags:
            try:
                yield resolve_mag_path(folder, layer, mag)
            except WkError:
                continue


def _keep_former(folder: Path) -> None:
    path, log = folder / PROPERTIES_FILE, folder / BACKUPS
    try:
        former = path.read_bytes()
    except FileNotFoundError:
        return
    if log.exists() and log.stat().st_size > _MAX_BACKUPS:
        log.replace(log.with_name(f"{BACKUPS}.1"))
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with log.open("ab") as stream:
        stream.write(f"# until {stamp}\n".encode() + former.rstrip() + b"\n")


def _layers(
    stored: list[dict[str, Any]], wanted: Any, renamings: Sequence[Renaming], folder: Path
) -> list[dict[str, Any]]:
    if not isinstance(wanted, list) or not all(isinstance(layer, dict) for layer in wanted):
        raise InvalidDataSource("dataSource: it has to be a list of layers.", field="dataLayers")
    by_name = {layer["name"]: layer for layer in stored}
    unknown = [renaming.old for renaming in renamings if renaming.old not in by_name]
    if unknown:
        raise InvalidInput(f"layerRenamings: there is no layer {unknown[0][:100]!r}.")
    former = {renaming.new: renaming.old for renaming in renamings}
    layers = []
    for layer in wanted:
        name = str(layer.get("name"))
        old = by_name.get(former.get(name, name))
        layers.append(_added(layer) if old is None else _layer(old, layer, folder))
    return layers


def _edit_attachments(
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    wanted: list[dict[str, Any]],
    renamings: Sequence[Renaming],
    attachments: Sequence[AttachmentRenaming] | None,
) -> None:
    former = {renaming.new: renaming.old for renaming in renamings}
    stored = {layer["name"]: layer.get("attachments") for layer in before}
    unknown = {each.layer for each in attachments or ()} - {str(layer.get("name")) for layer in wanted}
    if unknown:
        raise InvalidInput(f"attachmentRenamings: there is no layer {min(unknown)[:100]!r}.")
    for layer, said in zip(after, wanted, strict=True):
        name = str(said.get("name"))
        here = [each for each in attachments or () if each.layer == name]
        # Who knows of attachments and sends a whole layer without means that it has none.
        is_without = attachments is not None and "mags" in said
        if "attachments" not in said and not is_without and not here:
            continue
        old = stored.get(former.get(name, name))
        found = edited_attachments(old, said.get("attachments") or {}, here, name)
        layer["attachments"] = found
        if not found:
            del layer["attachments"]


def _added(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer that is new: its voxels, if any, must lie in the dataset's folder already."""
    mags = layer.get("mags") or []
    return {**layer, "mags": [_without_place(mag) for mag in mags]}


def _layer(old: dict[str, Any], wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    layer = dict(old)
    name = wanted["name"]
    if name != old["name"]:
        layer["name"] = name
        # Said from now on, as files stay where they are.
        layer["mags"] = [
            {**mag, "path": mag.get("path") or _place(folder, old["name"], mag)} for mag in layer["mags"]
        ]
    for key in _EDITABLE:
        if key in wanted:
            layer[key] = wanted[key]
    if "defaultViewConfiguration" in wanted:
        view = _view(old.get("defaultViewConfiguration"), wanted["defaultViewConfiguration"], LAYER_CHECKS)
        layer["defaultViewConfiguration"] = view
    if "mags" in wanted:
        layer["mags"] = _mags(layer["mags"], wanted["mags"])
    return {key: value for key, value in layer.items() if value is not None}


def _mags(stored: list[dict[str, Any]], wanted: Any) -> list[dict[str, Any]]:
    if not isinstance(wanted, list) or not all(isinstance(mag, dict) for mag in wanted):
        raise InvalidDataSource("dataSource: it has to be a list of mags.", field="dataLayers[].mags")
    by_mag = {Mag(mag["mag"]): mag for mag in stored}
    try:
        return [by_mag.get(Mag(mag["mag"])) or _without_place(mag) for mag in wanted]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidDataSource(f"dataSource: a mag is wrong: {error}.", field="dataLayers[].mags") from None


def _without_place(mag: Any) -> dict[str, Any]:
    if not isinstance(mag, dict):
        raise InvalidDataSource("dataSource: a mag has to be an object.", field="dataLayers[].mags")
    return {key: value for key, value in mag.items() if key not in {"path", "credentialId", "credentials"}}


def _place(folder: Path, layer: str, document: dict[str, Any]) -> str:
    """Where a mag lies that does not say so."""
    mag = Mag(document["mag"])
    name = mag.name if (folder / layer / mag.name).exists() else mag.long_name
    return f"./{layer}/{name if (folder / layer / name).exists() else mag.name}"


def _view(old: Any, wanted: Any, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is known of a view is as it is sent; what nobody here knows stays."""
    if wanted is not None and not isinstance(wanted, dict):
        raise InvalidDataSource("dataSource: it has to be an object.", field="defaultViewConfiguration")
    strange = {key: value for key, value in (old or {}).items() if key not in known}
    merged = {**strange, **(wanted or {})}
    return merged or None


def _require_possible_ids(source: DataSource) -> None:
    for layer in source.layers:
        largest = layer.largest_segment_id
        if largest is None or layer.dtype.kind == "f":
            continue
        most = np.iinfo(layer.dtype).max
        if not 0 <= largest <= most:
            raise InvalidInput(
                f"dataSource: the largest segment id of {layer.name!r} is {largest}, "
                f"and its voxels hold ids from 0 to {most}."
            )


def _require_files(result: DataSource, before: DataSource, folder: Path) -> None:
    """What is new must be there: nobody makes voxels by writing about them."""
    known = {(layer.name, mag.mag) for layer in before.layers for mag in layer.mags}
    for layer, mag in _all_mags(result):
        if (layer.name, mag.mag) in known or mag.path is not None:
            continue
        path = resolve_mag_path(folder, layer, mag)
        if not path.is_dir():
            raise InvalidInput(
                f"dataSource: mag {mag.mag} of the layer {layer.name!r} has no files.",
                hint="Upload it, or refer to one of another dataset.",
            )


def _all_mags(source: DataSource) -> Iterable[tuple[LayerSource, MagSource]]:
    return ((layer, mag) for layer in source.layers for mag in layer.mags)
