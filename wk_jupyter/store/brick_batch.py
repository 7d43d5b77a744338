"""One request for bricks on its way: what is passed on as it lies, what must be waited for.

The pass-on loop runs on the server's event loop for every brick that anybody looks at, so what it
needs is computed before, and it works on plain lists.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api.frames import (
    BRICK_SIDE,
    FAILED_CODE,
    MISSING_CODE,
    Encoding,
    Parts,
    Payload,
    Status,
    decode_payload,
    failure_payload,
    frame_parts,
    zstd_body_parts,
)
from wk_jupyter.errors import CorruptData, InvalidInput, WkError
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.brick_cells import Cell, cut, group
from wk_jupyter.store.volumes.base import (
    COLD,
    Absent,
    Block,
    BlockError,
    BlockIndex,
    Position,
    ReadsMany,
    StoredBlocks,
    Volume,
)

Form: TypeAlias = Literal["zstd-body", "stored", "raw"]
Runner: TypeAlias = Callable[..., Awaitable[Any]]
"""Calls a function with arguments on another thread."""

_SCRATCH_BYTES: Final = 4 * 1024**2
_HEAD_BYTES: Final = 4096  # of it, kept free for what a frame begins with
_READS_AT_ONCE: Final = 32  # of one request: as many as keep tensorstore busy
_INLINE_CUT_BYTES: Final = 256 * 1024  # what is cut up on the event loop: well below a millisecond
_INLINE_PASS_BYTES: Final = 16 * 1024**2  # what is copied on the event loop: a few milliseconds
_local: Final = threading.local()
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenMag:
    """A mag that is open, with all that a brick needs on its way."""

    volume: Volume
    dtype: np.dtype[Any]
    num_channels: int
    box: BoundingBox
    """The layer's, in voxels of this mag."""
    first: BlockIndex
    end: BlockIndex
    """Bricks that the layer's box meets: from ``first`` to before ``end``."""
    blocks: StoredBlocks | None
    """The stored blocks, where each of them is a brick."""
    code: int
    """What the frame says of a brick that is passed on."""

    def fit(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return voxels as the layer names their type and number of channels."""
        return voxels[: self.num_channels].view(self.dtype)


@dataclass(slots=True)
class _Group:
    """Bricks of one mag: their places in the request, and their indices."""

    mag: OpenMag
    places: list[int] = field(default_factory=list)
    bricks: list[BlockIndex] = field(default_factory=list)

    def part(self, numbers: Sequence[int]) -> _Group:
        return _Group(self.mag, [self.places[n] for n in numbers], [self.bricks[n] for n in numbers])


class BrickBatch:
    """The entries of a frame in the making; those outside of the layer's box are missing from the start."""

    def __init__(
        self,
        mags: Sequence[OpenMag | WkError],
        bricks: Sequence[tuple[int, int, int, int]],
        bytes_per_voxel: int,
        tell: Callable[[WkError], bytes] = failure_payload,
    ) -> None:
        """``tell`` makes the payload of a brick that cannot be read."""
        self._tell = tell
        self._brick_bytes = BRICK_SIDE**3 * bytes_per_voxel
        self._codes = [MISSING_CODE] * len(bricks)
        self._payloads: list[Payload] = [b""] * len(bricks)
        self._groups = self._sorted(mags, bricks)
        self._cold: list[_Group] = []
        self._packed: list[_Group] = []
        self._opaque: list[_Group] = []

    def choose_form(self, accept: Sequence[str], *, zstd_body: bool) -> Form:
        """Return the first form that the client takes and that these bricks can be sent in."""
        for form in accept:
            if form == "zstd-body" and zstd_body and all(map(_is_zstd, self._groups)):
                return "zstd-body"
            if form in {"stored", "raw"}:
                return cast("Form", form)
        return "raw"

    def pass_on(self, form: Form) -> None:
        """Take what is in the page cache and need not be decoded. Does not block.

        What it took lies in memory that the thread's next batch uses too: see ``keep``.
        """
        scratch, room = _scratch()[_HEAD_BYTES:], _INLINE_PASS_BYTES
        for bricks in self._groups:
            blocks = bricks.mag.blocks
            if blocks is None:
                self._opaque.append(bricks)
            elif form == "raw" and blocks.layout.encoding != Encoding.RAW:
                self._packed.append(bricks)
            elif len(bricks.bricks) * self._brick_bytes > room:
                self._cold.append(bricks)
            else:
                room -= len(bricks.bricks) * self._brick_bytes
                found = blocks.fetch_cached(bricks.bricks, scratch)
                cold = self._put(bricks, found)
                if cold:
                    self._cold.append(bricks.part(cold))
                if len(self._groups) > 1:
                    scratch = scratch[sum(len(b) for b in found if isinstance(b, memoryview)) :]

    @property
    def is_waiting(self) -> bool:
        """Whether there is something left to be fetched or decoded."""
        return bool(self._cold or self._packed or self._opaque)

    @property
    def is_small(self) -> bool:
        """Whether the frame may be put together on the event loop."""
        return sum(map(len, self._payloads)) <= _INLINE_PASS_BYTES

    def keep(self) -> None:
        """Copy what lies in the scratch memory: others use it as soon as this task waits for anything."""
        self._payloads = [bytes(p) if isinstance(p, memoryview) else p for p in self._payloads]

    async def wait_for_rest(
        self, position: Position, run: Runner, slots: AbstractAsyncContextManager[Any] | None
    ) -> None:
        """Bring what is left: stored blocks by one job of ``run``, all else through the volumes."""
        async with slots or nullcontext():
            jobs: list[Awaitable[Any]] = []
            if self._cold or self._packed:
                jobs.append(run(self._fetch_and_decode))
            jobs += self._cell_jobs(position, run)
            await asyncio.gather(*jobs)

    def encode(self, form: Form) -> bytes:
        """Return the frame, or the body of a reply with ``Content-Encoding: zstd``."""
        head, payloads = self._parts(form)
        return b"".join((head, *payloads))

    def encode_in_place(self, form: Form) -> bytes | memoryview:
        """Return the same without copying it, where it all came from the page cache and in order.

        It then lies in memory that the thread's next batch uses too: see ``give_away_memory``.
        """
        head, payloads = self._parts(form)
        is_in_scratch = set(map(type, filter(None, payloads))) == {memoryview}
        if len(self._groups) != 1 or not is_in_scratch or len(head) > _HEAD_BYTES:
            return b"".join((head, *payloads))
        begin = _HEAD_BYTES - len(head)
        whole = _scratch()[begin : _HEAD_BYTES + sum(map(len, payloads))]
        whole[: len(head)] = head
        return whole

    def _parts(self, form: Form) -> Parts:
        if form == "zstd-body":
            return zstd_body_parts(self._codes, self._payloads, self._brick_bytes)
        return frame_parts(self._codes, self._payloads)

    def _sorted(
        self, mags: Sequence[OpenMag | WkError], bricks: Sequence[tuple[int, int, int, int]]
    ) -> list[_Group]:
        groups = [None if isinstance(mag, WkError) else _Group(mag) for mag in mags]
        bounds = [None if isinstance(mag, WkError) else (*mag.first, *mag.end) for mag in mags]
        for place, (number, x, y, z) in enumerate(bricks):
            if not 0 <= number < len(mags):
                raise InvalidInput(f"brick {place} names mag number {number}; there are {len(mags)}.")
            group, bound = groups[number], bounds[number]
            if group is None or bound is None:
                self._fail(place, cast("WkError", mags[number]))
                continue
            x0, y0, z0, x1, y1, z1 = bound
            if x0 <= x < x1 and y0 <= y < y1 and z0 <= z < z1:
                group.places.append(place)
                group.bricks.append((x, y, z))
        return [group for group in groups if group is not None and group.places]

    def _put(self, bricks: _Group, blocks: Sequence[Block]) -> list[int]:
        """Enter blocks as they lie; return the numbers of those that are cold."""
        cold = []
        codes, payloads, code = self._codes, self._payloads, bricks.mag.code
        for number, (place, block) in enumerate(zip(bricks.places, blocks, strict=True)):
            if block.__class__ is memoryview:  # nearly always
                codes[place] = code
                payloads[place] = block
            elif block is COLD:
                cold.append(number)
            elif isinstance(block, BlockError):
                self._fail(place, block.error)
            elif not isinstance(block, Absent):
                codes[place] = code
                payloads[place] = block
        return cold

    def _fail(self, place: int, error: WkError) -> None:
        self._codes[place] = FAILED_CODE
        self._payloads[place] = self._tell(error)

    def _put_raw(self, place: int, raw: bytes) -> None:
        self._codes[place] = Status.OK
        self._payloads[place] = raw

    def _fetch_and_decode(self) -> None:
        for bricks in self._cold:
            self._put(bricks, _blocks_of(bricks).fetch(bricks.bricks))
        for bricks in self._packed:
            blocks = _blocks_of(bricks)
            found = blocks.fetch(bricks.bricks)
            for place, index, block in zip(bricks.places, bricks.bricks, found, strict=True):
                if isinstance(block, BlockError):
                    self._fail(place, block.error)
                elif not isinstance(block, Absent):
                    self._decode(place, block, blocks, index)

    def _decode(
        self, place: int, block: bytes | bytearray | memoryview, blocks: StoredBlocks, index: BlockIndex
    ) -> None:
        layout = blocks.layout
        try:
            raw = decode_payload(block, layout.encoding, layout.decoded_bytes, lambda: blocks.describe(index))
        except CorruptData as error:
            self._fail(place, error)
        else:
            self._put_raw(place, raw)

    def _cell_jobs(self, position: Position, run: Runner) -> list[Awaitable[None]]:
        at_once = asyncio.Semaphore(_READS_AT_ONCE)

        async def read(mag: OpenMag, cell: Cell) -> None:
            async with at_once:
                await self._read_cell(mag, cell, position, run)

        jobs: list[Awaitable[None]] = []
        for bricks in self._opaque:
            mag, chunk = bricks.mag, bricks.mag.volume.info.chunk_shape
            cells = group(bricks.places, bricks.bricks, chunk, self._brick_bytes)
            if isinstance(mag.volume, ReadsMany):  # one job: an awaited read costs more than a cached chunk
                jobs.append(run(self._read_cells, mag, mag.volume, cells, position))
            else:
                jobs += [read(mag, cell) for cell in cells]
        return jobs

    def _read_cells(self, mag: OpenMag, volume: ReadsMany, cells: Sequence[Cell], position: Position) -> None:
        again: list[Cell] = []
        left = deque(cells)
        try:
            for voxels in volume.read_many([cell.box for cell in cells], position):
                if not isinstance(voxels, WkError):
                    self._put_cell(left[0], cut(left[0], mag.fit(voxels)))
                elif len(left[0].places) == 1:
                    self._fail(left[0].places[0], voxels)
                else:
                    again += left[0].single()
                left.popleft()
        except InvalidInput:
            raise
        except Exception:  # noqa: BLE001 - as for a single cell
            self._fail_unexpectedly(mag, left)
        if again:
            self._read_cells(mag, volume, again, position)

    async def _read_cell(self, mag: OpenMag, cell: Cell, position: Position, run: Runner) -> None:
        try:
            voxels = mag.fit(await mag.volume.read_async(cell.box, position))
            raws = cut(cell, voxels) if voxels.nbytes <= _INLINE_CUT_BYTES else await run(cut, cell, voxels)
        except InvalidInput:
            raise  # the request is wrong, not a brick
        except WkError as error:
            if len(cell.places) == 1:
                self._fail(cell.places[0], error)
                return
            for one in cell.single():
                await self._read_cell(mag, one, position, run)
        except Exception:  # noqa: BLE001 - logged; the other bricks shall still come
            self._fail_unexpectedly(mag, [cell])
        else:
            self._put_cell(cell, raws)

    def _fail_unexpectedly(self, mag: OpenMag, cells: Iterable[Cell]) -> None:
        label = mag.volume.info.label
        _log.exception("bricks of %s could not be read", label)
        failure = CorruptData(f"{label} could not be read; the server's log tells why.")
        for place in (place for cell in cells for place in cell.places):
            self._fail(place, failure)

    def _put_cell(self, cell: Cell, raws: Sequence[bytes]) -> None:
        for place, raw in zip(cell.places, raws, strict=True):
            if raw:
                self._put_raw(place, raw)


def _blocks_of(bricks: _Group) -> StoredBlocks:
    return cast("StoredBlocks", bricks.mag.blocks)


def _is_zstd(bricks: _Group) -> bool:
    blocks = bricks.mag.blocks
    return blocks is not None and blocks.layout.encoding == Encoding.ZSTD


def _scratch() -> memoryview:
    """Memory that this thread uses for one request after the other."""
    found = getattr(_local, "scratch", None)
    if found is None:
        found = _local.scratch = np.empty(_SCRATCH_BYTES, np.uint8).data  # not zeroed, as a bytearray is
    return cast("memoryview", found)


def give_away_memory() -> None:
    """Leave what was encoded in place to whoever still sends it; the next batch uses other memory."""
    _local.scratch = None
