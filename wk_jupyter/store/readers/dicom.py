"""DICOM: the files of a folder, put together to one image a series; files of many frames are images as well.

Sections are ordered by their place in the body, else by their numbers. Values are rescaled as the files say
(to whole numbers where slope and intercept are whole), unless the hint ``stored_values`` is true. Files that
hold no pixels, as ``DICOMDIR``, are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.cache import LruCache
from wk_jupyter.store.readers.base import Channel, Grain, Hints, Image, ImageInfo, Region, Size
from wk_jupyter.store.readers.dicom_frames import Frame, Slice, decode, look
from wk_jupyter.store.readers.dicom_order import Stack, ordered
from wk_jupyter.store.readers.lengths import nanometers

_CACHE_BYTES: Final = 2**26  # of frames that were unpacked, which the next task may want as well
_MOST_IMAGES: Final = 100
_WHOLE: Final = (np.dtype(np.int16), np.dtype(np.int32))


class DicomReader:
    name = "dicom"
    suffixes = (".dcm", ".dicom")

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - the magic tells
        return head[128:132] == b"DICM"

    def open(self, paths: Sequence[Path], hints: Hints) -> _Series:
        return _Series(paths, hints)


READER = DicomReader()


class _Series:
    """The images of all files: one for each series of sections of the same shape and type."""

    def __init__(self, paths: Sequence[Path], hints: Hints) -> None:
        groups: dict[tuple[Any, ...], list[Slice]] = defaultdict(list)
        aside = []
        for path in paths:
            found = look(path)
            if found is None:
                aside.append(path.name)
            elif found.frames > 1:
                groups[*found.key, str(path)].append(found)
            else:
                groups[found.key].append(found)
        if not groups:
            raise UnsupportedFormat(
                f"{paths[0].name} holds no pixels.", hint="Bring the files of the images."
            )
        if len(groups) > _MOST_IMAGES:
            raise UnsupportedFormat(
                f"{paths[0].name} and {len(paths) - 1} others are of {len(groups)} series.",
                hint="Bring each series by itself.",
            )
        notes = (f"no pixels, left out: {', '.join(aside[:5])}.",) if aside else ()
        self.images: list[Image] = [
            _Image(ordered(slices), hints, notes, is_named=len(groups) > 1) for slices in groups.values()
        ]

    def close(self) -> None:
        self.images = []


class _Image:
    """Frames, one for each section of each point in time."""

    def __init__(self, stack: Stack, hints: Hints, notes: tuple[str, ...], *, is_named: bool) -> None:
        first = stack.frames[0].of
        self._frames = stack.frames
        self._sections = len(stack.frames) // stack.times
        channels = 3 if first.samples == 3 else 1
        size = Size(stack.times, channels, self._sections, first.rows, first.columns)
        self._is_scaled = not hints.get("stored_values") and any(frame.of.is_scaled for frame in stack.frames)
        dtype = _scaled_type(stack.frames) if self._is_scaled else first.dtype
        frame_bytes = first.rows * first.columns * first.samples * first.dtype.itemsize
        self._cache: LruCache[Frame, NDArray[Any]] = LruCache(max(1, _CACHE_BYTES // frame_bytes))
        y, x = ((nanometers(size, "mm") if size else None) for size in first.spacing)
        told = [*notes, *stack.notes, *first.notes]
        if self._is_scaled:
            told.append(f"slope {first.slope:g} and intercept {first.intercept:g} are applied.")
        self.info = ImageInfo(
            size,
            dtype,
            Grain(1, size.y, size.x),
            name=first.name if is_named else "",
            rgb=channels == 3,
            voxel_size=(x, y, nanometers(stack.thickness, "mm") if stack.thickness else None),
            labels=True if first.modality == "SEG" else None,
            notes=tuple(told),
        )
        if first.window is not None and channels == 1 and self._is_scaled == first.is_scaled:
            self.info = replace(self.info, channels=(Channel(window=first.window),))

    def read(self, region: Region) -> NDArray[Any]:
        out = np.empty(region.shape, self.info.dtype)
        if out.size == 0:
            return out
        rows, columns = slice(*region.y), slice(*region.x)
        for place, z in enumerate(range(*region.z)):
            frame = self._frames[region.t * self._sections + z]
            part = self._decoded(frame)[rows, columns]
            if part.ndim == 3:
                out[:, place] = part[..., slice(*region.c)].transpose(2, 0, 1)
            elif self._is_scaled:
                scaled = part * np.float64(frame.of.slope) + frame.of.intercept
                with np.errstate(over="ignore"):  # float32 may have to do with infinity
                    out[0, place] = scaled
            else:
                out[0, place] = part
        return out

    def _decoded(self, frame: Frame) -> NDArray[Any]:
        found = self._cache.get(frame)
        if found is None:
            found = self._cache.keep_first(frame, decode(frame))
            of = frame.of
            if found.shape[:2] != (of.rows, of.columns) or prod(found.shape[2:]) != of.samples:
                raise CorruptData(
                    f"{of.path.name} is damaged: frame {frame.index + 1} has the shape {found.shape}.",
                    path=str(of.path),
                )
        return found


def _scaled_type(frames: Sequence[Frame]) -> np.dtype[Any]:
    """Return the smallest type of whole numbers for all rescaled values; else float32."""
    lows, highs = [], []
    for of in {frame.of for frame in frames}:
        if not (of.slope.is_integer() and of.intercept.is_integer()) or of.dtype.kind == "f":
            return np.dtype(np.float32)
        ends = [value * of.slope + of.intercept for value in of.range]
        lows.append(min(ends))
        highs.append(max(ends))
    for dtype in _WHOLE:
        if np.iinfo(dtype).min <= min(lows) and max(highs) <= np.iinfo(dtype).max:
            return dtype
    return np.dtype(np.float32)
