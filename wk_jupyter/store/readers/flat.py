"""Voxels that lie in a file one after the other, with any order of axes: what many formats come down to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.store.readers.base import Grain, Image, ImageInfo, Region, Size
from wk_jupyter.store.readers.byte_sources import ByteSource, PackedBytes, PlainBytes
from wk_jupyter.store.readers.lengths import NOTHING, VoxelNm

_AXES: Final = "tczyx"
_MOST_AT_ONCE: Final = 2**24  # bytes that are read to take a part of them
_BLOCK: Final = 32  # voxels along y and x
_MOST_WASTE: Final = 16  # times as many bytes as are wanted, where that spares a call for each row


class FlatArray:
    """``axes``: letters of t, c, z, y, x, slowest first, as many as ``shape`` has numbers.

    ``stored`` is the type with its byte order, ``offset`` the place of the first voxel. Raises CorruptData
    where the file cannot hold that much.
    """

    def __init__(
        self, source: ByteSource, stored: np.dtype[Any], axes: str, shape: Sequence[int], offset: int = 0
    ) -> None:
        self.source = source
        self._stored = stored
        self._axes = axes
        self._shape = tuple(map(int, shape))
        self._offset = offset
        source.require(offset + prod(self._shape) * stored.itemsize)
        lengths = dict(zip(axes, self._shape, strict=True))
        self.size = Size(*(lengths.get(axis, 1) for axis in _AXES))
        fastest = next(axis for axis in reversed(axes) if axis in "zyx")
        self.grain = Grain(*(lengths.get(axis, 1) if axis == fastest else 1 for axis in "zyx"))

    def read(self, region: Region) -> NDArray[Any]:
        """Return voxels (c, z, y, x) of the type as stored, in the machine's byte order."""
        if 0 in region.shape:
            return np.empty(region.shape, self._stored.newbyteorder("="))
        wanted = {"t": (region.t, region.t + 1), **dict(zip("czyx", region[1:], strict=True))}
        ranges = [wanted[axis] for axis in self._axes]
        found = self._read_stored(ranges)
        if not found.dtype.isnative:
            found = found.byteswap(inplace=True).view(found.dtype.newbyteorder("="))
        order = [self._axes.index(axis) for axis in _AXES if axis in self._axes]
        return _compact(found.transpose(order)).reshape(region.shape)

    def _read_stored(self, ranges: list[tuple[int, int]]) -> NDArray[Any]:
        out = np.empty([high - low for low, high in ranges], self._stored)
        depth = self._depth(ranges)
        strides = [prod(self._shape[axis + 1 :]) * self._stored.itemsize for axis in range(len(ranges))]
        low, high = ranges[depth]
        inner = [slice(*part) for part in ranges[depth + 1 :]]
        is_whole = out.shape[depth + 1 :] == self._shape[depth + 1 :]
        for index in product(*(range(*part) for part in ranges[:depth])):
            start = self._offset + sum(i * stride for i, stride in zip(index, strides, strict=False))
            target = out[tuple(i - part[0] for i, part in zip(index, ranges, strict=False))]
            if is_whole:
                self.source.fill(target, start + low * strides[depth])
            else:
                span = np.empty((high - low, *self._shape[depth + 1 :]), self._stored)
                self.source.fill(span, start + low * strides[depth])
                target[...] = span[:, *inner]
        return out

    def _depth(self, ranges: list[tuple[int, int]]) -> int:
        """Return the axis along which bytes are read in one go, together with all faster axes."""
        for axis, (low, high) in enumerate(ranges[:-1]):
            inside = prod(self._shape[axis + 1 :])
            wanted = prod(b - a for a, b in ranges[axis + 1 :])
            is_little = (high - low) * inside * self._stored.itemsize <= _MOST_AT_ONCE
            if inside == wanted or (is_little and inside <= wanted * _MOST_WASTE):
                return axis
        return len(ranges) - 1


def _compact(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return voxels (…, y, x) in C order. Where x is far from fastest, block by block: 7 times faster."""
    across = voxels.strides[-1]
    if across <= min(voxels.strides[-3:]):
        return np.ascontiguousarray(voxels)
    out = np.empty(voxels.shape, voxels.dtype)
    for y, x in product(range(0, voxels.shape[-2], _BLOCK), range(0, voxels.shape[-1], _BLOCK)):
        part = (..., slice(y, y + _BLOCK), slice(x, x + _BLOCK))
        out[part] = voxels[part]
    return out


class FlatImage:
    """An image whose voxels are given as they are stored."""

    def __init__(self, array: FlatArray, info: ImageInfo) -> None:
        self._array = array
        self.info = info

    def read(self, region: Region) -> NDArray[Any]:
        return self._array.read(region)


class FlatFile:
    """An opened file of one image."""

    def __init__(self, source: ByteSource, image: Image) -> None:
        self.images: list[Image] = [image]
        self._source = source

    def close(self) -> None:
        self._source.close()


@dataclass(frozen=True)
class FlatLayout:
    """Where voxels lie, and what is known of them: as ``FlatArray`` and ``ImageInfo`` have it.

    ``offset`` counts bytes of the file; what is ``packing`` begins there.
    """

    path: Path
    stored: np.dtype[Any]
    axes: str
    shape: tuple[int, ...]
    offset: int = 0
    packing: str = ""
    voxel_size: VoxelNm = NOTHING
    labels: bool | None = None
    notes: tuple[str, ...] = ()


def open_flat(layout: FlatLayout) -> FlatFile:
    """Open a file of one image. Raises CorruptData where it is too short."""
    source = _source(layout)
    try:
        offset = 0 if layout.packing else layout.offset
        array = FlatArray(source, layout.stored, layout.axes, layout.shape, offset)
        dtype = layout.stored.newbyteorder("=")
        is_rgb = array.size.c == 3 and dtype == np.uint8
        info = ImageInfo(
            array.size,
            dtype,
            array.grain,
            rgb=is_rgb,
            voxel_size=layout.voxel_size,
            labels=layout.labels,
            notes=layout.notes,
        )
        return FlatFile(source, FlatImage(array, info))
    except BaseException:
        source.close()
        raise


def _source(layout: FlatLayout) -> ByteSource:
    if layout.packing:
        return PackedBytes(layout.path, layout.packing, layout.offset)
    return PlainBytes(layout.path)
