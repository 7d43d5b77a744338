"""What a reader of uploaded image files offers: their images, described before and read block by block.

An image has five axes: t, c, z, y, x; what a file doesn't have is 1 long. Voxels come as numpy arrays
(c, z, y, x), C-contiguous, little-endian. Sizes are in voxels, voxel sizes in nanometres in x, y, z order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Hints = Mapping[str, Any]


class Size(NamedTuple):
    """How many voxels an image has along each axis."""

    t: int
    c: int
    z: int
    y: int
    x: int


class Region(NamedTuple):
    """A part of an image: one point in time, and half-open ranges within its size."""

    t: int
    c: tuple[int, int]
    z: tuple[int, int]
    y: tuple[int, int]
    x: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Voxels along c, z, y, x."""
        (c0, c1), (z0, z1), (y0, y1), (x0, x1) = self.c, self.z, self.y, self.x
        return (c1 - c0, z1 - z0, y1 - y0, x1 - x0)


class Grain(NamedTuple):
    """What is cheapest to read in one go (a page, a strip, a tile, a cube): decoding less costs as much."""

    z: int
    y: int
    x: int


@dataclass(frozen=True)
class Channel:
    """What a file says of one channel; ``window``: the grey values to show as black and as white."""

    name: str = ""
    color: tuple[int, int, int] | None = None
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class ImageInfo:
    """What is known of an image without reading its voxels.

    ``name``: what the file calls it, or "". ``rgb``: its three channels are red, green and blue.
    ``voxel_size``: in nm, None for an axis of which the file doesn't say. ``topleft``: the first voxel's
    place (x, y, z) in voxels, where the format knows one. ``labels``: True or False where the file says that
    these are ids or grey values. ``notes``: sentences on what a person should know ("the alpha channel is
    left out"). ``dtype`` is what ``read`` gives: bool files give uint8 of 0 and 1 (a note says so).
    """

    size: Size
    dtype: np.dtype[np.generic]
    grain: Grain
    name: str = ""
    rgb: bool = False
    channels: tuple[Channel, ...] = ()
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    topleft: tuple[int, int, int] = (0, 0, 0)
    labels: bool | None = None
    notes: tuple[str, ...] = ()


class Image(Protocol):
    """One image of a file. Thread-safe: several threads may read at once."""

    info: ImageInfo

    def read(self, region: Region) -> NDArray[Any]:
        """Return the voxels (c, z, y, x) of a region.

        Raises CorruptData naming the file (and page, tile …) where it cannot be decoded.
        """
        ...


class ImageFile(Protocol):
    """An opened file, or several that belong together."""

    images: Sequence[Image]

    def close(self) -> None: ...


class Reader(Protocol):
    """What each module of this package offers under the name ``READER``.

    ``name`` is written into plans. ``suffixes``: lower-case, with the dot, longest first where several fit.
    """

    name: str
    suffixes: tuple[str, ...]

    def recognises(self, path: Path, head: bytes) -> bool:
        """Is it this format, by its first 512 bytes? ``path`` is asked only where a format has no magic."""
        ...

    def open(self, paths: Sequence[Path], hints: Hints) -> ImageFile:
        """Open a file, or files that make one image. Reads headers alone, with bounded memory.

        Raises UnsupportedFormat (complex voxels, unknown dialects), CorruptData (cut, damaged, absurd sizes),
        InvalidInput (hints that are missing or wrong): each names the file, the reason and the next step.
        """
        ...


@dataclass(frozen=True)
class ImageRef:
    """How a plan names an image, so that another process opens it again: JSON-able."""

    reader: str
    paths: tuple[str, ...]
    image: int = 0
    hints: Mapping[str, Any] = field(default_factory=dict)
