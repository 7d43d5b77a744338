"""Raw voxels: boxes, and lists of cubes as the official viewer asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wk_jupyter.api.frames import BRICK_SIDE
from wk_jupyter.api.models import AdditionalCoordinate, Cuboid, CutoutQuery, RawCuboid
from wk_jupyter.errors import InvalidInput, TooLarge
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int
from wk_jupyter.server_ext.handlers.layers import LayerHandler
from wk_jupyter.server_ext.pieces import pieces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wk_jupyter.store.bricks import LayerReader

_PIECE_BYTES: Final = 32 * 1024**2
_MOST_CUBES: Final = 2048
_BATCH_BYTES: Final = 128 * 1024**2
"""Of a list of cubes: it cannot be sent in pieces, as its header tells which cubes are missing."""


class CutoutHandler(LayerHandler):
    """One box, x fastest, channels before x, little-endian; what is outside of the data is 0."""

    async def get(self, dataset: str, layer: str) -> None:
        query = self.query(CutoutQuery)
        reader = await self.layer(dataset, layer)
        mag = Mag(query.mag)
        corner = Vec3Int(query.x, query.y, query.z) // mag.as_vec()
        box = BoundingBox(corner, Vec3Int(query.width, query.height, query.depth))
        await self.send_box(
            reader, mag, box, _coordinates_of(query.additional_coordinates), half_byte=query.half_byte
        )

    async def send_box(
        self,
        reader: LayerReader,
        mag: Mag,
        box: BoundingBox,
        position: Mapping[str, int],
        *,
        half_byte: bool,
    ) -> None:
        """Send the voxels of ``box``, in voxels of ``mag``, piece by piece as the client takes them."""
        voxel_bytes = reader.layer.bytes_per_voxel
        _check_size(box, voxel_bytes, self.services.limits.cutout_bytes)
        if half_byte:
            _check_four_bit(reader)
        total = box.volume * voxel_bytes
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Length", str((total + 1) // 2 if half_byte else total))
        self.set_header("MISSING-BUCKETS", "[]")
        if self.request.method == "HEAD":
            return
        align = Vec3Int(1, 1, 1)
        if mag in reader.mags:
            align = (await self.services.run(reader.volume, mag)).info.chunk_shape
        left_over = b""  # at four bits: a voxel that waits for the one with which it shares a byte
        for piece in pieces(box, voxel_bytes=voxel_bytes, limit=_PIECE_BYTES, align=align):
            async with self.services.decode_slots:
                raw = await self._read(reader, mag, piece, position)
            if half_byte:
                raw = left_over + raw
                left_over = raw[len(raw) - len(raw) % 2 :]
                raw = four_bit(raw[: len(raw) - len(left_over)])
            self.write(raw)
            await self.flush()
        self.finish(four_bit(left_over))

    async def _read(
        self, reader: LayerReader, mag: Mag, box: BoundingBox, position: Mapping[str, int]
    ) -> bytes:
        if mag not in reader.mags:
            return bytes(box.volume * reader.layer.bytes_per_voxel)
        voxels = await reader.read(mag, box, position)
        return await self.services.run(raw_bytes, voxels)


class ReadDataHandler(CutoutHandler):
    """The same, asked for by a JSON body."""

    async def post(self, dataset: str, layer: str) -> None:
        request: RawCuboid = self.body(RawCuboid)
        reader = await self.layer(dataset, layer)
        mag = Mag(request.mag)
        size = Vec3Int(request.width, request.height, request.depth)
        box = BoundingBox(Vec3Int.of(request.position) // mag.as_vec(), size)
        await self.send_box(
            reader, mag, box, _as_mapping(request.additional_coordinates), half_byte=request.half_byte
        )


class BucketsHandler(CutoutHandler):
    """GET: one box. POST: cubes, one after the other; those that are not stored are zeros and named."""

    async def post(self, dataset: str, layer: str) -> None:
        cuboids: list[Cuboid] = self.body(list[Cuboid])
        reader = await self.layer(dataset, layer)
        if len(cuboids) > _MOST_CUBES:
            raise TooLarge(
                f"{len(cuboids):,} cubes are too many.", hint=f"Ask for at most {_MOST_CUBES:,} at once."
            )
        for cuboid in cuboids:
            if cuboid.four_bit:
                _check_four_bit(reader)
        voxels = sum(cuboid.cube_size**3 for cuboid in cuboids if cuboid.cube_size > 0)
        if voxels * reader.layer.bytes_per_voxel > _BATCH_BYTES:
            raise TooLarge(
                f"These cubes are over {_BATCH_BYTES} bytes together.", hint="Ask for fewer at once."
            )
        parts: list[bytes] = []
        missing: list[int] = []
        for index, cuboid in enumerate(cuboids):
            async with self.services.decode_slots:
                raw = await self._cube(reader, cuboid)
            if raw is None:
                missing.append(index)
                raw = bytes(cuboid.cube_size**3 * reader.layer.bytes_per_voxel)
            parts.append(four_bit(raw) if cuboid.four_bit else raw)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("MISSING-BUCKETS", f"[{', '.join(map(str, missing))}]")
        self.finish(b"".join(parts))

    async def _cube(self, reader: LayerReader, cuboid: Cuboid) -> bytes | None:
        """The cube's voxels, or None where none of them is stored."""
        mag = _mag_of(cuboid, reader)
        edge = cuboid.cube_size
        box = BoundingBox(Vec3Int.of(cuboid.position) // mag.as_vec(), Vec3Int(edge, edge, edge))
        _check_size(box, reader.layer.bytes_per_voxel, _BATCH_BYTES)
        position = _as_mapping(cuboid.additional_coordinates)
        inside = box.intersection(reader.layer.bounding_box.in_mag(mag))
        if mag not in reader.mags or inside.is_empty:
            return None
        if edge == BRICK_SIDE and all(start % BRICK_SIDE == 0 for start in box.topleft):
            return await reader.brick(mag, box.topleft // BRICK_SIDE, position)
        return await self._read(reader, mag, box, position)


def raw_bytes(voxels: NDArray[Any]) -> bytes:
    """(c, x, y, z) as they go over the wire: little-endian, c fastest, z slowest."""
    return voxels.astype(voxels.dtype.newbyteorder("<"), copy=False).tobytes(order="F")


def four_bit(raw: bytes) -> bytes:
    """Keep the upper half of each byte; of two voxels the first is in the upper half of the result."""
    voxels = np.frombuffer(raw + bytes(len(raw) % 2), np.uint8)
    return ((voxels[0::2] & 0xF0) | (voxels[1::2] >> 4)).tobytes()


def _check_size(box: BoundingBox, voxel_bytes: int, limit: int) -> None:
    if min(box.size) < 1:
        raise InvalidInput(f"A box of {tuple(box.size)} voxels has nothing in it.", hint="Sizes start at 1.")
    size = box.volume * voxel_bytes
    if size > limit:
        raise TooLarge(
            f"A box of {tuple(box.size)} voxels has {size} bytes; at most {limit} are sent at once.",
            hint="Ask for smaller boxes or a coarser mag, or raise WkJupyterApp.max_cutout_bytes.",
        )


def _check_four_bit(reader: LayerReader) -> None:
    if reader.layer.category != "color" or reader.layer.dtype != np.uint8:
        raise InvalidInput("Four bits a voxel are for colour layers of uint8.", hint="Leave out fourBit.")


def _mag_of(cuboid: Cuboid, reader: LayerReader) -> Mag:
    if cuboid.mag is not None:
        return Mag(cuboid.mag)
    step = cuboid.zoom_step or 0
    if not 0 <= step < len(reader.mags):
        raise InvalidInput(f"The layer has no zoom step {step}.", hint="Give the mag.")
    return sorted(reader.mags)[step]


def _as_mapping(coordinates: Sequence[AdditionalCoordinate] | None) -> dict[str, int]:
    return {coordinate.name: coordinate.value for coordinate in coordinates or ()}


def _coordinates_of(text: str) -> dict[str, int]:
    """Read ``t=3,q=0``."""
    position: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        try:
            position[name.strip()] = int(value)
        except ValueError:
            raise InvalidInput(
                f"additionalCoordinates: {part!r} is no coordinate.", hint="Write them as t=3,q=0."
            ) from None
    return position
