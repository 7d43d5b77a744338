"""The brick frame: many bricks in one answer, each as it is stored or as raw voxels.

Layout, little-endian::

    "WKB1"   u32 n
    n times: u8 status   u8 encoding   u16 zero   u32 length of the payload
    the payloads, one after another

A brick's voxels are decoded to little-endian numbers, channels fastest, then x, y, z slowest.
A payload of status FAILED is a JSON object ``{"error": …, "hint": …}``.

Sent as ``Content-Encoding: zstd``, the same frame is a row of zstd frames: one for head and entries,
then each brick's own as it is stored. A browser decodes them natively (RFC 8878 allows
concatenation), and what it hands to the page is the frame with raw payloads.
"""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

import lz4.block
import zstandard

from wk_jupyter.errors import CorruptData, WkError

MAGIC: Final = b"WKB1"
BRICK_SIDE: Final = 32
MAX_BRICKS: Final = 256
_HEAD: Final = struct.Struct("<4sI")
_ENTRY: Final = struct.Struct("<BBHI")
_ZSTD_BLOCK: Final = 1 << 17
_local: Final = threading.local()  # zstandard's decompressors are not thread-safe


class Status(IntEnum):
    OK = 0
    MISSING = 1  # never written: the voxels are 0
    FAILED = 2


class Encoding(IntEnum):
    """How a payload is packed."""

    RAW = 0
    LZ4 = 1  # LZ4 block format without a size in front
    ZSTD = 2
    GZIP = 3


MISSING_CODE: Final = int(Status.MISSING)
FAILED_CODE: Final = int(Status.FAILED)


def ok_code(encoding: Encoding) -> int:
    """Return the first four bytes of an entry, as a number, for a brick that is packed so."""
    return Status.OK | encoding << 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One brick of a decoded frame."""

    status: Status
    encoding: Encoding = Encoding.RAW
    payload: bytes | memoryview = b""

    def voxels(self, size: int) -> bytes | None:
        """Return the ``size`` bytes of raw voxels, None where the brick is missing. Raises CorruptData."""
        if self.status == Status.FAILED:
            raise failure_of(self.payload)
        if self.status == Status.MISSING:
            return None
        return decode_payload(self.payload, self.encoding, size, lambda: "a brick of the answer")


def failure_payload(error: WkError) -> bytes:
    """Return the payload that tells the reader why a brick could not be read."""
    return json.dumps({"error": error.message, "hint": error.hint}).encode()


def failure_of(payload: bytes | memoryview) -> CorruptData:
    """Make an error of the payload of a failed brick, whatever that holds."""
    try:
        said = json.loads(bytes(payload))
        return CorruptData(str(said["error"]), hint=str(said.get("hint", "")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return CorruptData("the server could not read a brick and gave no reason.")


Payload: TypeAlias = bytes | bytearray | memoryview
Parts: TypeAlias = tuple[bytes, Sequence[Payload]]
"""What a frame is joined of: what comes first, and payloads, of missing bricks empty or left out."""


def encode_frame(codes: Sequence[int], payloads: Sequence[Payload]) -> bytes:
    """Put bricks into one frame; ``codes`` are ``ok_code(…)``, ``MISSING_CODE`` or ``FAILED_CODE``."""
    head, parts = frame_parts(codes, payloads)
    return b"".join((head, *parts))


def frame_parts(codes: Sequence[int], payloads: Sequence[Payload]) -> Parts:
    """Return what ``encode_frame`` joins."""
    # Plain sequences, not objects: this runs for each brick on the server's event loop.
    return _table(codes, list(map(len, payloads))), payloads


_WRONG_SIZE: Final = failure_payload(
    CorruptData("a stored brick is damaged: its zstd frame promises another number of bytes.")
)


def encode_zstd_body(codes: Sequence[int], payloads: Sequence[Payload], brick_bytes: int) -> bytes:
    """Put bricks whose payloads are zstd frames of ``brick_bytes`` into a ``Content-Encoding: zstd`` body.

    One frame that decodes to another size would shift all that follow, so a brick whose frame promises
    another size is sent as failed.
    """
    head, parts = zstd_body_parts(codes, payloads, brick_bytes)
    return b"".join((head, *parts))


def zstd_body_parts(codes: Sequence[int], payloads: Sequence[Payload], brick_bytes: int) -> Parts:
    """Return what ``encode_zstd_body`` joins."""
    heads, lengths, bodies = list(codes), [0] * len(codes), list[Payload]()
    for i, payload in enumerate(payloads):
        if codes[i] == MISSING_CODE:
            continue
        if codes[i] != FAILED_CODE and _promised_size(payload) in (brick_bytes, -1):
            heads[i], lengths[i] = int(Status.OK), brick_bytes
            bodies.append(payload)
        else:
            said = bytes(payload) if codes[i] == FAILED_CODE else _WRONG_SIZE
            heads[i], lengths[i] = FAILED_CODE, len(said)
            bodies.append(zstd_stored(said))
    return zstd_stored(_table(heads, lengths)), bodies


def decode_frame(data: bytes | bytearray | memoryview) -> list[Entry]:
    """Take a frame apart; payloads are views of ``data``.

    Raises CorruptData where it is not a frame, also when a length is off by one byte.
    """
    view = memoryview(data).cast("B")
    if len(view) < _HEAD.size:
        raise CorruptData("the answer is too short to be a frame of bricks.", hint=_RELOAD)
    magic, count = _HEAD.unpack_from(view)
    start = _HEAD.size + count * _ENTRY.size
    if magic != MAGIC or count > MAX_BRICKS or len(view) < start:
        raise CorruptData("the answer is not a frame of bricks.", hint=_RELOAD)
    entries = []
    for status, encoding, zero, length in _ENTRY.iter_unpack(view[_HEAD.size : start]):
        if status > Status.FAILED or encoding > Encoding.GZIP or zero:
            raise CorruptData("the frame of bricks has an entry that is unknown here.", hint=_RELOAD)
        if status != Status.OK and (encoding or (status == Status.MISSING and length)):
            raise CorruptData("the frame of bricks contradicts itself.", hint=_RELOAD)
        entries.append(Entry(Status(status), Encoding(encoding), view[start : start + length]))
        start += length
    if start != len(view):
        raise CorruptData("the frame of bricks was cut on its way.", hint=_RELOAD)
    return entries


_RELOAD: Final = "Ask again; if that does not help, something between server and client changes the answers."


def decode_payload(
    data: bytes | bytearray | memoryview, encoding: Encoding, size: int, describe: Callable[[], str]
) -> bytes:
    """Return the ``size`` decoded bytes of a block.

    The bytes may be hostile: never more than ``size`` is allocated. ``describe`` names the block in the
    CorruptData that is raised where they do not decode to exactly that size.
    """
    try:
        decoded = _decode(data, encoding, size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError, zlib.error, ValueError) as error:
        raise _damaged(describe(), f"its {encoding.name} bytes do not decode ({error})") from None
    if len(decoded) != size:
        raise _damaged(describe(), f"it decodes to {len(decoded):,} bytes instead of {size:,}")
    return decoded


def _decode(data: bytes | bytearray | memoryview, encoding: Encoding, size: int) -> bytes:
    if encoding == Encoding.RAW:
        return bytes(data)
    if encoding == Encoding.LZ4:
        return lz4.block.decompress(data, uncompressed_size=size)  # type: ignore[no-any-return]
    if encoding == Encoding.GZIP:
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        decoded = stream.decompress(data, size + 1)
        if not stream.eof and len(decoded) == size:
            raise ValueError("the stream is cut or goes on")
        return decoded
    # The size that a zstd frame promises is what its decoder allocates: look at it first.
    if zstandard.frame_content_size(data) not in (size, -1):
        raise ValueError("the frame promises another size")
    decompressor = getattr(_local, "zstd", None)
    if decompressor is None:
        decompressor = _local.zstd = zstandard.ZstdDecompressor()
    return decompressor.decompress(data, max_output_size=size)


def _promised_size(payload: bytes | bytearray | memoryview) -> int:
    try:
        return zstandard.frame_content_size(payload)
    except zstandard.ZstdError:
        return -2


def _damaged(label: str, reason: str) -> CorruptData:
    hint = "Copy the file again from its source, or write it anew."
    return CorruptData(f"{label} is damaged: {reason}.", path=label, hint=hint)


def _table(codes: Sequence[int], lengths: Sequence[int]) -> bytes:
    numbers = [0] * (2 * len(codes))
    numbers[::2] = codes
    numbers[1::2] = lengths
    return struct.pack(f"<4sI{len(numbers)}I", MAGIC, len(codes), *numbers)


def zstd_stored(data: bytes) -> bytes:
    """Wrap bytes in a zstd frame without compressing them (RFC 8878, raw blocks of at most 128 KiB)."""
    # Frame head: magic, then a descriptor for "single segment, 4-byte content size".
    parts = [b"\x28\xb5\x2f\xfd\xa0", struct.pack("<I", len(data))]
    for start in range(0, max(len(data), 1), _ZSTD_BLOCK):
        piece = data[start : start + _ZSTD_BLOCK]
        is_last = start + _ZSTD_BLOCK >= len(data)
        parts += [struct.pack("<I", len(piece) << 3 | is_last)[:3], piece]
    return b"".join(parts)
