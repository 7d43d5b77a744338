"""What a delivery is, told before any work: layers, sizes, types, voxel size, category.

Only headers and a few samples of voxels are read. Formats that are stored here as they are (WKW, Zarr,
N5, precomputed) are recognised first; image files are put together to layers.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from wk_jupyter.datasource import LayerSource, element_class_of
from wk_jupyter.errors import InvalidInput, UnsupportedFormat
from wk_jupyter.properties_document import Category, ElementClass
from wk_jupyter.store.explore import explore
from wk_jupyter.store.explore.exploration import UNKNOWN_VOXEL_SIZE, VOXEL_SIZE_NOTICE
from wk_jupyter.store.explore.layers import layer_name
from wk_jupyter.store.imports.gathering import Gathered, NothingThere, gather
from wk_jupyter.store.imports.grouping import SEQUENCE, TILES, Group, groups
from wk_jupyter.store.imports.proposal import Inspected, Inspection, LayerProposal, Source, StoredLayer
from wk_jupyter.store.imports.sampling import image_category
from wk_jupyter.store.readers import reader_named
from wk_jupyter.store.readers.base import Image, ImageInfo

MAX_LAYERS: Final = 100
_WRITTEN: Final = {"float64": "float32", "float16": "float32", "bool": "uint8"}
_MAX_NAMED: Final = 5
_LOOKED_INTO: Final = 200
_IMAGES: Final = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".dm3", ".dm4", ".czi", ".nii"})
_VoxelSize = tuple[float | None, float | None, float | None]


def inspect(path: Path, hints: dict[str, Any] | None = None) -> Inspected:
    """Say what a file or a folder is. ``hints`` go to readers of formats that don't describe themselves.

    Raises UnsupportedFormat, CorruptData, InvalidInput: each names the file, the reason and the next step.
    """
    if path.is_dir():
        try:
            stored = inspect_stored(path)
        except UnsupportedFormat as error:
            refusal = error
        else:
            _require_no_images(path)
            return stored
    try:
        gathered = gather(path)
    except NothingThere:
        if path.is_dir():
            raise refusal from None
        raise
    if gathered.archives:
        raise UnsupportedFormat(
            f"{gathered.archives[0].name} is a ZIP among other files." if gathered.folders
            else f"there are {len(gathered.archives)} ZIPs." if len(gathered.archives) > 1
            else f"{gathered.archives[0].name} is a ZIP inside of what was brought.",
            hint="Bring one ZIP by itself, or unpack it.",
        )  # fmt: skip
    found = _Found()
    for group in groups(path if path.is_dir() else path.parent, gathered, hints or {}):
        found.add(group)
    return _of_images(found, gathered)


# --- stored formats -----------------------------------------------------------------------------


def inspect_stored(folder: Path) -> Inspected:
    """Say what a folder of a stored format is. Raises UnsupportedFormat where it is of none, CorruptData."""
    found = explore(folder)
    source = found.data_source
    if not source.layers:
        raise InvalidInput(f"{folder.name} has no layers.", hint="A dataset has one at least.")
    is_unknown = source.voxel_size == UNKNOWN_VOXEL_SIZE and VOXEL_SIZE_NOTICE in found.notices
    formats = " and ".join(sorted({layer.data_format for layer in source.layers}))
    count = len(source.layers)
    return Inspected(
        Inspection(
            kind="stored",
            summary=f"a dataset of {count} layer{'s' * (count != 1)} stored as {formats}, taken as it is",
            stored_layers=tuple(map(_stored_layer, source.layers)),
            voxel_size=(None, None, None) if is_unknown else source.voxel_size.nanometers,
            needs_voxel_size=is_unknown,
            notes=tuple(notice for notice in found.notices if notice != VOXEL_SIZE_NOTICE),
        ),
        root=str(folder),
    )


def _require_no_images(folder: Path) -> None:
    """A dataset that is stored here as it is has no image files beside it, which nobody would see."""
    for place in [folder, *(child for child in sorted(folder.iterdir())[:_LOOKED_INTO] if child.is_dir())]:
        for entry in itertools.islice(os.scandir(place), _LOOKED_INTO):
            if entry.is_file() and Path(entry.name).suffix.lower() in _IMAGES:
                raise UnsupportedFormat(
                    f"{folder.name} holds a stored dataset and image files, such as {entry.name}.",
                    hint="Bring them one after the other: a dataset to take as it is, images to convert.",
                )


def _stored_layer(layer: LayerSource) -> StoredLayer:
    return StoredLayer(
        name=layer.name,
        category=layer.category,
        element_class=layer.element_class,
        size=layer.bounding_box.size,
        topleft=layer.bounding_box.topleft,
        mags=tuple(mag.mag.name for mag in layer.mags),
        data_format=layer.data_format,
    )


# --- images -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """Channels of an image that make one layer."""

    image: Image
    index: int
    channels: tuple[int, int]
    name: str
    is_named: bool


class _Found:
    """Layers as they are found, with names that are free."""

    def __init__(self) -> None:
        self.layers: list[LayerProposal] = []
        self.sources: list[Source] = []
        self.files = 0

    def add(self, group: Group) -> None:
        """Open the files of a group for a moment and propose a layer for each part of their images."""
        opened = reader_named(group.reader).open(group.paths, group.hints)
        try:
            for index, image in enumerate(opened.images):
                own = image.info.name if len(opened.images) > 1 else ""
                for part in _parts(image, index, [group.name.replace("/", "_"), own]):
                    self._propose(part, group)
        finally:
            opened.close()
        self.files += len(group.paths)
        if len(self.layers) > MAX_LAYERS:
            raise InvalidInput(
                f"these files would become {len(self.layers)} layers; at most {MAX_LAYERS} are made.",
                hint="Put the sections of one image into one folder, or bring fewer files.",
            )

    def _propose(self, part: _Part, group: Group) -> None:
        info = part.image.info
        told = f"{group.name} {part.name}"
        category = image_category(told, part.image, part.channels)
        written = np.dtype(_WRITTEN.get(info.dtype.name, info.dtype.name))
        element, notes = _element_class(written, part, category)
        channel = info.channels[part.channels[0]] if part.channels[0] < len(info.channels) else None
        hints = {**group.hints, "checked": True} if group.reader in {SEQUENCE, TILES} else group.hints
        paths = tuple(map(str, group.paths))
        self.sources.append(Source(group.reader, paths, part.index, hints, info.grain[:3]))
        self.layers.append(
            LayerProposal(
                number=len(self.layers),
                name=self._free_name(part.name or category),
                category=category,
                element_class=element,
                source_type=info.dtype.name,
                size=(info.size.x, info.size.y, info.size.z),
                topleft=info.topleft,
                timepoints=info.size.t,
                channels=part.channels,
                voxel_size=_sane(info.voxel_size),
                files=len(group.paths),
                format=group.hints.get("reader", group.reader),
                intensity_range=channel.window if channel else None,
                color=channel.color if channel else None,
                notes=(*info.notes, *notes, *_cast_note(info, written)),
            )
        )

    def _free_name(self, wanted: str) -> str:
        name = base = layer_name(wanted)
        taken = {layer.name for layer in self.layers}
        number = 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        return name


def _parts(image: Image, index: int, names: list[str]) -> list[_Part]:
    """A picture in colour is one layer; else each channel is one."""
    info = image.info
    base = "_".join(filter(None, names))
    if info.size.c == 1 or (info.rgb and info.size.c == 3 and info.dtype == np.uint8):
        name = info.channels[0].name if not base and info.channels and info.size.c == 1 else base
        return [_Part(image, index, (0, info.size.c), name, bool(base))]
    colors = ["red", "green", "blue"] if info.rgb and info.size.c == 3 else []
    parts = []
    for number in range(info.size.c):
        told = info.channels[number].name if number < len(info.channels) else ""
        own = told or (colors[number] if colors else f"channel{number}")
        parts.append(_Part(image, index, (number, number + 1), f"{base}_{own}" if base else own, True))
    return parts


def _element_class(
    dtype: np.dtype[Any], part: _Part, category: Category
) -> tuple[ElementClass, tuple[str, ...]]:
    try:
        element = element_class_of(dtype, part.channels[1] - part.channels[0])
    except InvalidInput as error:
        raise UnsupportedFormat(error.message, hint=error.hint) from None
    if category == "color" and dtype.kind in "ui" and dtype.itemsize == 8:
        return element, (
            "64-bit integers are shown as a segmentation; choose another type to see grey values.",
        )
    return element, ()


def _cast_note(info: ImageInfo, written: np.dtype[Any]) -> tuple[str, ...]:
    if written == info.dtype:
        return ()
    return (f"{info.dtype.name} is written as {written.name}.",)


def _sane(size: _VoxelSize) -> _VoxelSize:
    x, y, z = (
        number if number is not None and np.isfinite(number) and number > 0 else None for number in size
    )
    return (x, y, z)


def _of_images(found: _Found, gathered: Gathered) -> Inspected:
    if not found.layers:
        raise InvalidInput("there is no image in these files.", hint="Bring image files.")
    notes = []
    sizes = list(dict.fromkeys(layer.voxel_size for layer in found.layers))
    voxel_size = _common(sizes)
    if len(sizes) > 1:
        told = "; ".join(
            " × ".join("?" if n is None else f"{n:g}" for n in size) for size in sizes[:_MAX_NAMED]
        )
        notes.append(f"the files tell different voxel sizes ({told} nm); one dataset has one.")
    if gathered.aside:
        names = ", ".join(sorted(gathered.aside)[:_MAX_NAMED])
        notes.append(f"no image data, left out: {names}{' …' if len(gathered.aside) > _MAX_NAMED else ''}.")
    needs = any(axis is None for axis in voxel_size)
    is_flat = all(layer.size[2] == 1 for layer in found.layers)
    if is_flat and voxel_size[0] is not None and voxel_size[1] is not None:
        needs = False  # how thick one section is shows nowhere
        voxel_size = (*voxel_size[:2], voxel_size[2] or max(voxel_size[0], voxel_size[1]))
    return Inspected(
        Inspection(
            kind="images",
            summary=_summary(found),
            layers=tuple(found.layers),
            voxel_size=voxel_size,
            needs_voxel_size=needs,
            bytes=sum(_bytes(layer) for layer in found.layers),
            notes=tuple(notes),
        ),
        tuple(found.sources),
    )


def _common(sizes: Sequence[_VoxelSize]) -> _VoxelSize:
    """The first that tells something of each axis."""
    x, y, z = (next((size[axis] for size in sizes if size[axis] is not None), None) for axis in range(3))
    return (x, y, z)


def _summary(found: _Found) -> str:
    count = len(found.layers)
    kinds = " and ".join(dict.fromkeys(layer.format for layer in found.layers))
    files = f"{found.files} file{'s' * (found.files != 1)}"
    return f"{files} ({kinds}), to be converted to {count} layer{'s' * (count != 1)}"


def _bytes(layer: LayerProposal) -> int:
    x, y, z = layer.size
    width = 3 if layer.element_class == "uint24" else np.dtype(layer.source_type).itemsize
    return x * y * z * layer.timepoints * width
