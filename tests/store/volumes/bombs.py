"""Stored arrays of which one chunk unpacks to far more than it can hold, or says so, or is endless."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import google_crc32c
import lz4.block
import numcodecs
import numpy as np
import zstandard
from array_files import chunk_files, gzip_chunks, write_n5, write_precomputed, write_tensorstore, write_zarr
from PIL import Image

SIDE = 128
VOXELS = np.ones((SIDE, SIDE, SIDE), np.uint8)
UNPACKED = 2**30
ENDLESS = 2**36  # of a sparse file, which fills no disk


@dataclass(frozen=True)
class Bomb:
    """How to make one in a folder, and where the layer lies there."""

    data_format: str
    make: Callable[[Path], object]
    path: str = "."


def _repeated(begin: bytes, wbits: int) -> bytes:
    """Deflate's blocks, each of which stands alone after a full flush: a gigabyte in no time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + block * (UNPACKED // 2**20) + b"\x03\x00" + bytes(8)


@cache
def packed(kind: str) -> bytes:
    zeros = bytes(UNPACKED // 4)
    makers: Mapping[str, Callable[[], bytes]] = {
        "gzip": lambda: _repeated(gzip.compress(b"")[:10], 31),
        "zlib": lambda: _repeated(b"\x78\xda", 15),
        "bz2": lambda: bz2.compress(zeros),
        "xz": lambda: lzma.compress(zeros, preset=0),
        "xz dictionary": _xz_with_a_huge_dictionary,
        "zstd": lambda: zstandard.ZstdCompressor(write_content_size=False).compress(zeros),
        "zstd with size": lambda: zstandard.ZstdCompressor().compress(zeros),
        "blosc": lambda: numcodecs.Blosc("zstd", shuffle=0).encode(zeros),
        "blosc that lies": lambda: _with_size(numcodecs.Blosc("lz4").encode(VOXELS), 4, 2**31 - 16),
        "lz4": lambda: numcodecs.LZ4().encode(zeros),
        "lz4 that lies": lambda: _with_size(numcodecs.LZ4().encode(VOXELS), 0, 2**31 - 16),
        "png": lambda: _picture("PNG"),
        "jpeg": lambda: _picture("JPEG"),
    }
    return bytes(makers[kind]())


def _with_size(data: Any, at: int, size: int) -> bytes:
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


def _xz_with_a_huge_dictionary() -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0}]
    data = bytearray(lzma.compress(VOXELS.tobytes(), lzma.FORMAT_XZ, filters=filters))
    assert data[14:16] == b"\x21\x01"  # in the head of the block: LZMA2, one byte of settings
    data[16] = 39  # 3 GiB
    data[20:24] = struct.pack("<I", zlib.crc32(bytes(data[12:20])))
    return bytes(data)


def _picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("L", (2**14, 2**14)).save(file, kind)
    return file.getvalue()


def put(folder: Path, data: bytes) -> None:
    chunk_files(folder)[0].write_bytes(data)


def endless(folder: Path) -> None:
    os.truncate(chunk_files(folder)[0], ENDLESS)


def n5(folder: Path, compression: dict[str, Any]) -> bytes:
    """Write an honest array; return the head of its block."""
    write_n5(folder, VOXELS, VOXELS.shape, compression)
    return chunk_files(folder)[0].read_bytes()[:16]


def zarr2(folder: Path, compressor: dict[str, Any] | None) -> None:
    metadata = {"chunks": VOXELS.shape, "compressor": compressor}
    write_tensorstore(folder, "zarr", VOXELS, metadata)


def zarr3(folder: Path, *codecs: dict[str, Any]) -> None:
    grid = {"name": "regular", "configuration": {"chunk_shape": VOXELS.shape}}
    write_tensorstore(folder, "zarr3", VOXELS, {"chunk_grid": grid, "codecs": [{"name": "bytes"}, *codecs]})


def shard(
    folder: Path, codec: dict[str, Any], data: bytes, *, side: int = SIDE, passed_on: bool = False
) -> None:
    """One shard, whose first chunk is ``data``; ``passed_on``: as bricks leave the server."""
    order = [{"name": "transpose", "configuration": {"order": [2, 1, 0]}}] if passed_on else []
    sharding = {"chunk_shape": [side] * 3, "codecs": [*order, {"name": "bytes"}, codec]}
    grid = {"name": "regular", "configuration": {"chunk_shape": VOXELS.shape}}
    codecs = [{"name": "sharding_indexed", "configuration": sharding}]
    write_tensorstore(folder, "zarr3", VOXELS, {"chunk_grid": grid, "codecs": codecs})
    absent = struct.pack("<QQ", 2**64 - 1, 2**64 - 1) * ((SIDE // side) ** 3 - 1)
    index = struct.pack("<QQ", 0, len(data)) + absent
    put(folder, data + index + struct.pack("<I", google_crc32c.value(index)))


def endless_shard(folder: Path) -> None:
    shard(folder, {"name": "zstd", "configuration": {"level": 1}}, b"")
    index = struct.pack("<QQ", 0, ENDLESS)
    with chunk_files(folder)[0].open("wb") as file:
        file.seek(ENDLESS)
        file.write(index + struct.pack("<I", google_crc32c.value(index)))


def foreign(folder: Path, codec: dict[str, Any], data: bytes) -> None:
    write_zarr(folder, VOXELS, version=2, chunks=VOXELS.shape, compressors=numcodecs.get_codec(codec))
    put(folder, data)


def precomputed(folder: Path, encoding: str = "raw", **scale: Any) -> Path:
    return write_precomputed(folder, VOXELS[..., None], encoding=encoding, chunk_size=VOXELS.shape, **scale)


def precomputed_shard(folder: Path, encoding: str, data: bytes, index: bytes = b"", **options: str) -> None:
    """A shard of one chunk. ``index`` stands for that of the minishard, which is not packed."""
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1",
        "hash": "identity",
        "data_encoding": "raw",
        **options,
    }
    sharding |= {"preshift_bits": 0, "minishard_bits": 0, "shard_bits": 0}
    precomputed(folder, encoding, sharding=sharding)
    index = index or struct.pack("<QQQ", 0, 0, len(data))
    put(folder, struct.pack("<QQ", len(data), len(data) + len(index)) + data + index)


def packed_file(folder: Path) -> None:
    gzip_chunks(precomputed(folder))
    put(folder, packed("gzip"))


def all_bombs() -> Iterator[tuple[str, Bomb]]:
    blosc_n5 = {"type": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}
    for kind, compression in {
        "gzip": {"type": "gzip"},
        "zlib": {"type": "gzip", "useZlib": True},
        "bz2": {"type": "bzip2"},
        "xz": {"type": "xz"},
        "xz dictionary": {"type": "xz"},
        "zstd": {"type": "zstd"},
        "blosc": blosc_n5,
        "blosc that lies": blosc_n5,
    }.items():
        yield f"n5 {kind}", Bomb("n5", lambda f, k=kind, c=compression: put(f, n5(f, c) + packed(k)))
    yield "n5 endless", Bomb("n5", lambda f: (n5(f, {"type": "raw"}), endless(f)))
    yield "n5 lz4", Bomb("n5", _n5_lz4)
    for kind in ("gzip", "zlib", "bz2", "zstd", "zstd with size", "blosc", "blosc that lies"):
        codec = {"id": kind.split()[0]}
        yield f"zarr2 {kind}", Bomb("zarr", lambda f, k=kind, c=codec: (zarr2(f, c), put(f, packed(k))))
    yield "zarr2 endless", Bomb("zarr", lambda f: (zarr2(f, None), endless(f)))
    for kind, codec in {
        "xz": {"id": "lzma"},
        "xz dictionary": {"id": "lzma"},
        "lz4": {"id": "lz4"},
        "lz4 that lies": {"id": "lz4"},
    }.items():
        yield f"zarr2 foreign {kind}", Bomb("zarr", lambda f, k=kind, c=codec: foreign(f, c, packed(k)))
    yield "zarr2 foreign endless", Bomb("zarr", lambda f: (foreign(f, {"id": "lz4"}, b"x"), endless(f)))
    yield from _zarr3_bombs()
    yield from _precomputed_bombs()


def _zarr3_bombs() -> Iterator[tuple[str, Bomb]]:
    blosc = {"cname": "lz4", "clevel": 5, "shuffle": "noshuffle", "typesize": 1, "blocksize": 0}
    for kind, settings in {
        "gzip": {"level": 1},
        "zstd": {"level": 1},
        "zstd with size": {"level": 1},
        "blosc": blosc,
        "blosc that lies": blosc,
    }.items():
        codec = {"name": kind.split()[0], "configuration": settings}
        yield f"zarr3 {kind}", Bomb("zarr3", lambda f, k=kind, c=codec: (zarr3(f, c), put(f, packed(k))))
        yield f"zarr3 shard {kind}", Bomb("zarr3", lambda f, k=kind, c=codec: shard(f, c, packed(k)))
        if kind != "gzip":  # as long as a brick of 32³ may be on disk, that is little
            make = lambda f, k=kind, c=codec: shard(f, c, packed(k), side=32, passed_on=True)  # noqa: E731
            yield f"zarr3 brick {kind}", Bomb("zarr3", make)
    yield "zarr3 endless", Bomb("zarr3", lambda f: (zarr3(f), endless(f)))
    yield "zarr3 endless shard", Bomb("zarr3", endless_shard)


def _precomputed_bombs() -> Iterator[tuple[str, Bomb]]:
    def bomb(make: Callable[[Path], object]) -> Bomb:
        return Bomb("neuroglancerPrecomputed", lambda folder: make(folder / "vol"), "vol/8_8_30")

    for kind in ("raw", "jpeg", "png"):
        yield (
            f"precomputed shard {kind}",
            bomb(lambda f, k=kind: precomputed_shard(f, k, packed("gzip"), data_encoding="gzip")),
        )
    yield (
        "precomputed shard index",
        bomb(lambda f: precomputed_shard(f, "raw", b"", _short_gzip(), minishard_index_encoding="gzip")),
    )
    yield "precomputed endless shard", bomb(_endless_minishard)
    yield "precomputed gz", bomb(packed_file)
    yield "precomputed png", bomb(lambda f: (precomputed(f, "png"), put(f, packed("png"))))
    yield "precomputed jpeg", bomb(lambda f: (precomputed(f, "jpeg"), put(f, packed("jpeg"))))
    yield "precomputed endless", bomb(lambda f: (precomputed(f), endless(f)))


def _n5_lz4(folder: Path) -> None:
    head = n5(folder, {"type": "raw"})
    plain = 2**31 - 16
    data = lz4.block.compress(VOXELS.tobytes(), store_size=False)
    put(folder, head + struct.pack("<8sBIII", b"LZ4Block", 0x25, len(data), plain, 0) + data)
    attributes = (folder / "attributes.json").read_text()
    (folder / "attributes.json").write_text(attributes.replace('"raw"', '"lz4"'))


def _short_gzip() -> bytes:
    """What passes for an index by its length on disk."""
    return gzip.compress(bytes(60 * 2**20))


def _endless_minishard(folder: Path) -> None:
    precomputed_shard(folder, "raw", b"")
    with chunk_files(folder)[0].open("wb") as file:
        file.write(struct.pack("<QQ", 0, ENDLESS))
        file.truncate(ENDLESS + 100)
