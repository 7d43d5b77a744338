"""Zarr v2 chunks packed by codecs that tensorstore lacks: LZ4 and LZMA of their own, and all filters."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import zstandard

from wk_jupyter.errors import CorruptData, UnsupportedFormat

_Unpack = Callable[[bytes], bytes]
MOST_WIDENING: Final = 16  # how many times larger a chunk may be before its filters are undone
# Others of numcodecs are left out: some run code that a file brings.
_FILTERS: Final = frozenset(
    {"shuffle", "delta", "fixedscaleoffset", "quantize", "packbits", "bitround", "astype"}
    | {"crc32", "crc32c", "adler32", "fletcher32"}
)


def decoder(codecs: Sequence[dict[str, Any]], size: int, file: Path) -> _Unpack:
    """Return what turns a chunk file into ``size`` plain bytes; it raises ValueError or a codec's error.

    ``codecs`` are the filters and the compressor, in the order they were applied. Raises
    UnsupportedFormat or CorruptData for those, naming ``file``.
    """
    steps = [_step(codec, size * MOST_WIDENING, file) for codec in reversed(codecs)]

    def unpack(data: bytes) -> bytes:
        decoded: Any = data
        for step in steps:
            decoded = step(decoded)
        plain = np.ascontiguousarray(decoded).tobytes()
        if len(plain) != size:
            raise ValueError(f"it unpacks to {len(plain):,} bytes, not {size:,}")
        return plain

    return unpack


def _step(config: dict[str, Any], limit: int, file: Path) -> Callable[[Any], Any]:
    """Return the decoder of one codec; compressors stop at ``limit`` bytes, whatever a file promises."""
    import numcodecs  # type: ignore[import-untyped]  # noqa: PLC0415 only where such an array is met

    name = str(config["id"])
    if name not in _FILTERS and name not in _COMPRESSORS:
        raise UnsupportedFormat(
            f"{file} needs the codec {name[:40]!r}, which is not supported.",
            hint="Write the array anew with a common codec, such as zstd or gzip.",
        )
    try:
        codec = numcodecs.get_codec(dict(config))
    except Exception as error:  # noqa: BLE001 a codec raises whatever its author chose
        raise CorruptData(f"{file} has a codec with wrong settings: {error}.", path=str(file)) from None
    if name in _FILTERS:
        filtered: Callable[[Any], Any] = codec.decode
        return filtered
    compressor = _COMPRESSORS[name]

    def decode(data: Any) -> bytes:
        plain = compressor(bytes(data), limit, codec)
        if len(plain) > limit:
            raise ValueError(f"it unpacks to more than {limit:,} bytes")
        return plain

    return decode


def _zlib(data: bytes, limit: int, _: Any) -> bytes:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # zlib or gzip
    plain = stream.decompress(data, limit + 1)
    if not stream.eof and len(plain) <= limit:
        raise ValueError("it is cut short")
    return plain


def _bz2(data: bytes, limit: int, _: Any) -> bytes:
    return _whole(bz2.BZ2Decompressor(), data, limit)


def _lzma(data: bytes, limit: int, codec: Any) -> bytes:
    return _whole(lzma.LZMADecompressor(format=codec.format, filters=codec.filters), data, limit)


def _whole(stream: bz2.BZ2Decompressor | lzma.LZMADecompressor, data: bytes, limit: int) -> bytes:
    plain = stream.decompress(data, limit + 1)
    if not stream.eof and len(plain) <= limit:
        raise ValueError("it is cut short")
    return plain


def _zstd(data: bytes, limit: int, _: Any) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(data) as stream:
        return stream.read(limit + 1)


def _with_length(at: int) -> Callable[[bytes, int, Any], bytes]:
    """Formats that tell their length in four bytes: looked at before memory is taken."""

    def decode(data: bytes, limit: int, codec: Any) -> bytes:
        promised = int.from_bytes(data[at : at + 4], "little")
        if promised > limit:
            raise ValueError(f"it promises {promised:,} bytes")
        return np.asarray(codec.decode(data)).tobytes() if data else b""

    return decode


_COMPRESSORS: Final[dict[str, Callable[[bytes, int, Any], bytes]]] = {
    "zlib": _zlib,
    "gzip": _zlib,
    "bz2": _bz2,
    "lzma": _lzma,
    "zstd": _zstd,
    "lz4": _with_length(0),
    "blosc": _with_length(4),
}
