"""The pages of a TIFF as they lie: the chain of directories, and voxels of windows of pages.

tifffile follows damaged chains as far as they go; here a chain that is cut or loops is an error. Reads go
through a descriptor of our own, so that threads share a file.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers.byte_sources import PlainBytes

Range = tuple[int, int]
Page = tifffile.TiffPage | tifffile.TiffFrame

_MAX_PAGES: Final = 2**20
_MAX_TAGS: Final = 4096
_GAP: Final = 2**14  # bytes between what is wanted that are read with it, for a read costs more
_AGAIN: Final = "Copy or download it again."
_TYPE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
                      16: 8, 17: 8, 18: 8}  # fmt: skip
_BASELINE: Final = range(254, 350)  # tags that say what a page is; makers' own may point anywhere
# width, length, bits, compression, order of bits, samples, rows in a strip, planes, predictor, tiles, kind
_LAYOUT: Final = frozenset({256, 257, 258, 259, 266, 277, 278, 284, 317, 322, 323, 339})
Layout = tuple[tuple[int, int, int, int | bytes], ...]


class StoredFile(PlainBytes):
    """An open file. Raises CorruptData where it cannot be opened or is no file."""

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path)
        except OSError as error:
            raise CorruptData(f"{path.name} cannot be read: {error.strerror}.", path=str(path)) from None
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self.close()
            raise CorruptData(f"{path.name} is no file.", path=str(path))

    def bytes_at(self, start: int, size: int) -> bytes | None:
        """Read some bytes; None: the file ends before."""
        if start < 0 or size < 0 or start + size > self.length:
            return None
        data = os.pread(self._descriptor, size, start)
        return data if len(data) == size else None


def layouts_of_chain(file: StoredFile) -> dict[int, Layout]:
    """Follow the chain of directories: where each is, and the tags by which its page is decoded.

    Pages of equal layouts are decoded alike. Raises CorruptData where the chain is cut or loops.
    """
    head = file.bytes_at(0, 16) or (file.bytes_at(0, 8) or b"").ljust(16, b"\0")
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    if not order or (version := struct.unpack(f"{order}H", head[2:4])[0]) not in {42, 43}:
        raise CorruptData(f"{file.path.name} is no TIFF.", path=str(file.path))
    form = _Form.of(order, is_big=version == 43)
    (offset,) = struct.unpack_from(form.offset, head, 8 if version == 43 else 4)
    seen: dict[int, Layout] = {}
    shared: dict[Layout, Layout] = {}
    while offset:
        if offset in seen:
            raise _chain_error(file, f"its chain of pages loops after page {len(seen)}")
        if len(seen) == _MAX_PAGES:
            raise _chain_error(file, f"it has more than {_MAX_PAGES:,} pages")
        layout, following = _directory(file, form, offset, len(seen) + 1)
        seen[offset] = shared.setdefault(layout, layout)
        offset = following
    return seen


@dataclass(frozen=True)
class _Form:
    """How numbers are stored: in 32 bits, or in 64 in a BigTIFF."""

    count: str
    entry: str
    offset: str
    inline: int

    @classmethod
    def of(cls, order: str, *, is_big: bool) -> _Form:
        if is_big:
            return cls(f"{order}Q", f"{order}HHQQ", f"{order}Q", 8)
        return cls(f"{order}H", f"{order}HHII", f"{order}I", 4)


def _directory(file: StoredFile, form: _Form, offset: int, number: int) -> tuple[Layout, int]:
    """Return the layout told at ``offset``, and where the next directory is; 0: there is none."""
    size = struct.calcsize(form.count)
    head = file.bytes_at(offset, size)
    if head is None:
        raise _chain_error(file, f"page {number} lies behind its end", is_cut=True)
    (count,) = struct.unpack(form.count, head)
    if not 0 < count <= _MAX_TAGS:
        raise _chain_error(file, f"page {number} has {count:,} tags")
    width = struct.calcsize(form.entry)
    data = file.bytes_at(offset + size, count * width + form.inline)
    if data is None:
        raise _chain_error(file, f"it ends in the tags of page {number}", is_cut=True)
    layout = []
    for tag, kind, values, place in struct.iter_unpack(form.entry, data[: count * width]):
        room = _TYPE_BYTES.get(kind, 0) * values
        is_elsewhere = room > form.inline
        if is_elsewhere and tag in _BASELINE and place + room > file.length:
            raise _chain_error(file, f"tag {tag} of page {number} lies behind its end", is_cut=True)
        if tag in _LAYOUT:
            told = file.bytes_at(place, min(room, 64)) or b"" if is_elsewhere else place
            layout.append((tag, kind, values, told))
    (following,) = struct.unpack_from(form.offset, data, count * width)
    return tuple(layout), int(following)


def _chain_error(file: StoredFile, reason: str, *, is_cut: bool = False) -> CorruptData:
    told = f"{file.path.name} is {'cut or ' if is_cut else ''}damaged: {reason}."
    return CorruptData(told, path=str(file.path), hint=_AGAIN)


@dataclass(frozen=True)
class Window:
    """What is read of a page: half-open ranges of its rows, columns and samples."""

    y: Range
    x: Range
    samples: Range


class PageVoxels:
    """The voxels of a row of pages that are alike.

    ``plain``: where they begin, if they follow each other without gaps as they are in memory; then
    ``count`` pages are there, whatever ``pages`` has. A page of ``pages`` that is None lies in another file.
    """

    def __init__(
        self, file: StoredFile, pages: Sequence[Page | None], *, plain: int | None, count: int
    ) -> None:
        self._file = file
        self._pages = pages
        self._plain = plain
        self._key = key_of(next(page for page in pages if page is not None))
        assert self._key.dtype is not None
        self._stored = np.dtype(self._key.dtype).newbyteorder(self._key.parent.byteorder)
        self._page_bytes = (
            self._key.imagelength * self._key.imagewidth * self._key.samplesperpixel * self._stored.itemsize
        )
        if plain is not None:
            whole = (file.length - plain) // self._page_bytes
            self._require(whole >= count, whole)
        for index, page in enumerate(pages):
            if page is not None:
                self._require_parts(page, index)

    def read(self, index: int, window: Window, out: NDArray[Any]) -> None:
        """Put a window of a page into ``out`` (samples, y, x), which is all 0. Raises CorruptData."""
        if 0 in out.shape:
            return
        page = self._key if self._plain is not None else self._pages[index]
        if page is None:
            raise UnsupportedFormat(
                f"page {index + 1} of the image in {self._file.path.name} is not in this file.",
                hint="Save the image as one file.",
            )
        if self._plain is not None:
            self._read_plain(self._key, self._plain + index * self._page_bytes, (index, window), out)
        elif key_of(page).is_final and page.dataoffsets:
            self._read_plain(key_of(page), page.dataoffsets[0], (index, window), out)
        else:
            for number in _segments(key_of(page), window):
                self._place_segment(page, (index, number), window, out)

    def _read_plain(
        self, key: tifffile.TiffPage, start: int, what: tuple[int, Window], out: NDArray[Any]
    ) -> None:
        """Read rows as they lie, into ``out`` itself where its type is theirs."""
        index, window = what
        (y0, y1), (x0, x1), (first, last) = window.y, window.x, window.samples
        inner = 1 if _is_planar(key) else key.samplesperpixel
        part = _Rows(start, key.imagewidth * inner, (y0, y1), (x0 * inner, x1 * inner))
        if inner > 1:
            rows = np.empty((y1 - y0, (x1 - x0) * inner), self._stored)
            self._fill_rows(part, index, rows)
            out[...] = rows.reshape(y1 - y0, x1 - x0, inner)[..., first:last].transpose(2, 0, 1)
            return
        plane = key.imagelength * key.imagewidth * self._stored.itemsize
        for at, sample in enumerate(range(first, last)):
            is_same = out.dtype == self._stored and out[at].flags.c_contiguous
            into = out[at] if is_same else np.empty(out[at].shape, self._stored)
            self._fill_rows(part._replace(start=start + sample * plane), index, into)
            if not is_same:
                out[at] = into

    def _fill_rows(self, rows: _Rows, index: int, into: NDArray[Any]) -> None:
        (y0, y1), (x0, x1) = rows.y, rows.x
        item, columns = into.itemsize, x1 - x0
        start = rows.start + (y0 * rows.width + x0) * item
        if columns == rows.width:
            self._fill(into, start, index)
        elif (rows.width - columns) * item > _GAP:
            for number, row in enumerate(into):
                self._fill(row, start + number * rows.width * item, index)
        else:
            between = np.empty((y1 - y0 - 1) * rows.width + columns, into.dtype)
            self._fill(between, start, index)
            into[...] = np.lib.stride_tricks.as_strided(between, into.shape, (rows.width * item, item))

    def _fill(self, into: NDArray[Any], start: int, index: int) -> None:
        self._require(start + into.nbytes <= self._file.length, index)
        self._file.fill(into, start)

    def _place_segment(self, page: Page, numbers: tuple[int, int], window: Window, out: NDArray[Any]) -> None:
        """Decode a strip or a tile, and put what of it is in the window into ``out``."""
        voxels, (plane, top, left) = self._decoded(page, *numbers)
        if voxels is None:
            return  # never written
        if _is_planar(key_of(page)):
            out = out[plane - window.samples[0] :]
        else:
            voxels = voxels[slice(*window.samples)]
        _, height, width = voxels.shape
        (y0, y1), (x0, x1) = window.y, window.x
        low, high = max(y0, top), min(y1, top + height)
        near, far = max(x0, left), min(x1, left + width)
        part = voxels[:, low - top : high - top, near - left : far - left]
        out[: len(part), low - y0 : high - y0, near - x0 : far - x0] = part

    def _decoded(
        self, page: Page, index: int, number: int
    ) -> tuple[NDArray[Any] | None, tuple[int, int, int]]:
        """Return a strip or tile (samples, y, x) and where it is: sample, row, column."""
        if number >= min(len(page.dataoffsets), len(page.databytecounts)):
            raise self._damaged(index, f"part {number + 1} is missing")
        start, size = page.dataoffsets[number], page.databytecounts[number]
        if not size or not start:
            return None, (0, 0, 0)
        data = self._file.bytes_at(start, size)
        if data is None:
            raise self._cut(index)
        try:
            decoded, place, _ = key_of(page).decode(data, number, jpegtables=page.jpegtables)
        except Exception as error:  # noqa: BLE001 - codecs raise what they like
            raise self._damaged(
                index, f"part {number + 1} cannot be decoded ({type(error).__name__}: {error})"
            ) from None
        if decoded is None:
            return None, (0, 0, 0)
        plane, _, top, left, _ = place
        return decoded[0].transpose(2, 0, 1), (int(plane), int(top), int(left))

    def _require_parts(self, page: Page, index: int) -> None:
        """Refuse a page whose numbers are none, or whose last part lies behind the file's end."""
        key = key_of(page)
        sides = (key.imagelength, key.imagewidth, key.samplesperpixel, *key.chunks, key.bitspersample)
        ends = [part[-1] for part in (page.dataoffsets, page.databytecounts) if part]
        if not all(isinstance(number, int) for number in (*sides, *ends)) or min(sides) < 1:
            raise self._damaged(index, "its tags make no sense")
        self._require(sum(ends) <= self._file.length, index)

    def _require(self, is_there: bool, index: int) -> None:  # noqa: FBT001 - reads as a sentence
        if not is_there:
            raise self._cut(index)

    def _cut(self, index: int) -> CorruptData:
        return CorruptData(
            f"{self._file.path.name} is cut: it ends within page {index + 1}.",
            path=str(self._file.path),
            hint=_AGAIN,
        )

    def _damaged(self, index: int, reason: str) -> CorruptData:
        return CorruptData(
            f"{self._file.path.name} is damaged: page {index + 1}, {reason}.",
            path=str(self._file.path),
            hint=_AGAIN,
        )


def key_of(page: Page) -> tifffile.TiffPage:
    """Return the page that says how a page is stored: itself, or the first of those alike."""
    key = page.keyframe
    assert key is not None
    return key


class _Rows(NamedTuple):
    """Values that lie in rows of ``width`` from a place in the file on, and which of them are meant."""

    start: int
    width: int
    y: Range
    x: Range


def _is_planar(key: tifffile.TiffPage) -> bool:
    return key.samplesperpixel > 1 and key.planarconfig == 2


def _segments(key: tifffile.TiffPage, window: Window) -> Iterator[int]:
    """Numbers of the strips or tiles that a window meets."""
    length, width = key.chunks[:2]
    down, across = -(-key.imagelength // length), -(-key.imagewidth // width)
    planes = range(*window.samples) if _is_planar(key) else range(1)
    rows = range(window.y[0] // length, -(-window.y[1] // length))
    columns = range(window.x[0] // width, -(-window.x[1] // width))
    for plane, row, column in product(planes, rows, columns):
        yield (plane * down + row) * across + column
