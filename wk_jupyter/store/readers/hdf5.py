"""HDF5: each data set of numbers is an image; those of BigDataViewer and Imaris are put together.

Axes are told by ilastik's ``axistags``, by labels of dimensions, or by the hint ``axes`` (``"zyx"``); sizes
by ``element_size_um`` (z, y, x) and ``resolution`` (z, y, x in nm). The hint ``dataset`` picks one by its
path. Data that lie in other files are refused: whoever wrote this file could name any of the server's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat, WkError
from wk_jupyter.store.readers.base import Grain, Hints, Image, ImageInfo, Region, Size
from wk_jupyter.store.readers.byte_sources import open_binary
from wk_jupyter.store.readers.hdf5_layouts import Parts, big_data_viewer, imaris
from wk_jupyter.store.readers.lengths import NOTHING, VoxelNm, nanometers

_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_AXES: Final = "tczyx"
_MOST_OBJECTS: Final = 100_000
_MOST_IMAGES: Final = 100
_MOST_CHUNK: Final = 2**30
_LARGE: Final = 2**36  # bytes, of which less than one in _MOST_RATIO may be in the file
_MOST_RATIO: Final = 100_000
_SMALL: Final = 2**16
_COARSER: Final = re.compile(r"(.*/)?s[1-9]\d*")
_PLUGIN: Final = re.compile(r"filter|plugin", re.IGNORECASE)


class Hdf5Reader:
    name = "hdf5"
    suffixes = (".h5", ".hdf5", ".hdf", ".ims")

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - the magic tells
        return head.startswith(_MAGIC)

    def open(self, paths: Sequence[Path], hints: Hints) -> _Hdf5:
        path = paths[0]
        open_binary(path).close()
        try:
            return _Hdf5(path, hints)
        except WkError:
            raise
        except Exception as error:  # noqa: BLE001 - h5py raises what comes out of the library
            raise _damaged(path, error) from None


READER = Hdf5Reader()


class _Hdf5:
    """The images of one file. h5py lets one thread at a time into the library."""

    def __init__(self, path: Path, hints: Hints) -> None:
        self._file = h5py.File(path, "r", locking=False)
        try:
            self.images: list[Image] = list(_images(path, self._file, hints))
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()


class _Image:
    """One data set, whose axes are letters of t, c, z, y, x."""

    def __init__(self, path: Path, data: h5py.Dataset, axes: str, info: ImageInfo) -> None:
        self._path = path
        self._data = data
        self._axes = axes
        self.info = info

    def read(self, region: Region) -> NDArray[Any]:
        if 0 in region.shape:
            return np.empty(region.shape, self.info.dtype)
        wanted = {"t": (region.t, region.t + 1), **dict(zip("czyx", region[1:], strict=True))}
        part = _read(self._path, self._data, [wanted[axis] for axis in self._axes])
        order = [self._axes.index(axis) for axis in _AXES if axis in self._axes]
        return np.ascontiguousarray(part.transpose(order), self.info.dtype).reshape(region.shape)


class _Together:
    """A data set (z, y, x) for each channel of each point in time; those that are missing are 0."""

    def __init__(self, path: Path, parts: Parts) -> None:
        self._path = path
        self._parts = parts.data
        first = next(iter(parts.data.values()))
        for data in parts.data.values():
            _require_local(path, data)
            if data.ndim != 3 or data.dtype != first.dtype or any(map(_is_less, data.shape, parts.lengths)):
                raise UnsupportedFormat(
                    f"{path.name}: {data.name} has other sizes or another type than {first.name}.",
                    hint="Save each as a file.",
                )
        size = Size(parts.times, parts.channels, *parts.lengths)
        self._stored = parts.as_type or first.dtype
        self.info = ImageInfo(
            size,
            _dtype(first) if parts.as_type is None else parts.as_type,
            _grain(first, "zyx", size),
            name=parts.name,
            channels=parts.about,
            voxel_size=parts.voxel_size,
            notes=parts.notes,
        )

    def read(self, region: Region) -> NDArray[Any]:
        out = np.zeros(region.shape, self.info.dtype)
        if out.size == 0:
            return out
        for place, channel in enumerate(range(*region.c)):
            data = self._parts.get((region.t, channel))
            if data is not None:
                out[place] = _read(self._path, data, region[2:]).view(self._stored)
        return out


def _is_less(there: int, wanted: int) -> bool:
    return there < wanted


def _images(path: Path, file: h5py.File, hints: Hints) -> Iterator[Image]:
    together = [*big_data_viewer(path, file), *imaris(file)]
    if together and "dataset" not in hints:
        for parts in together:
            yield _Together(path, parts)
        return
    found = _candidates(path, file, hints)
    largest = max((prod(data.shape) for data in found), default=0)
    kept = [data for data in found if len(found) == 1 or prod(data.shape) >= min(_SMALL, largest / 1000)]
    if not kept:
        raise UnsupportedFormat(
            f"{path.name} has no data set of real numbers with 2 to 5 axes.",
            hint="Save the image as such a data set.",
        )
    if len(kept) > _MOST_IMAGES:
        raise UnsupportedFormat(
            f"{path.name} has {len(kept)} data sets.", hint='Pick one by the hint {"dataset": "path"}.'
        )
    names = {data.name for data in kept}
    aside = sorted(data.name for data in found if data.name not in names)
    notes = (f"small data sets are left out: {', '.join(aside[:5])}.",) if aside else ()
    for data in kept:
        yield _image(path, data, hints, notes, is_named=len(kept) > 1)


def _candidates(path: Path, file: h5py.File, hints: Hints) -> list[h5py.Dataset]:
    """Return the data sets that may be images; of a pyramid the finest level alone."""
    if "dataset" in hints:
        data = file.get(str(hints["dataset"]))
        if not isinstance(data, h5py.Dataset) or not _is_image(data):
            raise InvalidInput(f"{path.name} has no image at {hints['dataset']!r}.", hint="Correct dataset.")
        return [data]
    found: list[h5py.Dataset] = []
    count = 0

    def look(_: str, each: Any) -> None:
        nonlocal count
        count += 1
        if count > _MOST_OBJECTS:
            raise UnsupportedFormat(f"{path.name} holds more than {_MOST_OBJECTS:,} data sets.")
        if isinstance(each, h5py.Dataset) and _is_image(each):
            found.append(each)

    file.visititems(look)  # follows no links: none can lead in circles, or out of the file
    names = {data.name for data in found}

    def is_coarser(name: str) -> bool:
        return bool(_COARSER.fullmatch(name)) and name.rsplit("/", 1)[0] + "/s0" in names

    return [data for data in found if not is_coarser(data.name)]


def _is_image(data: h5py.Dataset) -> bool:
    if data.shape is None or not 2 <= data.ndim <= 5 or 0 in data.shape:
        return False
    return data.dtype.kind in "uifb" and data.dtype.itemsize <= 8


def _image(path: Path, data: h5py.Dataset, hints: Hints, notes: tuple[str, ...], *, is_named: bool) -> _Image:
    _require_local(path, data)
    axes, told = _axes(path, data, hints)
    lengths = dict(zip(axes, data.shape, strict=True))
    size = Size(*(lengths.get(axis, 1) for axis in _AXES))
    dtype = _dtype(data)
    bools = ("voxels that are true are 1.",) if data.dtype.kind == "b" else ()
    info = ImageInfo(
        size,
        dtype,
        _grain(data, axes, size),
        name=data.name.strip("/").replace("/", "_") if is_named else "",
        rgb=axes[-1] == "c" and size.c == 3 and dtype == np.uint8,
        voxel_size=_voxel_size(data, axes),
        notes=(*notes, *told, *bools),
    )
    return _Image(path, data, axes, info)


def _require_local(path: Path, data: h5py.Dataset) -> None:
    """Refuse what lies in other files, and parts that are too large to be unpacked."""
    is_elsewhere = data.file.filename != str(path)
    if is_elsewhere or data.external or data.is_virtual:
        raise UnsupportedFormat(
            f"{path.name}: {data.name} lies in other files.", hint="Save all in one file."
        )
    size, there = prod(data.shape) * data.dtype.itemsize, path.stat().st_size
    if size > max(_LARGE, _MOST_RATIO * there):
        raise CorruptData(
            f"{path.name}: {data.name} promises {size:,} bytes in a file of {there:,}.",
            path=str(path),
            hint="Save the part that has voxels.",
        )
    if data.chunks is not None and prod(data.chunks) * data.dtype.itemsize > _MOST_CHUNK:
        raise UnsupportedFormat(
            f"{path.name}: {data.name} is stored in parts of {data.chunks} voxels.",
            hint="Save it with smaller chunks.",
        )
    if data.chunks is None and data.id.get_offset() is not None:
        end = data.id.get_offset() + size
        if end > there:
            raise CorruptData(
                f"{path.name} is cut: {data.name} should end at byte {end:,}.",
                path=str(path),
                hint="Copy or download it again.",
            )


def _dtype(data: h5py.Dataset) -> np.dtype[Any]:
    dtype: np.dtype[Any] = data.dtype
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def _grain(data: h5py.Dataset, axes: str, size: Size) -> Grain:
    chunks = dict(zip(axes, data.chunks, strict=True)) if data.chunks else {axes[-1]: data.shape[-1]}
    z, y, x = (min(chunks.get(axis, 1), getattr(size, axis)) for axis in "zyx")
    return Grain(z, y, x)


def _axes(path: Path, data: h5py.Dataset, hints: Hints) -> tuple[str, tuple[str, ...]]:
    """Return a letter for each axis, and what a person should know of a guess."""
    told = str(hints.get("axes") or _named_axes(data))
    if told:
        if len(told) == data.ndim and len(set(told)) == len(told) and set("yx") <= set(told) <= set(_AXES):
            return told, ()
        if "axes" in hints:
            raise InvalidInput(
                f"{path.name}: {data.name} has {data.ndim} axes, not {told!r}.", hint="Say axes."
            )
    shape, is_byte = data.shape, data.dtype == np.uint8
    if data.ndim == 2:
        return "yx", ()
    if data.ndim == 3:
        return ("yxc" if shape[-1] == 3 and is_byte else "zyx"), ()
    if data.ndim == 4:
        axes = "zyxc" if shape[-1] <= 4 else "czyx" if shape[0] <= 4 else "tzyx"
    else:
        axes = "tzyxc" if shape[-1] <= 4 else "tczyx"
    return axes, (f"its axes are taken for {', '.join(axes)}; the hint axes says otherwise.",)


def _named_axes(data: h5py.Dataset) -> str:
    tags = data.attrs.get("axistags")
    if tags is not None:
        try:
            return "".join(str(each["key"]) for each in json.loads(tags)["axes"]).lower()
        except (ValueError, TypeError, KeyError):
            return ""
    labels = [dimension.label for dimension in data.dims]
    return "".join(labels).lower() if all(len(label) == 1 for label in labels) else ""


def _voxel_size(data: h5py.Dataset, axes: str) -> VoxelNm:
    for name, unit in (("element_size_um", "µm"), ("resolution", "nm")):
        numbers = np.atleast_1d(data.attrs.get(name, ()))
        spaces = [axis for axis in axes if axis in "zyx"]
        if numbers.dtype.kind in "uif" and numbers.ndim == 1 and len(numbers) in {len(spaces), 3}:
            names = spaces if len(numbers) == len(spaces) else ["z", "y", "x"]
            found: Mapping[str, Any] = dict(zip(names, numbers, strict=True))
            x, y, z = (nanometers(found.get(axis), unit) for axis in "xyz")
            return (x, y, z)
    return NOTHING


def _read(path: Path, data: h5py.Dataset, ranges: Sequence[tuple[int, int]]) -> NDArray[Any]:
    try:
        part: NDArray[Any] = data[tuple(slice(*each) for each in ranges)]
    except (OSError, RuntimeError, ValueError) as error:
        if _PLUGIN.search(str(error)):
            raise UnsupportedFormat(
                f"{path.name}: {data.name} is packed in a way that this installation cannot unpack.",
                hint="Save it with gzip.",
            ) from None
        raise _damaged(path, error) from None
    return part


def _damaged(path: Path, error: Exception) -> CorruptData:
    return CorruptData(
        f"{path.name} is no HDF5 file that can be read ({type(error).__name__}: {error}).",
        path=str(path),
        hint="Copy or download it again.",
    )
