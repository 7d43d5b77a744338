"""Reading a layer: boxes as arrays, and bricks of 32³ voxels as they go over the wire.

Where a format stores bricks as blocks of its own, they are passed on as they lie: looked up and read
on the event loop when they are in the page cache, all others of a request by one job of an executor.
Where it does not, or where the client wants them raw, they are decoded, never on the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api.frames import BRICK_SIDE, MAX_BRICKS, Encoding, decode_payload, failure_payload, ok_code
from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import InvalidDataSource, InvalidInput, MagNotFound, TooLarge, WkError
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int
from wk_jupyter.store.brick_batch import BrickBatch, OpenMag
from wk_jupyter.store.volumes import open_volume
from wk_jupyter.store.volumes.base import (
    COLD,
    FIRST_POSITION,
    MISSING,
    BlockError,
    BlockIndex,
    Position,
    StoredBlocks,
    Volume,
    stored_blocks,
)

T = TypeVar("T")
Opener = Callable[[Path, LayerSource, MagSource], Volume]

DEFAULT_MAX_READ_BYTES: Final = 2**30
_MAX_MAGS: Final = 64
_INLINE_BYTES: Final = 2**20
_BRICK: Final = Vec3Int(BRICK_SIDE, BRICK_SIDE, BRICK_SIDE)


class Coordinate(msgspec.Struct):
    """A place on an additional axis."""

    name: str
    value: int


class BrickRequest(msgspec.Struct, rename="camel", kw_only=True):
    """Many bricks of one layer: ``[index into mags, x, y, z]``, counted in bricks of that mag from voxel 0.

    ``accept`` lists, best first, in which forms the client takes them: "zstd-body", "stored", "raw".
    """

    mags: list[tuple[int, int, int]]
    bricks: list[tuple[int, int, int, int]]
    accept: list[str] = msgspec.field(default_factory=lambda: ["stored", "raw"])
    additional_coordinates: list[Coordinate] = []


@dataclass(frozen=True, slots=True)
class BrickReply:
    """A frame of bricks (see ``wk_jupyter.api.frames``), and its ``Content-Encoding``.

    A ``body`` that is a memoryview is lent: the thread's next batch writes over it, unless it is told to
    ``give_away_memory`` before.
    """

    body: bytes | memoryview
    content_encoding: str | None = None


class LayerReader:
    """One layer of a dataset on disk. Volumes are opened when a mag is first asked for.

    Safe to use from several threads and event loops. ``executor`` runs what may block or decodes; by
    default that is the event loop's own.
    """

    def __init__(
        self,
        layer: LayerSource,
        root: Path,
        opener: Opener = open_volume,
        *,
        max_read_bytes: int = DEFAULT_MAX_READ_BYTES,
        executor: Executor | None = None,
    ) -> None:
        self.layer = layer
        self.root = root
        self.mags = tuple(source.mag for source in layer.mags)
        self.max_read_bytes = max_read_bytes
        self._opener = opener
        self._executor = executor
        self._sources = {tuple(source.mag): source for source in layer.mags}
        self._open: dict[tuple[int, ...], OpenMag] = {}
        self._lock = threading.Lock()

    def volume(self, mag: Mag) -> Volume:
        """Return the volume of a mag, opened if need be. Blocks. Raises MagNotFound."""
        return self._open_mag(tuple(mag)).volume

    async def read(self, mag: Mag, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        """Return the voxels (c, x, y, z) of ``box``, in voxels of ``mag``; 0 outside of the layer's box.

        Raises MagNotFound, CorruptData, and TooLarge where the result would have too many bytes.
        """
        layer = self.layer
        size = box.volume * layer.bytes_per_voxel
        if size > self.max_read_bytes:
            raise TooLarge(
                f"{' × '.join(map(str, box.size))} voxels of layer {layer.name!r} are {size:,} bytes; "
                f"at most {self.max_read_bytes:,} are read at once.",
                hint="Read a smaller box, or a coarser mag.",
            )
        opened = await self._mag(tuple(mag))
        inside = box.intersection(opened.box)
        if inside.is_empty:
            return np.zeros((layer.num_channels, *box.size), layer.dtype, order="F")
        voxels = opened.fit(await opened.volume.read_async(inside, self._checked(position)))
        if inside == box:
            return voxels
        if voxels.nbytes <= _INLINE_BYTES:
            return _placed(voxels, inside, box)
        return await self._run(_placed, voxels, inside, box)

    async def brick(self, mag: Mag, index: BlockIndex, position: Position = FIRST_POSITION) -> bytes | None:
        """Return the raw voxels of one brick, channels fastest and z slowest, or None where none are stored.

        Those outside of the layer's box are 0. Raises MagNotFound and CorruptData.
        """
        opened = await self._mag(tuple(mag))
        box = BoundingBox(Vec3Int.of(index) * BRICK_SIDE, _BRICK)
        if box.intersection(opened.box).is_empty:
            return None
        if opened.blocks is None:
            voxels = await self.read(mag, box, position)
            return _raw(voxels) if np.any(voxels) else None
        [block] = opened.blocks.fetch_cached([index])
        if block is COLD:
            [block] = await self._run(opened.blocks.fetch, [index])
        if isinstance(block, BlockError):
            raise block.error
        if block is MISSING or block is COLD:
            return None
        layout = opened.blocks.layout
        describe = partial(opened.blocks.describe, index)
        decode = partial(decode_payload, block, layout.encoding, layout.decoded_bytes, describe)
        raw = decode() if layout.decoded_bytes <= _INLINE_BYTES else await self._run(decode)
        return raw if opened.box.contains(box) else _blanked(raw, self.layer, box, opened.box)

    async def bricks(
        self,
        request: BrickRequest,
        *,
        zstd_body: bool = False,
        slots: AbstractAsyncContextManager[Any] | None = None,
        tell: Callable[[WkError], bytes] = failure_payload,
        lend: bool = False,
    ) -> BrickReply:
        """Return the bricks of a request in one frame.

        A brick that crosses the border of the layer's box comes with all that is stored of it. One that
        cannot be read is told as failed, beside the others. ``zstd_body`` tells that the client takes
        ``Content-Encoding: zstd``; ``slots`` is held while bricks are decoded or read from disk;
        ``tell`` makes the payload of a brick that cannot be read; ``lend`` saves a copy by lending the reply.
        Raises InvalidInput, TooLarge or MagNotFound where the request as a whole cannot be answered.
        """
        if len(request.bricks) > MAX_BRICKS:
            raise TooLarge(
                f"{len(request.bricks)} bricks are too many.", hint=f"Ask for at most {MAX_BRICKS} at once."
            )
        if len(request.mags) > _MAX_MAGS:
            raise TooLarge(f"{len(request.mags)} mags are too many for one request.")
        position = self._checked({c.name: c.value for c in request.additional_coordinates})
        mags = [self._open.get(mag) or await self._mag_or_error(mag) for mag in request.mags]
        batch = BrickBatch(mags, request.bricks, self.layer.bytes_per_voxel, tell)
        form = batch.choose_form(request.accept, zstd_body=zstd_body)
        batch.pass_on(form)
        if batch.is_waiting or not batch.is_small:
            batch.keep()
            await batch.wait_for_rest(position, self._run, slots)
        body: bytes | memoryview
        if not batch.is_small:
            body = await self._run(batch.encode, form)
        else:
            body = batch.encode_in_place(form) if lend else batch.encode(form)
        return BrickReply(body, "zstd" if form == "zstd-body" else None)

    def close(self) -> None:
        """Close the volumes. They open again when they are asked for."""
        with self._lock:
            opened, self._open = self._open, {}
        for mag in opened.values():
            mag.volume.close()

    def _checked(self, position: Position) -> Position:
        names = {axis.name for axis in self.layer.additional_axes}
        unknown = sorted(set(position) - names) if position else []
        if unknown:
            there = f"It has {', '.join(sorted(names))}." if names else "It has x, y and z only."
            raise InvalidInput(f"the layer {self.layer.name!r} has no axis {unknown[0][:80]!r}.", hint=there)
        return position

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    async def _mag(self, mag: tuple[int, ...]) -> OpenMag:
        opened = self._open.get(mag)
        return opened if opened is not None else await self._run(self._open_mag, mag)

    async def _mag_or_error(self, mag: tuple[int, ...]) -> OpenMag | WkError:
        try:
            return await self._mag(mag)
        except MagNotFound:
            raise
        except WkError as error:
            return error

    def _open_mag(self, mag: tuple[int, ...]) -> OpenMag:
        source = self._sources.get(mag)
        if source is None:
            there = ", ".join(m.name for m in self.mags)
            name = "-".join(map(str, mag))
            raise MagNotFound(f"the layer {self.layer.name!r} has no mag {name}.", hint=f"It has {there}.")
        with self._lock:
            opened = self._open.get(mag)
            if opened is None:
                opened = self._opened(source, self._opener(self.root, self.layer, source))
                self._open[mag] = opened
            return opened

    def _opened(self, source: MagSource, volume: Volume) -> OpenMag:
        layer, info = self.layer, volume.info
        same_size = info.dtype.itemsize == layer.dtype.itemsize
        both_integers = info.dtype.kind in "ui" and layer.dtype.kind in "ui"
        if not (info.dtype == layer.dtype or (same_size and both_integers)):
            _refuse(layer, volume, f"voxels of type {info.dtype}")
        if info.num_channels < layer.num_channels:
            _refuse(layer, volume, f"{info.num_channels} channels")
        box = layer.bounding_box.in_mag(source.mag)
        blocks = self._brick_blocks(volume)
        return OpenMag(
            volume=volume,
            dtype=layer.dtype,
            num_channels=layer.num_channels,
            box=box,
            first=box.topleft // BRICK_SIDE,
            end=box.bottomright.ceildiv(BRICK_SIDE),
            blocks=blocks,
            code=ok_code(blocks.layout.encoding if blocks else Encoding.RAW),
        )

    def _brick_blocks(self, volume: Volume) -> StoredBlocks | None:
        """Return the volume's blocks where each is a brick of this layer."""
        blocks = stored_blocks(volume)
        size = BRICK_SIDE**3 * self.layer.bytes_per_voxel
        if blocks is None or self.layer.additional_axes:
            return None
        fits = blocks.layout.shape == _BRICK and blocks.layout.decoded_bytes == size
        return blocks if fits else None


def _refuse(layer: LayerSource, volume: Volume, found: str) -> None:
    raise InvalidDataSource(
        f"the layer {layer.name!r} has {layer.num_channels} channels of {layer.dtype}, but "
        f"{volume.info.label} holds {found}.",
        field="elementClass",
        path=volume.info.label,
        hint="Correct elementClass and numChannels in datasource-properties.json.",
    )


def _placed(voxels: NDArray[Any], inside: BoundingBox, box: BoundingBox) -> NDArray[Any]:
    """Put the voxels of ``inside`` into the larger ``box``, all else 0."""
    whole = np.zeros((len(voxels), *box.size), voxels.dtype, order="F")
    (x0, y0, z0), (x1, y1, z1) = inside.topleft - box.topleft, inside.bottomright - box.topleft
    whole[:, x0:x1, y0:y1, z0:z1] = voxels
    return whole


def _raw(voxels: NDArray[Any]) -> bytes:
    return voxels.astype(voxels.dtype.newbyteorder("<"), copy=False).tobytes(order="F")


def _blanked(raw: bytes, layer: LayerSource, box: BoundingBox, allowed: BoundingBox) -> bytes:
    voxels = np.frombuffer(raw, layer.dtype.newbyteorder("<"))
    voxels = voxels.reshape((layer.num_channels, *box.size), order="F")
    inside = box.intersection(allowed)
    (x0, y0, z0), (x1, y1, z1) = inside.topleft - box.topleft, inside.bottomright - box.topleft
    return _placed(voxels[:, x0:x1, y0:y1, z0:z1], inside, box).tobytes(order="F")
