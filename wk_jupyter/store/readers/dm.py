"""DM3 and DM4 of DigitalMicrograph: sections and stacks. Of several images the largest is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers.base import Hints, Image, ImageInfo, Region
from wk_jupyter.store.readers.byte_sources import PlainBytes
from wk_jupyter.store.readers.dm_tags import TagArray, Tags, read_tags
from wk_jupyter.store.readers.flat import FlatArray, FlatFile, FlatImage
from wk_jupyter.store.readers.lengths import VoxelNm, nanometers

_DTYPES: Final = {
    1: "i2", 2: "f4", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8", 39: "i8", 40: "u8"
}  # fmt: skip
_BINARY: Final = 14
_PACKED_COLORS: Final = {8, 23}
_COMPLEX: Final = {3, 5, 13, 27, 28}


class DmReader:
    name = "dm"
    suffixes = (".dm3", ".dm4")

    def recognises(self, path: Path, head: bytes) -> bool:
        is_named = path.suffix.lower() in self.suffixes
        return is_named and head[:4] in {b"\0\0\0\x03", b"\0\0\0\x04"}

    def open(self, paths: Sequence[Path], hints: Hints) -> FlatFile:  # noqa: ARG002 - the file tells all
        path = paths[0]
        tags = read_tags(path)
        chosen, notes = _choose(path, _stored_images(tags))
        source = PlainBytes(path)
        try:
            return FlatFile(source, _image(source, tags.byteorder, chosen, notes))
        except BaseException:
            source.close()
            raise


READER = DmReader()


@dataclass(frozen=True)
class _Stored:
    """An image as its tags describe it; ``lengths`` and ``sizes`` of x, y, z, in this order."""

    name: str
    data: TagArray
    data_type: int
    lengths: tuple[int, ...]
    sizes: tuple[float | None, ...]
    is_thumbnail: bool


class _PackedColors:
    """Four bytes a pixel, written as one number: blue, green, red, alpha where it is little-endian."""

    def __init__(self, array: FlatArray, info: ImageInfo, byteorder: str) -> None:
        self._array = array
        self._places = [2, 1, 0] if byteorder == "<" else [1, 2, 3]
        self.info = info

    def read(self, region: Region) -> NDArray[Any]:
        packed = self._array.read(region._replace(c=(0, 4)))
        colors: NDArray[Any] = packed[self._places[slice(*region.c)]]
        return colors


class _Binary:
    """A byte a voxel, of which only 0 is no."""

    def __init__(self, array: FlatArray, info: ImageInfo) -> None:
        self._array = array
        self.info = info

    def read(self, region: Region) -> NDArray[Any]:
        is_set: NDArray[Any] = self._array.read(region) != 0
        return is_set.view(np.uint8)


def _stored_images(tags: Tags) -> list[_Stored]:
    values = tags.values
    thumbnails = {
        value
        for path, value in values.items()
        if path.startswith("Thumbnails/") and path.endswith("/ImageIndex")
    }
    found = []
    numbers = {
        path.split("/")[1] for path in values if path.startswith("ImageList/") and "/ImageData/" in path
    }
    for number in sorted(numbers, key=lambda text: (len(text), text)):
        base = f"ImageList/{number}/ImageData"
        data = values.get(f"{base}/Data")
        if not isinstance(data, tuple) or not number.isdecimal():
            continue
        lengths: list[int] = []
        while isinstance(length := values.get(f"{base}/Dimensions/{len(lengths)}"), int):
            lengths.append(length)
        calibration = f"{base}/Calibrations/Dimension"
        found.append(
            _Stored(
                name=_text(values.get(f"ImageList/{number}/Name")),
                data=data[0],
                data_type=values.get(f"{base}/DataType", 0),
                lengths=tuple(lengths),
                sizes=tuple(
                    _size(
                        values.get(f"{calibration}/{axis}/Scale"),
                        _text(values.get(f"{calibration}/{axis}/Units")),
                    )
                    for axis in range(len(lengths))
                ),
                is_thumbnail=int(number) in thumbnails,
            )
        )
    if not thumbnails and len(found) > 1 and found[0].data_type in _PACKED_COLORS:
        found[0] = replace(found[0], is_thumbnail=True)
    return found


def _choose(path: Path, images: list[_Stored]) -> tuple[_Stored, list[str]]:
    """Return the largest image of two axes or more that is no thumbnail. Raises CorruptData."""
    candidates = [image for image in images if not image.is_thumbnail] or images
    pictures = [image for image in candidates if len(image.lengths) >= 2]
    if not pictures:
        what = "only a profile" if candidates else "no image"
        raise UnsupportedFormat(
            f"{path.name} holds {what}.", hint="Bring files with images of two axes or more."
        )
    chosen = max(pictures, key=lambda image: prod(image.lengths))
    others = [repr(image.name) for image in candidates if image is not chosen]
    notes = (
        [f"the largest image, {chosen.name!r}, is taken; left out: {', '.join(others)}."] if others else []
    )
    return chosen, notes


def _image(source: PlainBytes, byteorder: str, stored: _Stored, notes: list[str]) -> Image:
    path = source.path
    if stored.data_type in _COMPLEX:
        raise UnsupportedFormat(
            f"{path.name} has complex voxels, which cannot be a layer.",
            hint="Save their magnitude, or real and imaginary part.",
        )
    if len(stored.lengths) > 3:
        told = " × ".join(map(str, stored.lengths))
        raise UnsupportedFormat(
            f"{path.name} has {len(stored.lengths)} axes ({told}).", hint="Save sections or stacks of it."
        )
    is_color, is_binary = stored.data_type in _PACKED_COLORS, stored.data_type == _BINARY
    code = "u1" if is_color or is_binary else _DTYPES.get(stored.data_type)
    if code is None:
        raise UnsupportedFormat(f"{path.name} has voxels of the unknown type {stored.data_type}.")
    shape = (*stored.lengths[::-1], 4) if is_color else stored.lengths[::-1]
    in_file = np.dtype(byteorder + code)
    if min(shape) < 1 or prod(shape) * in_file.itemsize != stored.data.length:
        raise CorruptData(
            f"{path.name} is damaged: {' × '.join(map(str, stored.lengths))} voxels do not make up "
            f"its {stored.data.length:,} bytes.",
            path=str(path),
        )
    axes = "zyx"[-len(stored.lengths) :] + ("c" if is_color else "")
    array = FlatArray(source, in_file, axes, shape, stored.data.offset)
    x, y, z = (*stored.sizes, None)[:3]
    voxel_size: VoxelNm = (x, y, z)
    info = ImageInfo(array.size, np.dtype(code), array.grain, voxel_size=voxel_size, notes=tuple(notes))
    if is_color:
        colors = replace(info, size=array.size._replace(c=3), rgb=True)
        return _PackedColors(array, _noted(colors, "the alpha channel is left out."), byteorder)
    if is_binary:
        return _Binary(array, _noted(info, "binary voxels are 0 and 1."))
    return FlatImage(array, info)


def _noted(info: ImageInfo, note: str) -> ImageInfo:
    return replace(info, notes=(*info.notes, note))


def _size(scale: Any, unit: str) -> float | None:
    return nanometers(abs(scale), unit.strip()) if isinstance(scale, float) and unit.strip() else None


def _text(value: Any) -> str:
    return value[1] if isinstance(value, tuple) else ""
