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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from wk_jupyter.errors import CorruptData, WkError

MAGIC: Final = b"WKB1"
BRICK_SIDE: Final = 32
MAX_BRICKS: Final = 256
_HEAD: Final = struct.Struct("<4sI")
_ENTRY: Final = np.dtype([("status", "u1"), ("encoding", "u1"), ("zero", "<u2"), ("length", "<u4")])


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One brick of a frame."""

    status: Status
    encoding: Encoding = Encoding.RAW
    payload: bytes | bytearray = b""


MISSING_ENTRY: Final = Entry(Status.MISSING)


def failed_entry(error: WkError) -> Entry:
    """Return the entry that tells the reader why a brick could not be read."""
    text = json.dumps({"error": error.message, "hint": error.hint})
    return Entry(Status.FAILED, Encoding.RAW, text.encode())


def encode_frame(entries: Sequence[Entry]) -> bytes:
    """Put the entries into one frame."""
    return b"".join((_table(entries, [len(e.payload) for e in entries]), *(e.payload for e in entries)))


def encode_zstd_body(entries: Sequence[Entry], brick_bytes: int) -> bytes:
    """Put entries whose payloads are zstd frames of ``brick_bytes`` into a ``Content-Encoding: zstd`` body."""
    raw = [Entry(e.status) if e.status == Status.OK else e for e in entries]
    lengths = [brick_bytes if e.status == Status.OK else len(e.payload) for e in entries]
    bodies: Iterable[bytes | bytearray] = (
        e.payload if e.status != Status.FAILED else zstd_stored(e.payload) for e in entries if e.payload
    )
    return b"".join((zstd_stored(_table(raw, lengths)), *bodies))


def decode_frame(data: bytes | memoryview) -> list[Entry]:
    """Take a frame apart. Raises CorruptData where it is not one, also when a length is off by a byte."""
    view = memoryview(data)
    if len(view) < _HEAD.size:
        raise CorruptData("the answer is too short to be a frame of bricks.")
    magic, count = _HEAD.unpack_from(view)
    start = _HEAD.size + count * _ENTRY.itemsize
    if magic != MAGIC or count > MAX_BRICKS or len(view) < start:
        raise CorruptData("the answer is not a frame of bricks.")
    table = np.frombuffer(view, _ENTRY, count, _HEAD.size)
    ends = start + np.cumsum(table["length"], dtype=np.int64)
    if (int(ends[-1]) if count else start) != len(view):
        raise CorruptData("the frame of bricks was cut on its way.")
    if table["status"].max(initial=0) > max(Status) or table["encoding"].max(initial=0) > max(Encoding):
        raise CorruptData("the frame of bricks has a status or an encoding that is unknown here.")
    return [
        Entry(
            Status(int(row["status"])),
            Encoding(int(row["encoding"])),
            bytes(view[end - int(row["length"]) : end]),
        )
        for row, end in zip(table, ends.tolist(), strict=True)
    ]


def _table(entries: Sequence[Entry], lengths: Sequence[int]) -> bytes:
    # One pack call for the whole table: this runs once a request on the server's event loop.
    numbers = [
        n for e, length in zip(entries, lengths, strict=True) for n in (e.status | e.encoding << 8, length)
    ]
    return struct.pack(f"<4sI{len(numbers)}I", MAGIC, len(entries), *numbers)


def zstd_stored(data: bytes | bytearray) -> bytes:
    """Wrap bytes in a zstd frame without compressing them (RFC 8878, raw blocks of at most 128 KiB)."""
    # Frame head: magic, then a descriptor for "single segment, 4-byte content size".
    parts = [b"\x28\xb5\x2f\xfd\xa0", struct.pack("<I", len(data))]
    block = 1 << 17
    for start in range(0, max(len(data), 1), block):
        piece = data[start : start + block]
        is_last = start + block >= len(data)
        parts += [struct.pack("<I", len(piece) << 3 | is_last)[:3], piece]
    return b"".join(parts)
