"""What every stored format offers: voxels of a box, and, where it can, its blocks as they lie.

Arrays are in c, x, y, z order. Boxes are in voxels of the volume's own mag, half-open, and may
reach outside of what is stored: voxels that were never written read as the fill value (0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

from wk_jupyter.api.frames import Encoding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wk_jupyter.errors import CorruptData, WkError
    from wk_jupyter.geometry import BoundingBox, Vec3Int

BlockIndex: TypeAlias = tuple[int, int, int]
Position: TypeAlias = Mapping[str, int]
"""A place on the additional axes, as ``{"t": 3}``; an axis that is not named is at its first position."""

FIRST_POSITION: Final[Position] = {}


@dataclass(frozen=True)
class VolumeInfo:
    """What is known of a stored array without reading voxels.

    ``bounds`` are in voxels of the volume's mag and tell what the file can hold, which is often more
    than the layer's bounding box. ``label`` is the path that errors name.
    """

    dtype: np.dtype[Any]
    num_channels: int
    bounds: BoundingBox
    chunk_shape: Vec3Int
    label: str


class Volume(Protocol):
    """One mag of one layer. Safe to use from several threads."""

    info: VolumeInfo

    def read(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        """Return the voxels of ``box`` as (c, x, y, z) in native byte order. Blocks on the disk.

        Raises CorruptData, naming the file, where stored bytes cannot be decoded.
        """
        ...

    async def read_async(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        """Do the same without blocking the event loop."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class BlockLayout:
    """The grid of stored blocks, which starts at voxel 0 of the mag.

    A decoded block is little-endian, channels fastest, then x, then y, z slowest.
    """

    shape: Vec3Int
    encoding: Encoding
    decoded_bytes: int


class Absent(Enum):
    """Why there are no bytes for a block."""

    MISSING = "never written"
    COLD = "not in the page cache"


MISSING: Final = Absent.MISSING
COLD: Final = Absent.COLD


@dataclass(frozen=True)
class BlockError:
    """A block that is there and cannot be read."""

    error: CorruptData


Block: TypeAlias = bytes | bytearray | memoryview | Absent | BlockError


@runtime_checkable
class StoredBlocks(Protocol):
    """The optional ability to hand out blocks undecoded."""

    layout: BlockLayout

    def fetch_cached(self, indices: Sequence[BlockIndex], scratch: memoryview | None = None) -> list[Block]:
        """Return the blocks without ever waiting for the disk; what would wait is ``COLD``.

        Blocks may be views of ``scratch``, where one is given, and then last until it is used again.
        """
        ...

    def fetch(self, indices: Sequence[BlockIndex]) -> list[Block]:
        """Return the blocks, reading from disk where needed."""
        ...

    def describe(self, index: BlockIndex) -> str:
        """Name a block and its file, for errors."""
        ...


@runtime_checkable
class ReadsMany(Protocol):
    """The optional ability to read many boxes at once better than one after the other."""

    def read_many(
        self, boxes: Sequence[BoundingBox], position: Position = FIRST_POSITION
    ) -> Iterator[NDArray[Any] | WkError]:
        """Yield the voxels of each box as (c, x, y, z), or why it cannot be read. Blocks on the disk.

        Raises InvalidInput for a wrong position.
        """
        ...


def stored_blocks(volume: Volume) -> StoredBlocks | None:
    """The volume's blocks as they lie, or None where its layout cannot be passed on."""
    blocks = getattr(volume, "stored_blocks", None)
    return blocks if isinstance(blocks, StoredBlocks) else None
