"""TIFF in its dialects, read strip by strip and tile by tile: OME, ImageJ, BigTIFF, LSM, microscopes' own.

tifffile knows the dialects, imagecodecs the compressions. Values are given as they are stored (no
inversion of white-is-zero pictures, no scaling of few bits); palettes become colours, but for ImageJ's,
which are made for display.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, UnsupportedFormat, WkError
from wk_jupyter.store.readers import tiff_metadata
from wk_jupyter.store.readers.base import Grain, Hints, Image, ImageInfo, Region, Size

_MAX_SEGMENT: Final = 2**32  # bytes that one strip or tile may unpack to
_MAX_RATIO: Final = 20_000  # by which a file may grow where it is more than _SUSPICIOUS
_SUSPICIOUS: Final = 2**30
_MAX_IMAGES: Final = 100

_RGB: Final = {2, 6}  # photometric: RGB, YCbCr, which is decoded to it
_PALETTE: Final = 3
_ALPHA: Final = {1, 2}


class TiffReader:
    name = "tiff"
    suffixes = (".tif", ".tiff", ".ome.tif", ".ome.tiff", ".btf", ".tf8", ".lsm", ".stk")

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - the magic tells
        return head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}

    def open(self, paths: Sequence[Path], hints: Hints) -> _TiffImages:  # noqa: ARG002 - they tell all
        path = paths[0]
        try:
            return _TiffImages(path)
        except (WkError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - headers have any shape: it is the file's fault
            raise CorruptData(
                f"{path.name} is no TIFF that can be read ({type(error).__name__}: {error}).", path=str(path)
            ) from None


READER = TiffReader()


class _TiffImages:
    """The images of one file."""

    def __init__(self, path: Path) -> None:
        self.images: list[Image] = []
        self._tif = _opened(path)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            series = [each for each in self._tif.series if not _is_reduced(each)]
            _require_alike(path, series)
            for number, each in enumerate(series[:_MAX_IMAGES]):
                self.images.append(_TiffImage(path, self._descriptor, self._tif, number, each))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._tif.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _opened(path: Path) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path, _multifile=False)
    except tifffile.TiffFileError as error:
        raise CorruptData(f"{path.name} is no TIFF that can be read ({error}).", path=str(path)) from None


def _is_reduced(series: tifffile.TiffPageSeries) -> bool:
    """Thumbnails and coarser levels are made anew."""
    return bool(series.keyframe.is_reduced)


def _require_alike(path: Path, series: list[tifffile.TiffPageSeries]) -> None:
    """Pages of one stack are of one size; a file that says nothing else is one stack."""
    if not series:
        raise CorruptData(f"{path.name} holds no image.", path=str(path))
    first = series[0]
    for other in series[1:]:
        if first.kind in {"uniform", "generic"} and other.kind == first.kind:
            page = other.keyframe
            told = (
                f"page {page.index + 1} of {path.name} is {page.imagewidth} × {page.imagelength} {page.dtype}"
            )
            was = f"{first.keyframe.imagewidth} × {first.keyframe.imagelength} {first.dtype}"
            raise UnsupportedFormat(
                f"{told}, those before are {was}.", hint="Save pages of one size and type as a file each."
            )


@dataclass(frozen=True)
class _Axes:
    """Where t, c and z are among the axes before a page's own, each with its length and stride in pages."""

    t: tuple[int, int]
    c: tuple[int, int]
    z: tuple[int, int]


class _TiffImage:
    """One series of pages."""

    def __init__(
        self,
        path: Path,
        descriptor: int,
        tif: tifffile.TiffFile,
        number: int,
        series: tifffile.TiffPageSeries,
    ) -> None:
        self._path = path
        self._descriptor = descriptor
        self._series = series
        self._page: tifffile.TiffPage = series.keyframe
        page = self._page
        _require_possible(path, page, series)
        self._stored = np.dtype(page.dtype)
        self._byteorder = tif.byteorder
        self._outer = _outer_axes(path, series)
        samples, rgb, notes = _samples(page)
        self._samples = samples
        self._colors = _palette(tif, page)
        if self._colors is not None:
            samples, rgb = 3, True
            notes.append("the palette is applied.")
        if self._stored.kind == "b":
            notes.append("1-bit voxels are 0 and 1.")
        names = tiff_metadata.channels(tif, number) if not rgb else ()
        self.info = ImageInfo(
            size=Size(
                self._outer.t[0],
                self._outer.c[0] * samples,
                self._outer.z[0],
                page.imagelength,
                page.imagewidth,
            ),
            dtype=_dtype(path, self._stored, is_palette=self._colors is not None),
            grain=Grain(1, min(page.chunks[0], page.imagelength), min(page.chunks[1], page.imagewidth)),
            name=_name(series) if tif.is_ome else "",
            rgb=rgb and self._outer.c[0] == 1,
            channels=names,
            voxel_size=tiff_metadata.voxel_size(tif, number, page),
            notes=tuple(notes),
        )

    def read(self, region: Region) -> NDArray[Any]:
        kept = self.info.size.c // self._outer.c[0]  # samples of a page that are channels
        out = np.zeros(region.shape, self.info.dtype)
        pages = sorted({channel // kept for channel in range(*region.c)})
        for page, z in product(pages, range(*region.z)):
            first = max(region.c[0], page * kept)
            last = min(region.c[1], (page + 1) * kept)
            index = region.t * self._outer.t[1] + page * self._outer.c[1] + z * self._outer.z[1]
            part = self._read_page(index, region.y, region.x)  # (s, y, x)
            if self._colors is not None:
                part = self._colors[:, part[0].astype(np.intp)]
            wanted = part[first - page * kept : last - page * kept]
            out[first - region.c[0] : last - region.c[0], z - region.z[0]] = wanted
        return out

    def _read_page(self, index: int, y: tuple[int, int], x: tuple[int, int]) -> NDArray[Any]:
        """Return a window (s, y, x) of a page."""
        offset = self._series.dataoffset
        if offset is not None and self._page.compression == 1 and self._page.bitspersample % 8 == 0:
            return self._read_plain(index, offset, y, x)
        page = self._series.pages[index]
        if page is None:
            raise UnsupportedFormat(
                f"{self._path.name} is one of several files of an image; page {index + 1} is in another.",
                hint="Save it as one file, or bring the files as a sequence.",
            )
        out = np.zeros((self._page.samplesperpixel, y[1] - y[0], x[1] - x[0]), self._page.dtype)
        for number in self._segments(y, x):
            self._place_segment(page, index, number, (y, x), out)
        return out

    def _read_plain(self, index: int, offset: int, y: tuple[int, int], x: tuple[int, int]) -> NDArray[Any]:
        """Read rows as they lie, one after the other in the whole series."""
        page = self._page
        dtype = self._stored.newbyteorder(self._byteorder)
        samples, width = page.samplesperpixel, page.imagewidth
        is_planar = page.planarconfig == 2 and samples > 1
        planes = samples if is_planar else 1
        row = width * (1 if is_planar else samples)
        page_bytes = page.imagelength * width * samples * dtype.itemsize
        parts = []
        for plane in range(planes):
            start = offset + index * page_bytes + (plane * page.imagelength + y[0]) * row * dtype.itemsize
            raw = np.empty((y[1] - y[0]) * row, dtype)
            self._fill(raw, start, index)
            parts.append(raw.reshape(y[1] - y[0], width, -1)[:, x[0] : x[1]].transpose(2, 0, 1))
        return np.concatenate(parts) if planes > 1 else parts[0]

    def _fill(self, raw: NDArray[Any], start: int, index: int) -> None:
        view, done = memoryview(raw.view(np.uint8).data), 0
        while done < len(view):
            count = os.preadv(self._descriptor, [view[done:]], start + done)
            if count == 0:
                raise self._cut(index)
            done += count

    def _segments(self, y: tuple[int, int], x: tuple[int, int]) -> Iterator[int]:
        """Numbers of the strips or tiles that a window meets."""
        page = self._page
        length, width = page.chunks[0], page.chunks[1]
        down, across = -(-page.imagelength // length), -(-page.imagewidth // width)
        planes = page.samplesperpixel if page.planarconfig == 2 and page.samplesperpixel > 1 else 1
        rows = range(y[0] // length, -(-y[1] // length))
        columns = range(x[0] // width, -(-x[1] // width))
        for plane, row, column in product(range(planes), rows, columns):
            yield (plane * down + row) * across + column

    def _place_segment(
        self,
        page: tifffile.TiffPage | tifffile.TiffFrame,
        index: int,
        number: int,
        window: tuple[tuple[int, int], tuple[int, int]],
        out: NDArray[Any],
    ) -> None:
        """Decode a strip or tile, and put what of it is in the window (y, x) into (s, y, x)."""
        start, size = page.dataoffsets[number], page.databytecounts[number]
        if not size:
            return  # never written: zeros
        data = os.pread(self._descriptor, size, start)
        if len(data) != size:
            raise self._cut(index)
        try:
            # pages after the first share the first one's way of being decoded
            decoded, place, _ = self._page.decode(data, number, jpegtables=page.jpegtables)
        except Exception as error:  # noqa: BLE001 - codecs raise what they like
            raise CorruptData(
                f"{self._path.name} is damaged: part {number + 1} of page {index + 1} cannot be decoded "
                f"({type(error).__name__}: {error}).",
                path=str(self._path),
            ) from None
        if decoded is None:
            return
        plane, _, top, left, _ = place
        voxels = decoded[0].transpose(2, 0, 1)  # (length, width, samples) of depth 1
        (y0, y1), (x0, x1) = window
        low_y, high_y = max(y0, top), min(y1, top + voxels.shape[1])
        low_x, high_x = max(x0, left), min(x1, left + voxels.shape[2])
        cut = voxels[:, low_y - top : high_y - top, low_x - left : high_x - left]
        out[plane : plane + cut.shape[0], low_y - y0 : high_y - y0, low_x - x0 : high_x - x0] = cut

    def _cut(self, index: int) -> CorruptData:
        return CorruptData(
            f"{self._path.name} is cut: page {index + 1} ends before it should.",
            path=str(self._path),
            hint="Copy or download it again.",
        )


def _require_possible(path: Path, page: tifffile.TiffPage, series: tifffile.TiffPageSeries) -> None:
    """Refuse sizes that no file of this length can have, before anything is allocated."""
    if min(page.imagelength, page.imagewidth, page.samplesperpixel) < 1 or page.dtype is None:
        raise CorruptData(f"{path.name} has an image of no size or type.", path=str(path))
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    total = math.prod(series.shape) * max(1, bits // 8)
    length = path.stat().st_size
    if total > _SUSPICIOUS and total > _MAX_RATIO * length:
        raise CorruptData(
            f"{path.name} promises {page.imagewidth:,} × {page.imagelength:,} pixels in {length:,} bytes.",
            path=str(path),
        )
    if math.prod(page.chunks) * max(1, bits // 8) > _MAX_SEGMENT:
        raise UnsupportedFormat(
            f"{path.name} is stored in one part of {page.chunks[1]:,} × {page.chunks[0]:,} pixels.",
            hint="Save it in tiles or strips.",
        )
    if page.imagedepth > 1:
        raise UnsupportedFormat(f"{path.name} has pages that are volumes.", hint="Save it as an OME-TIFF.")


def _outer_axes(path: Path, series: tifffile.TiffPageSeries) -> _Axes:
    """Find t, c and z among the axes that go through the pages."""
    axes = series.get_axes(squeeze=False)
    shape = series.get_shape(squeeze=False)
    if not set("YX") <= set(axes[-3:]):
        raise UnsupportedFormat(f"{path.name} has the axes {axes}, of which Y and X are not the last.")
    names, lengths = list(axes), list(shape)
    for own in "YXS":  # those of the page itself
        if own in names:
            at = names.index(own)
            del names[at], lengths[at]
    stride, found = 1, {"t": (1, 0), "c": (1, 0), "z": (1, 0)}
    for name, length in zip(reversed(names), reversed(lengths), strict=True):
        if length > 1:
            target = name.lower() if name in "TCZ" else "z"
            if found[target][0] > 1:
                raise UnsupportedFormat(
                    f"{path.name} has the axes {axes} of {shape}: more than t, c, z, y, x.",
                    hint="Save its parts as a file each.",
                )
            found[target] = (length, stride)
        stride *= length
    return _Axes(**found)


def _samples(page: tifffile.TiffPage) -> tuple[int, bool, list[str]]:
    """Return how many samples of a pixel are channels, whether they are a colour, and notes."""
    count = page.samplesperpixel
    extra = tuple(page.extrasamples or ())
    if page.photometric in _RGB and count >= 3:
        notes = ["the alpha channel is left out."] if count > 3 else []
        return 3, True, notes
    if count == 2 and extra and extra[-1] in _ALPHA:
        return 1, False, ["the alpha channel is left out."]
    return count, False, []


def _palette(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> NDArray[np.uint8] | None:
    """Return the colours (3, values) of a palette; None: there is none, or it is of greys, or ImageJ's."""
    if page.photometric != _PALETTE or tif.is_imagej or page.colormap is None or page.samplesperpixel != 1:
        return None
    table = np.asarray(page.colormap)
    small = (table >> 8 if table.max(initial=0) > 255 else table).astype(np.uint8)
    is_grey = (small[0] == small[1]).all() and (small[1] == small[2]).all()
    return None if is_grey else small


def _dtype(path: Path, stored: np.dtype[Any], *, is_palette: bool) -> np.dtype[Any]:
    if is_palette or stored.kind == "b":
        return np.dtype(np.uint8)
    if stored.kind not in "uif" or stored.itemsize > 8:
        raise UnsupportedFormat(
            f"{path.name} has voxels of type {stored}.",
            hint="Save their magnitude, or real and imaginary part.",
        )
    return stored.newbyteorder("=")


def _name(series: tifffile.TiffPageSeries) -> str:
    return str(series.name or "")
