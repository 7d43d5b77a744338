"""The pixels of one tile of a CZI file: their type, and the ways in which they are packed."""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers.byte_sources import PlainBytes
from wk_jupyter.store.readers.czi_directory import SEGMENT_HEAD, Tile, damaged

MOST_BYTES: Final = 2**30  # of one tile
_SUBBLOCK: Final = b"ZISRAWSUBBLOCK"
_FIXED_HEAD: Final = 256
_RAW, _JPEG, _LZW, _JPEG_XR, _ZSTD, _ZSTD_HEADED = 0, 1, 2, 4, 5, 6
_COMPRESSIONS: Final = frozenset({_RAW, _JPEG, _LZW, _JPEG_XR, _ZSTD, _ZSTD_HEADED})
# The formats of pixels that JPEG-XR has names for differ in the last byte.
_BGR_GUID: Final = bytes.fromhex("24c3dd6f034efe4bb1853d77768dc9")
_BGR_KINDS: Final = frozenset({0x0C, 0x0E, 0x0F})


class PixelType(NamedTuple):
    """``samples``: 1, or 3 and 4 of a colour, whose first three are stored as blue, green, red."""

    name: str
    dtype: np.dtype[Any]
    samples: int


_TYPES: Final = {
    0: PixelType("Gray8", np.dtype("u1"), 1),
    1: PixelType("Gray16", np.dtype("<u2"), 1),
    2: PixelType("Gray32Float", np.dtype("<f4"), 1),
    3: PixelType("Bgr24", np.dtype("u1"), 3),
    4: PixelType("Bgr48", np.dtype("<u2"), 3),
    8: PixelType("Bgr96Float", np.dtype("<f4"), 3),
    9: PixelType("Bgra32", np.dtype("u1"), 4),
    12: PixelType("Gray32", np.dtype("<i4"), 1),
}
_COMPLEX: Final = {10, 11}


def pixel_type(source: PlainBytes, tile: Tile) -> PixelType:
    """Return the type of a tile's pixels. Raises UnsupportedFormat, CorruptData where it is too large."""
    name = source.path.name
    if tile.pixel_type in _COMPLEX:
        raise UnsupportedFormat(
            f"{name} has complex pixels, which cannot be a layer.", hint="Save their magnitude."
        )
    found = _TYPES.get(tile.pixel_type)
    if found is None:
        raise UnsupportedFormat(f"{name} has pixels of the unknown type {tile.pixel_type}.")
    if tile.compression not in _COMPRESSIONS:
        raise UnsupportedFormat(
            f"{name} has pixels packed in a way ({tile.compression}) that is not read.",
            hint="Save it without compression.",
        )
    count = tile.width * tile.height * found.samples * found.dtype.itemsize
    if count > (source.length if tile.compression == _RAW else MOST_BYTES):
        raise damaged(source, f"it promises a tile of {tile.width:,} × {tile.height:,} pixels")
    return found


def is_raw(tile: Tile) -> bool:
    """Whether rows of a tile can be read by themselves."""
    return tile.compression == _RAW


def read_rows(source: PlainBytes, tile: Tile, rows: tuple[int, int]) -> NDArray[Any]:
    """Return rows (y, x, sample) of a tile that is not packed; colours are red, green, blue."""
    kind = pixel_type(source, tile)
    start, length = _data_place(source, tile)
    row = tile.width * kind.samples * kind.dtype.itemsize
    if length < row * tile.height:
        raise damaged(source, f"the tile at byte {tile.position:,} is too short")
    out = np.empty((rows[1] - rows[0], tile.width, kind.samples), kind.dtype)
    source.fill(out, start + rows[0] * row)
    return _as_rgb(out)


def decode(source: PlainBytes, tile: Tile) -> NDArray[Any]:
    """Return all pixels (y, x, sample) of a tile; colours are red, green, blue. Raises CorruptData."""
    if is_raw(tile):
        return read_rows(source, tile, (0, tile.height))
    kind = pixel_type(source, tile)
    start, length = _data_place(source, tile)
    packed = np.empty(length, np.uint8)
    source.fill(packed, start)
    shape = (tile.height, tile.width, kind.samples)
    try:
        return _unpacked(packed.tobytes(), tile.compression, kind, shape)
    except Exception as error:  # noqa: BLE001 - codecs raise what they like
        told = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise CorruptData(
            f"{source.path.name} is damaged: the tile at byte {tile.position:,} cannot be decoded ({told}).",
            path=str(source.path),
            hint="Copy or download it again.",
        ) from None


def _data_place(source: PlainBytes, tile: Tile) -> tuple[int, int]:
    """Return where the pixels of a tile begin, and their bytes."""
    head = np.empty(SEGMENT_HEAD + 16 + 32, np.uint8)
    source.fill(head, tile.position)
    data = head.tobytes()
    metadata, attachments, length = struct.unpack_from("<iiq", data, SEGMENT_HEAD)
    [dimensions] = struct.unpack_from("<i", data, SEGMENT_HEAD + 16 + 28)
    start = tile.position + SEGMENT_HEAD + max(_FIXED_HEAD, 16 + 32 + 20 * max(0, dimensions)) + metadata
    is_wrong = data[:16].rstrip(b"\0") != _SUBBLOCK or min(metadata, attachments, length) < 0
    if is_wrong or start + length > source.length:
        raise damaged(source, f"there is no whole tile at byte {tile.position:,}")
    return start, length


def _unpacked(data: bytes, compression: int, kind: PixelType, shape: tuple[int, int, int]) -> NDArray[Any]:
    size = shape[0] * shape[1] * shape[2] * kind.dtype.itemsize
    if compression == _ZSTD:
        return _as_rgb(np.frombuffer(_zstd(data, size), kind.dtype).reshape(shape))
    if compression == _ZSTD_HEADED:
        length, is_split = _zstd_header(data)
        plain = np.frombuffer(_zstd(data[length:], size), np.uint8)
        if is_split and kind.dtype.itemsize == 2:  # all low bytes, then all high ones
            plain = np.ascontiguousarray(plain.reshape(2, -1).T).reshape(-1)
        return _as_rgb(plain.view(kind.dtype).reshape(shape))
    import imagecodecs  # noqa: PLC0415 - large, and needed for few files

    if compression == _LZW:
        return _as_rgb(np.frombuffer(imagecodecs.lzw_decode(data, out=size), kind.dtype).reshape(shape))
    pixels = imagecodecs.jpeg_decode(data) if compression == _JPEG else imagecodecs.jpegxr_decode(data)
    if pixels.size != shape[0] * shape[1] * shape[2] or pixels.dtype != kind.dtype:
        raise ValueError(f"it has {pixels.shape} pixels of {pixels.dtype}")
    pixels = pixels.reshape(shape)
    return _as_rgb(pixels) if compression == _JPEG_XR and _is_bgr(data) else pixels[..., :3]


def _zstd(data: bytes, size: int) -> bytes:
    """Decode a frame that must unpack to ``size`` bytes; nothing larger is allocated."""
    told = zstandard.get_frame_parameters(data).content_size
    if told not in {size, zstandard.CONTENTSIZE_UNKNOWN}:
        raise ValueError(f"it unpacks to {told} bytes in place of {size}")
    plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    if len(plain) != size:
        raise ValueError(f"it unpacks to {len(plain)} bytes in place of {size}")
    return plain


def _zstd_header(data: bytes) -> tuple[int, bool]:
    """Return the length of the header before the frame, and whether it says that bytes are split."""
    if data[0] == 1:
        return 1, False
    if data[0] == 3 and data[1] == 1:
        return 3, bool(data[2] & 1)
    raise ValueError(f"its header begins with {data[:3].hex()}")


def _is_bgr(data: bytes) -> bool:
    place = data.find(_BGR_GUID, 0, 4096)
    return place >= 0 and data[place + 15 : place + 16] != b"" and data[place + 15] in _BGR_KINDS


def _as_rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels if pixels.shape[-1] == 1 else pixels[..., 2::-1]
