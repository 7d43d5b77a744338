"""Many files that make one image: sections one after the other along z, in the order given."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers.base import Hints, Image, ImageFile, ImageInfo, Reader, Region

_OPEN: Final = 80  # files that are kept open: more than the sections of one slab of a conversion
_OPEN_BYTES: Final = 2**27  # of their sections, where they are decoded as a whole, and may be kept
_LOOKERS: Final = min(8, os.cpu_count() or 1)
_BATCH: Final = 256  # headers that are looked at before the next are asked for


class SequenceReader:
    """``hints``: ``reader`` names that of the single files; the others go to it."""

    name = "sequence"
    suffixes: tuple[str, ...] = ()

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - no file by itself is one
        return False

    def open(self, paths: Sequence[Path], hints: Hints) -> _Sequence:
        from wk_jupyter.store.readers import reader_named  # noqa: PLC0415 - it lists this module

        if not paths or "reader" not in hints:
            raise InvalidInput("a sequence is made of files, and needs the name of their reader.")
        own = {key: value for key, value in hints.items() if key not in {"reader", "checked"}}
        return _Sequence(list(paths), reader_named(str(hints["reader"])), own, is_checked="checked" in hints)


READER = SequenceReader()


class _Sequence:
    """``is_checked``: the headers of all files have been compared, by whoever made the plan."""

    def __init__(self, paths: list[Path], reader: Reader, hints: Hints, *, is_checked: bool) -> None:
        self.paths = paths
        self._reader = reader
        self._hints = hints
        self._lock = threading.Lock()
        self._open: OrderedDict[int, ImageFile] = OrderedDict()
        self._first = first = self._look(0)
        if not is_checked:
            self._compare()
        size = first.size._replace(z=len(paths) * first.size.z)
        self._each = first.size.z
        self._most_open = _OPEN
        if first.grain.y == size.y > 1:
            section = size.c * size.y * size.x * first.dtype.itemsize
            self._most_open = max(1, min(_OPEN, _OPEN_BYTES // section))
        info = replace(first, size=size, grain=first.grain._replace(z=1))
        self.images: list[Image] = [_SequenceImage(self, info)]

    def close(self) -> None:
        with self._lock:
            for opened in self._open.values():
                opened.close()
            self._open.clear()

    def read(self, region: Region) -> NDArray[Any]:
        out = np.empty(region.shape, self.images[0].info.dtype)
        z = region.z[0]
        while z < region.z[1]:
            number, inside = divmod(z, self._each)
            count = min(self._each - inside, region.z[1] - z)
            part = self._with(number, region._replace(z=(inside, inside + count)))
            at = z - region.z[0]
            out[:, at : at + count] = part
            z += count
        return out

    def _with(self, number: int, region: Region) -> NDArray[Any]:
        """Read of one file; those that were used last stay open."""
        with self._lock:
            opened = self._open.pop(number, None)
        if opened is None:
            opened = self._reader.open([self.paths[number]], self._hints)
        try:
            self._require_alike(number, opened.images[0].info)  # it may have changed
            return opened.images[0].read(region)
        finally:
            with self._lock:
                double = self._open.pop(number, None)
                self._open[number] = opened
                old = [double] if double is not None else []
                while len(self._open) > self._most_open:
                    old.append(self._open.popitem(last=False)[1])
            for each in old:
                each.close()

    def _look(self, number: int) -> ImageInfo:
        opened = self._reader.open([self.paths[number]], self._hints)
        try:
            if len(opened.images) != 1:
                raise UnsupportedFormat(
                    f"{self.paths[number].name} holds {len(opened.images)} images; a section is one.",
                    hint="Bring it by itself.",
                )
            return opened.images[0].info
        finally:
            opened.close()

    def _compare(self) -> None:
        """Compare all headers with the first's. Raises UnsupportedFormat naming the first that differs."""
        with ThreadPoolExecutor(_LOOKERS) as lookers:
            for start in range(1, len(self.paths), _BATCH):
                batch = range(start, min(start + _BATCH, len(self.paths)))
                for number, info in zip(batch, lookers.map(self._look, batch), strict=True):
                    self._require_alike(number, info)

    def _require_alike(self, number: int, info: ImageInfo) -> None:
        difference = _difference(info, self._first)
        if difference:
            raise UnsupportedFormat(
                f"{self.paths[number].name} is {difference[0]}, but {self.paths[0].name} is "
                f"{difference[1]}: sections of one image are alike.",
                hint="Put files of another kind into a folder of their own: each folder is a layer.",
            )


class _SequenceImage:
    def __init__(self, sequence: _Sequence, info: ImageInfo) -> None:
        self._sequence = sequence
        self.info = info

    def read(self, region: Region) -> NDArray[Any]:
        return self._sequence.read(region)


def _difference(info: ImageInfo, first: ImageInfo) -> tuple[str, str] | None:
    """Return in words how an image differs from the first, and what that is."""
    if info.size != first.size._replace(c=info.size.c):
        return _extent(info), _extent(first)
    if (info.size.c, info.rgb) != (first.size.c, first.rgb):
        return _colors(info), _colors(first)
    if info.dtype != first.dtype:
        return info.dtype.name, first.dtype.name
    return None


def _extent(info: ImageInfo) -> str:
    depth = f" × {info.size.z}" if info.size.z > 1 else ""
    return f"{info.size.x} × {info.size.y}{depth} pixels"


def _colors(info: ImageInfo) -> str:
    return "a picture in colour" if info.rgb else "grey" if info.size.c == 1 else f"of {info.size.c} channels"
