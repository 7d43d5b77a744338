"""CZI of Zeiss: each scene is an image, its channels are channels; pixels that no tile covers are 0.

Coarser levels are left out, they are made anew. Scenes keep their places to each other (``topleft``).
Channels whose pixels are of another type, and each channel in colour, are images of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.store.cache import LruCache
from wk_jupyter.store.readers import czi_metadata
from wk_jupyter.store.readers.base import Channel, Grain, Hints, Image, ImageInfo, Region, Size
from wk_jupyter.store.readers.byte_sources import PlainBytes
from wk_jupyter.store.readers.czi_directory import Directory, Tile, damaged, read_directory
from wk_jupyter.store.readers.czi_pixels import PixelType, decode, is_raw, pixel_type, read_rows

_CACHE_BYTES: Final = 2**26  # of tiles that were unpacked, which the next task may want as well
_MOST_EMPTY: Final = 10_000  # times as many pixels as there are in tiles, where an image is large
_LARGE: Final = 2**34
_MOST_PLANES: Final = 100_000  # and _MOST_EMPTY for each tile


class CziReader:
    name = "czi"
    suffixes = (".czi",)

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - the magic tells
        return head.startswith(b"ZISRAWFILE")

    def open(self, paths: Sequence[Path], hints: Hints) -> _Czi:  # noqa: ARG002 - the file tells all
        return _Czi(paths[0])


READER = CziReader()


class _Czi:
    """The images of one file."""

    def __init__(self, path: Path) -> None:
        self._source = PlainBytes(path)
        try:
            directory = read_directory(self._source)
            metadata = czi_metadata.parse(directory.xml)
            if metadata is None:
                metadata = czi_metadata.Metadata()
                directory.notes.append("its metadata cannot be read: names and sizes are not known.")
            directory.notes += metadata.notes
            self.images: list[Image] = list(_images(self._source, directory, metadata))
        except BaseException:
            self._source.close()
            raise

    def close(self) -> None:
        self._source.close()


def _images(source: PlainBytes, directory: Directory, metadata: czi_metadata.Metadata) -> Iterator[Image]:
    groups: dict[tuple[int, int, int], list[Tile]] = defaultdict(list)
    for tile in directory.tiles:
        kind = pixel_type(source, tile)
        groups[tile.scene, tile.pixel_type, tile.channel if kind.samples > 1 else -1].append(tile)
    scenes = sorted({scene for scene, *_ in groups})
    corner = (min(tile.x for tile in directory.tiles), min(tile.y for tile in directory.tiles))
    first_z = min(tile.z for tile in directory.tiles)
    for scene, of_type, own_channel in sorted(groups):
        tiles = groups[scene, of_type, own_channel]
        names = []
        if len(scenes) > 1:
            place = scenes.index(scene)
            told = metadata.scenes[place] if len(metadata.scenes) == len(scenes) else ""
            names.append(told or f"scene{place + 1}")
        kind = pixel_type(source, tiles[0])
        if len({key for key in groups if key[0] == scene}) > 1:
            facts = metadata.channels[own_channel : own_channel + 1] if own_channel >= 0 else ()
            names.append(facts[0].name if facts and facts[0].name else kind.name)
        yield _Scene(
            source, tiles, kind, _Told(metadata, "_".join(names), (*corner, first_z), tuple(directory.notes))
        )


class _Told:
    """What an image takes over from the file: metadata, its name, the file's first voxel, notes."""

    def __init__(
        self,
        metadata: czi_metadata.Metadata,
        name: str,
        origin: tuple[int, int, int],
        notes: tuple[str, ...],
    ) -> None:
        self.metadata = metadata
        self.name = name
        self.origin = origin
        self.notes = notes


class _Plane:
    """The tiles of one section of one channel, lowest first."""

    def __init__(self, tiles: list[Tile], left: int, top: int) -> None:
        self.tiles = sorted(tiles, key=lambda tile: tile.layer)
        self._edges = np.array(
            [(t.y - top, t.y - top + t.height, t.x - left, t.x - left + t.width) for t in self.tiles],
            np.int64,
        )

    def meeting(self, y: tuple[int, int], x: tuple[int, int]) -> Iterator[tuple[Tile, int, int]]:
        """Yield tiles that meet a window, with the place (y, x) of their first pixel."""
        y0, y1, x0, x1 = self._edges.T
        for index in np.flatnonzero((y0 < y[1]) & (y1 > y[0]) & (x0 < x[1]) & (x1 > x[0])):
            yield self.tiles[index], int(y0[index]), int(x0[index])


class _Scene:
    """One scene, or those of its channels that have pixels of one type."""

    def __init__(self, source: PlainBytes, tiles: list[Tile], kind: PixelType, told: _Told) -> None:
        self._source = source
        self._samples = min(3, kind.samples)
        left, top = min(tile.x for tile in tiles), min(tile.y for tile in tiles)
        right, bottom = max(t.x + t.width for t in tiles), max(t.y + t.height for t in tiles)
        times = _span(tile.time for tile in tiles)
        sections = _span(tile.z for tile in tiles)
        channels = sorted({tile.channel for tile in tiles})
        size = Size(len(times), len(channels) * self._samples, len(sections), bottom - top, right - left)
        _require_filled(source, size, tiles)
        planes: dict[tuple[int, int, int], list[Tile]] = defaultdict(list)
        for tile in tiles:
            place = (tile.time - times[0], channels.index(tile.channel), tile.z - sections[0])
            planes[place].append(tile)
        self._planes = {place: _Plane(of_it, left, top) for place, of_it in planes.items()}
        largest = max(tile.width * tile.height for tile in tiles) * kind.samples * kind.dtype.itemsize
        self._cache: LruCache[int, NDArray[Any]] = LruCache(max(1, _CACHE_BYTES // largest))
        dtype = kind.dtype.newbyteorder("=")
        x, y, z = told.origin
        self.info = ImageInfo(
            size=size,
            dtype=dtype,
            grain=Grain(
                1,
                1 if is_raw(tiles[0]) else min(size.y, max(tile.height for tile in tiles)),
                min(size.x, max(tile.width for tile in tiles)),
            ),
            name=told.name,
            rgb=self._samples == 3,
            channels=_channels(told.metadata, channels, dtype) if self._samples == 1 else (),
            voxel_size=told.metadata.voxel_size,
            topleft=(left - x, top - y, sections[0] - z),
            notes=(*told.notes, *(["the alpha channel is left out."] if kind.samples == 4 else [])),
        )

    def read(self, region: Region) -> NDArray[Any]:
        out = np.zeros(region.shape, self.info.dtype)
        if out.size == 0:
            return out
        channels = range(region.c[0] // self._samples, -(-region.c[1] // self._samples))
        for channel, z in product(channels, range(*region.z)):
            plane = self._planes.get((region.t, channel, z))
            if plane is None:
                continue
            first = max(region.c[0] - channel * self._samples, 0)
            last = min(region.c[1] - channel * self._samples, self._samples)
            start = channel * self._samples + first - region.c[0]
            target = out[start : start + last - first, z - region.z[0]]
            for tile, top, left in plane.meeting(region.y, region.x):
                self._place(tile, (top, left), (region.y, region.x), target, slice(first, last))
        return out

    def _place(
        self,
        tile: Tile,
        corner: tuple[int, int],
        window: tuple[tuple[int, int], tuple[int, int]],
        target: NDArray[Any],
        samples: slice,
    ) -> None:
        """Put what of a tile is in a window (y, x) into (c, y, x)."""
        (top, left), ((y0, y1), (x0, x1)) = corner, window
        rows = max(y0 - top, 0), min(y1 - top, tile.height)
        columns = slice(max(x0 - left, 0), min(x1 - left, tile.width))
        pixels = read_rows(self._source, tile, rows) if is_raw(tile) else self._decoded(tile)[slice(*rows)]
        part = pixels[:, columns, samples].transpose(2, 0, 1)
        y, x = top + rows[0] - y0, left + columns.start - x0
        target[:, y : y + part.shape[1], x : x + part.shape[2]] = part

    def _decoded(self, tile: Tile) -> NDArray[Any]:
        found = self._cache.get(tile.position)
        if found is None:
            found = self._cache.keep_first(tile.position, decode(self._source, tile))
        return found


def _span(places: Iterator[int]) -> range:
    there = set(places)
    return range(min(there), max(there) + 1)


def _require_filled(source: PlainBytes, size: Size, tiles: list[Tile]) -> None:
    """Refuse tiles that lie so far apart that somebody must have written wrong places."""
    covered = sum(tile.width * tile.height for tile in tiles)
    promised = size.t * size.c * size.z * size.y * size.x
    is_sparse = promised > _LARGE and promised > _MOST_EMPTY * covered
    if is_sparse or size.t * size.c * size.z > _MOST_PLANES + _MOST_EMPTY * len(tiles):
        told = " × ".join(f"{length:,}" for length in size)
        raise damaged(source, f"its {len(tiles)} tiles lie in {told} voxels (t, c, z, y, x)")


def _channels(
    metadata: czi_metadata.Metadata, channels: list[int], dtype: np.dtype[np.generic]
) -> tuple[Channel, ...]:
    facts = metadata.channels
    if not facts or max(channels) >= len(facts) or min(channels) < 0:
        return ()
    return tuple(facts[channel].channel(dtype) for channel in channels)
