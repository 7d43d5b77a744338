"""Decoding of stored blocks whose decoded size is known. Bytes are hostile until they decode to that size."""

from __future__ import annotations

import gzip
import threading
import zlib
from typing import Final

import lz4.block
import zstandard

from wk_jupyter.api.frames import Encoding
from wk_jupyter.errors import CorruptData

_local: Final = threading.local()  # zstandard's decompressor objects are not thread-safe


def decode_block(data: bytes | bytearray | memoryview, encoding: Encoding, size: int, label: str) -> bytes:
    """Return the ``size`` decoded bytes of a block. Raises CorruptData, naming it by ``label``."""
    try:
        decoded = _decode(data, encoding, size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError, zlib.error, OSError, EOFError, ValueError) as error:
        raise _corrupt(label, f"its {encoding.name} bytes do not decode ({error})") from None
    if len(decoded) != size:
        raise _corrupt(label, f"it decodes to {len(decoded):,} bytes instead of {size:,}")
    return decoded


def _decode(data: bytes | bytearray | memoryview, encoding: Encoding, size: int) -> bytes:
    if encoding == Encoding.RAW:
        return bytes(data)
    if encoding == Encoding.LZ4:
        return lz4.block.decompress(data, uncompressed_size=size)  # type: ignore[no-any-return]
    if encoding == Encoding.GZIP:
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        return stream.decompress(data, size + 1)
    # The size in a frame's head decides what is allocated, so it is checked first.
    if zstandard.frame_content_size(data) not in (size, -1):
        raise ValueError("the frame promises another size")
    decompressor = getattr(_local, "zstd", None)
    if decompressor is None:
        decompressor = _local.zstd = zstandard.ZstdDecompressor()
    return bytes(decompressor.decompress(data, max_output_size=size))


def _corrupt(label: str, reason: str) -> CorruptData:
    return CorruptData(
        f"{label} is damaged: {reason}.",
        path=label,
        hint="Copy the file again from its source, or write it anew.",
    )


def gunzip(data: bytes, limit: int, label: str) -> bytes:
    """Unpack a whole gzip file of at most ``limit`` decoded bytes."""
    try:
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        decoded = stream.decompress(data, limit + 1)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise _corrupt(label, f"its gzip bytes do not decode ({error})") from None
    if len(decoded) > limit or not stream.eof:
        raise _corrupt(label, "its gzip stream is cut or too long")
    return decoded
