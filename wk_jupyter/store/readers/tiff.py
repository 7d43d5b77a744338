"""TIFF in its dialects, read strip by strip and tile by tile: OME, ImageJ, BigTIFF, LSM, microscopes' own.

tifffile knows the dialects, imagecodecs the compressions. Values are given as they are stored (no
inversion of white-is-zero pictures, no scaling of few bits); palettes become colours, but for ImageJ's,
which are made for display. Coarser levels and thumbnails are left out.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, UnsupportedFormat, WkError
from wk_jupyter.store.readers import tiff_metadata
from wk_jupyter.store.readers.base import Grain, Hints, Image, ImageInfo, Region, Size
from wk_jupyter.store.readers.tiff_pages import (
    Layout,
    Page,
    PageVoxels,
    StoredFile,
    Window,
    key_of,
    layouts_of_chain,
)

_MAX_SEGMENT: Final = 2**32  # bytes that one strip or tile may unpack to
_MAX_RATIO: Final = 20_000  # by which a file may grow where it is more than _SUSPICIOUS
_SUSPICIOUS: Final = 2**30
_MAX_MIXED: Final = 10_000  # pages that tifffile compares with each other

_PHOTOMETRIC: Final = 262
_WHITE_IS_ZERO: Final = 0
_RGB: Final = {2, 6}  # photometric: RGB, YCbCr, which is decoded to it
_PALETTE: Final = 3
_ALPHA: Final = {1, 2}

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters of it is told in errors


class TiffReader:
    name = "tiff"
    suffixes = (".tif", ".tiff", ".ome.tif", ".ome.tiff", ".btf", ".tf8", ".lsm", ".stk")

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - the magic tells
        return head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}

    def open(self, paths: Sequence[Path], hints: Hints) -> _TiffImages:  # noqa: ARG002 - they tell all
        path = paths[0]
        try:
            return _TiffImages(path)
        except WkError:
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
        self._file = StoredFile(path)
        try:
            layouts = layouts_of_chain(self._file)
            with tifffile.TiffFile(path, _multifile=False) as tif:
                for stack in _stacks(path, tif, layouts):
                    self.images.append(_TiffImage(self._file, tif, stack))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class _Stack:
    """Pages of one image. ``axes`` and ``shape`` have those of the pages at their end; ``number``: which."""

    number: int
    pages: Sequence[Page | None]
    key: tifffile.TiffPage
    axes: str
    shape: tuple[int, ...]
    plain: int | None
    name: str = ""
    notes: tuple[str, ...] = ()


def _stacks(path: Path, tif: tifffile.TiffFile, layouts: Mapping[int, Layout]) -> list[_Stack]:
    """Return the images of a file; pages that follow each other for no told reason are one."""
    is_uniform = len(set(layouts.values())) == 1
    if not is_uniform and len(layouts) > _MAX_MIXED and not (tif.is_ome or tif.is_imagej or tif.is_shaped):
        raise UnsupportedFormat(
            f"{path.name} has {len(layouts):,} pages that are stored in different ways.",
            hint="Save it as an OME-TIFF.",
        )
    try:
        series = [each for each in tif.series if not each.keyframe.is_reduced]
    except RuntimeError:  # tifffile took them for alike, by a sample
        kinds = list(layouts.values())
        number = next((number for number, each in enumerate(kinds) if each != kinds[0]), 0)
        raise _differing(path, number, tif.pages.get(number, aspage=True), tif.pages.first) from None
    if not series:
        raise CorruptData(f"{path.name} holds no image.", path=str(path))
    kind = series[0].kind
    if tif.is_imagej and kind != "ome":
        lone = _page_with_copied_description(path, tif, series[0])
        if lone is not None:
            return [lone]
    notes = _dialect_notes(tif, kind)
    stacks = [_stack(number, each, notes, is_uniform=is_uniform) for number, each in enumerate(series)]
    if kind == "generic" or (kind == "shaped" and len(stacks) > 1 and all(map(_is_single, stacks))):
        pages = [page for stack in stacks for page in stack.pages if page and page.offset in layouts]
        pages.sort(key=lambda page: page.index)
        key = key_of(pages[0])
        stacks = [_Stack(0, pages, key, "I" + key.axes, (len(pages), *key.shape), None, notes=notes)]
    return [_with_own_layouts(path, tif, stack, layouts) for stack in stacks]


def _stack(
    number: int, series: tifffile.TiffPageSeries, notes: tuple[str, ...], *, is_uniform: bool
) -> _Stack:
    plain, key, shape = series.dataoffset, series.keyframe, series.get_shape(squeeze=False)
    pages = [series[0]] if plain is not None else list(series)
    if plain is not None and not is_uniform:
        with contextlib.suppress(IndexError):  # pages without a directory cannot differ
            pages = list(series)
            plain = plain if len(pages) == 1 else None
    return _Stack(
        number=number,
        pages=pages,
        key=key,
        axes=series.get_axes(squeeze=False),
        shape=tuple(shape),
        plain=plain,
        name=str(series.name or "") if series.kind == "ome" else "",
        notes=notes,
    )


def _is_single(stack: _Stack) -> bool:
    return len(stack.pages) == 1 and math.prod(stack.shape) == math.prod(stack.key.shape)


def _with_own_layouts(
    path: Path, tif: tifffile.TiffFile, stack: _Stack, layouts: Mapping[int, Layout]
) -> _Stack:
    """Have pages that are stored in another way than the first decoded in theirs, which tifffile doesn't.

    Raises UnsupportedFormat where a page is of another size or type.
    """
    pages = list(stack.pages)
    usual = layouts.get(stack.key.offset)
    for number, page in enumerate(pages):
        if page is None or layouts.get(page.offset, usual) == usual:
            continue
        own = tif.pages.get(page.index, aspage=True)
        if _likeness(own) != _likeness(stack.key):
            raise _differing(path, number, own, stack.key)
        _require_decoder(path, key_of(own))
        pages[number] = own
    return replace(stack, pages=pages)


def _likeness(page: Page) -> tuple[object, ...]:
    key = key_of(page)
    kind = key.photometric if key.photometric in {*_RGB, _PALETTE} else None
    return (key.imagewidth, key.imagelength, key.samplesperpixel, key.dtype, kind)


def _differing(path: Path, number: int, page: Page, first: Page) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"page {number + 1} of {path.name} is {_told(page)}, those before are {_told(first)}.",
        hint="Save pages of one size and type as a file each.",
    )


def _told(page: Page) -> str:
    key = key_of(page)
    samples = f" of {key.samplesperpixel} samples" if key.samplesperpixel > 1 else ""
    return f"{key.imagewidth} × {key.imagelength} {key.dtype}{samples}"


def _page_with_copied_description(
    path: Path, tif: tifffile.TiffFile, series: tifffile.TiffPageSeries
) -> _Stack | None:
    """Return the only page of a file whose description promises more, as other programs copy ImageJ's.

    ImageJ's own stacks have their pages behind the only directory. Raises CorruptData where those are cut.
    """
    page = tif.pages.first
    promised = (tif.imagej_metadata or {}).get("images", 1)
    if promised == 1 or tif.pages.is_multipage or series.dataoffset is not None:
        return None
    if page.dataoffsets and page.offset < page.dataoffsets[0] and page.is_final:
        raise CorruptData(
            f"{path.name} is cut or damaged: it promises {promised} pages, which it is too short for.",
            path=str(path),
            hint="Copy or download it again.",
        )
    return _Stack(0, [page], page, page.axes, page.shape, None)


def _dialect_notes(tif: tifffile.TiffFile, kind: str) -> tuple[str, ...]:
    if tif.is_ome and kind != "ome":
        reason = "it is damaged or tells of several files"
        return (f"its OME description cannot be used ({reason}): pages are sections, one after the other.",)
    return ()


@dataclass(frozen=True)
class _Axes:
    """Where t, c and z are among the axes before a page's own, each with its length and stride in pages."""

    t: tuple[int, int]
    c: tuple[int, int]
    z: tuple[int, int]

    @property
    def pages(self) -> int:
        return self.t[0] * self.c[0] * self.z[0]


class _TiffImage:
    """One stack of pages."""

    def __init__(self, file: StoredFile, tif: tifffile.TiffFile, stack: _Stack) -> None:
        page, path = stack.key, file.path
        _require_possible(file, stack)
        self._outer = _outer_axes(path, stack)
        if stack.plain is None and len(stack.pages) != self._outer.pages:
            raise CorruptData(
                f"{path.name} promises {self._outer.pages} pages, and has {len(stack.pages)}.", path=str(path)
            )
        samples, rgb, notes = _samples(page)
        self._colors = _palette(tif, page)
        if self._colors is not None:
            samples, rgb = len(self._colors), len(self._colors) == 3
            notes.append("the palette is applied.")
        if page.dtype == np.bool_:
            notes.append("1-bit voxels are 0 and 1.")
        if page.tags.valueof(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            notes.append("its smallest value is white; values are kept as they are stored.")
        self._stored = np.dtype(page.dtype)
        self._voxels = PageVoxels(file, stack.pages, plain=stack.plain, count=self._outer.pages)
        (times, _), (channels, _), (depth, _) = self._outer.t, self._outer.c, self._outer.z
        told = () if rgb else tiff_metadata.channels(tif, stack.number)
        self.info = ImageInfo(
            size=Size(times, channels * samples, depth, page.imagelength, page.imagewidth),
            dtype=_dtype(path, self._stored, is_palette=self._colors is not None),
            grain=_grain(page),
            name=stack.name,
            rgb=rgb and channels == 1,
            channels=told if len(told) == channels * samples else (),
            voxel_size=tiff_metadata.voxel_size(tif, stack.number, page),
            notes=(*stack.notes, *notes),
        )

    def read(self, region: Region) -> NDArray[Any]:
        each = self.info.size.c // self._outer.c[0]  # channels that a page has
        out = np.zeros(region.shape, self.info.dtype)
        pages = range(region.c[0] // each, -(-region.c[1] // each)) if region.c[0] < region.c[1] else range(0)
        for page, z in product(pages, range(*region.z)):
            first, last = max(region.c[0], page * each), min(region.c[1], (page + 1) * each)
            index = region.t * self._outer.t[1] + page * self._outer.c[1] + z * self._outer.z[1]
            part = out[first - region.c[0] : last - region.c[0], z - region.z[0]]
            samples = (first - page * each, last - page * each)
            if self._colors is None:
                self._voxels.read(index, Window(region.y, region.x, samples), part)
            else:
                indices = np.zeros((1, *part.shape[1:]), self._stored)
                self._voxels.read(index, Window(region.y, region.x, (0, 1)), indices)
                part[...] = self._colors[slice(*samples)][:, indices[0].astype(np.intp)]
        return out


def _grain(page: tifffile.TiffPage) -> Grain:
    if page.is_final:
        return Grain(1, 1, page.imagewidth)
    return Grain(1, min(page.chunks[0], page.imagelength), min(page.chunks[1], page.imagewidth))


def _require_possible(file: StoredFile, stack: _Stack) -> None:
    """Refuse sizes that no file of this length can have, before anything is allocated."""
    page, path = stack.key, file.path
    if min(page.imagelength, page.imagewidth, page.samplesperpixel, *stack.shape) < 1 or page.dtype is None:
        raise CorruptData(f"{path.name} has an image of no size or type.", path=str(path))
    item = np.dtype(page.dtype).itemsize
    total = math.prod(stack.shape) * item
    if total > _SUSPICIOUS and total > _MAX_RATIO * file.length:
        raise CorruptData(
            f"{path.name} promises {page.imagewidth:,} × {page.imagelength:,} pixels "
            f"in {file.length:,} bytes.",
            path=str(path),
        )
    if math.prod(page.chunks) * item > _MAX_SEGMENT and not page.is_final:
        raise UnsupportedFormat(
            f"{path.name} is stored in one part of {page.chunks[1]:,} × {page.chunks[0]:,} pixels.",
            hint="Save it in tiles or strips.",
        )
    if page.imagedepth > 1:
        raise UnsupportedFormat(f"{path.name} has pages that are volumes.", hint="Save it as an OME-TIFF.")
    _require_decoder(path, page)


def _require_decoder(path: Path, page: tifffile.TiffPage) -> None:
    """Decode nothing: a page that cannot be decoded says so even then."""
    try:
        page.decode(None, 0)
    except Exception as error:  # noqa: BLE001 - it raises what it likes
        raise UnsupportedFormat(
            f"the voxels of {path.name} cannot be decoded: {error}.",
            hint="Save it without compression, or with deflate.",
        ) from None


def _outer_axes(path: Path, stack: _Stack) -> _Axes:
    """Find t, c and z among the axes that go through the pages."""
    if not set("YX") <= set(stack.axes[-3:]):
        raise UnsupportedFormat(
            f"{path.name} has the axes {stack.axes}, of which Y and X are not the last.",
            hint="Save it with the axes TCZYX.",
        )
    sizes = list(zip(stack.axes, stack.shape, strict=True))
    samples = stack.key.samplesperpixel
    own = set("YXS")
    if samples > 1 and ("S", samples) not in sizes and ("C", samples) in sizes:
        own = set("YXSC")  # planes of a page, told as channels
    stride, found = 1, {"t": (1, 0), "c": (1, 0), "z": (1, 0)}
    for name, length in reversed([each for each in sizes if each[0] not in own]):
        if length > 1:
            target = name.lower() if name in "TCZ" else "z"
            if found[target][0] > 1:
                raise UnsupportedFormat(
                    f"{path.name} has the axes {stack.axes} of {stack.shape}: more than t, c, z, y, x.",
                    hint="Save it with the axes TCZYX, or its parts as a file each.",
                )
            found[target] = (length, stride)
        stride *= length
    return _Axes(**found)


def _samples(page: tifffile.TiffPage) -> tuple[int, bool, list[str]]:
    """Return how many samples of a pixel are channels, whether they are a colour, and notes."""
    count = page.samplesperpixel
    extra = tuple(page.extrasamples or ())
    is_alpha = bool(extra) and extra[0] in _ALPHA
    if page.photometric in _RGB and count == 3:
        return 3, True, []
    if page.photometric in _RGB and count == 4:
        return 3, True, [f"the {'alpha channel' if is_alpha else 'fourth sample'} is left out."]
    if count == 2 and is_alpha:
        return 1, False, ["the alpha channel is left out."]
    return count, False, []


def _palette(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> NDArray[np.uint8] | None:
    """Return a palette's colours (3, values), or its greys (1, values); None: there is none, or ImageJ's."""
    if page.photometric != _PALETTE or tif.is_imagej or page.colormap is None or page.samplesperpixel != 1:
        return None
    table = np.asarray(page.colormap)
    if table.ndim != 2 or table.shape[0] != 3 or table.shape[1] < 2 ** min(page.bitspersample, 16):
        return None
    small = (table >> 8 if table.max(initial=0) > 255 else table).astype(np.uint8)
    is_grey = (small[0] == small[1]).all() and (small[1] == small[2]).all()
    return small[:1] if is_grey else small


def _dtype(path: Path, stored: np.dtype[Any], *, is_palette: bool) -> np.dtype[Any]:
    if is_palette or stored.kind == "b":
        return np.dtype(np.uint8)
    if stored.kind not in "uif" or stored.itemsize > 8:
        raise UnsupportedFormat(
            f"{path.name} has voxels of type {stored}.",
            hint="Save their magnitude, or real and imaginary part.",
        )
    return stored.newbyteorder("=")
