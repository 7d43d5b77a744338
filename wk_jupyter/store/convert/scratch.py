"""Sections unpacked once: for images of which only whole sections, or large strips, can be decoded.

Without it every task would decode all sections that it meets as a whole, to take a part of each. A file
holds one section, cut as the tasks will ask for it: packed pieces, row by row, then where each one ends.
The sections of one slab of tasks lie in a folder, which is removed when these tasks are done.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData
from wk_jupyter.store.convert.shards import write_file

_LEVEL: Final = 1


@dataclass(frozen=True)
class Scratch:
    """The sections of one slab. ``rows`` and ``columns``: where along y and x they are cut, ends included.

    Places are counted in voxels of the image.
    """

    folder: Path
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    channels: int
    dtype: np.dtype[Any]

    def has(self, z: int) -> bool:
        return self._path(z).exists()

    def write(self, z: int, band: int, read: Callable[[int, int], NDArray[Any]]) -> None:
        """Unpack a section. ``read(y0, y1)`` gives (c, y, x) of ``band`` rows of pieces, asked once each."""
        write_file(self._path(z), self._pieces(band, read))

    def read(self, z: tuple[int, int], row: int, column: int) -> NDArray[Any]:
        """Return one piece of sections: (c, z, y, x)."""
        height = self.rows[row + 1] - self.rows[row]
        width = self.columns[column + 1] - self.columns[column]
        out = np.empty((self.channels, z[1] - z[0], height, width), self.dtype)
        number = row * (len(self.columns) - 1) + column
        for at, section in enumerate(range(*z)):
            raw = zstandard.ZstdDecompressor().decompress(self._stored(section, number))
            out[:, at] = np.frombuffer(raw, self.dtype).reshape(self.channels, height, width)
        return out

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _pieces(self, band: int, read: Callable[[int, int], NDArray[Any]]) -> Iterator[bytes]:
        compressor = zstandard.ZstdCompressor(level=_LEVEL)
        ends: list[int] = []
        last = len(self.rows) - 1
        for first in range(0, last, band):
            cuts = self.rows[first : min(first + band, last) + 1]
            voxels = read(cuts[0], cuts[-1])
            for y0, y1 in pairwise(cuts):
                for x0, x1 in pairwise(self.columns):
                    part = voxels[:, y0 - cuts[0] : y1 - cuts[0], x0:x1]
                    data = compressor.compress(part.tobytes())
                    ends.append(len(data) + (ends[-1] if ends else 0))
                    yield data
        yield np.array(ends, "<u8").tobytes()

    def _stored(self, z: int, number: int) -> bytes:
        count = (len(self.rows) - 1) * (len(self.columns) - 1)
        path = self._path(z)
        with path.open("rb") as stream:
            stream.seek(-8 * count, os.SEEK_END)
            ends = np.frombuffer(stream.read(), "<u8")
            begin = int(ends[number - 1]) if number else 0
            stream.seek(begin)
            data = stream.read(int(ends[number]) - begin)
        if len(ends) != count:
            raise CorruptData(f"{path} is damaged.", path=str(path))
        return data

    def _path(self, z: int) -> Path:
        return self.folder / str(z)
