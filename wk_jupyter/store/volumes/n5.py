"""N5 arrays on disk. Dimensions are x first, and so tensorstore gives them.

Format: https://github.com/saalfeldlab/n5
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lz4.block
import numpy as np

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import UnsupportedFormat
from wk_jupyter.store.volumes.axes import axes_of
from wk_jupyter.store.volumes.chunk_guard import ChunkGuard, chunk_files, packed_limit
from wk_jupyter.store.volumes.metadata_files import check_chunks, integers, load_metadata, voxel_type
from wk_jupyter.store.volumes.tensorstore_volume import TensorStoreVolume, file_store, open_array
from wk_jupyter.store.volumes.transcoded import StoredChunks, TranscodedVolume, read_chunk

ATTRIBUTES_FILE: Final = "attributes.json"
# Settings matter to writers alone: fixed ones are given to tensorstore.
_COMPRESSIONS: Final[dict[str, dict[str, Any]]] = {
    "raw": {},
    "gzip": {"level": 1},
    "bzip2": {"blockSize": 9},
    "xz": {"preset": 6},
    "zstd": {"level": 3},
    "blosc": {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
}
_LZ4_MAGIC: Final = b"LZ4Block"
_LZ4_HEADER: Final = struct.Struct("<8sBIII")
_LZ4_STORED: Final = 0x10


@dataclass(frozen=True)
class N5Array:
    """The checked metadata of an array; ``metadata`` is what tensorstore takes."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype[Any]
    compression: str
    metadata: dict[str, Any]


def open_n5(path: Path, layer: LayerSource, mag: MagSource) -> TensorStoreVolume:
    """Open an N5 array. Raises CorruptData, UnsupportedFormat."""
    array, label = read_array(path), str(path)
    axes = axes_of(layer, mag, len(array.shape), label)
    spec: dict[str, Any] = {"driver": "n5", "metadata": array.metadata}
    if array.compression == "lz4":
        return TranscodedVolume(spec, _lz4_chunks(path, array), axes, label)
    store = open_array({**spec, "kvstore": file_store(path)}, label)
    return TensorStoreVolume(store, axes, label, guard=_guard(path, array))


def is_array(folder: Path) -> bool:
    file = folder / ATTRIBUTES_FILE
    return file.is_file() and "dimensions" in load_metadata(file)


def read_array(path: Path) -> N5Array:
    """Read and check the metadata of an array. Raises CorruptData, UnsupportedFormat, naming the file."""
    file = path / ATTRIBUTES_FILE
    attributes = load_metadata(file)
    shape = integers(attributes.get("dimensions"), "dimensions", path=file, least=0)
    chunk = integers(attributes.get("blockSize"), "blockSize", path=file)
    dtype = voxel_type(attributes.get("dataType"), path=file)
    check_chunks(shape, chunk, dtype.itemsize, path=file)
    compression = attributes.get("compression")
    if not isinstance(compression, dict):  # N5 before 2.0
        compression = {"type": attributes.get("compressionType", compression or "raw")}
    kind = str(compression.get("type"))
    if kind not in _COMPRESSIONS and kind != "lz4":
        raise UnsupportedFormat(
            f"{file} has the compression {kind[:40]!r}, which is not supported.",
            hint=f"Supported are {', '.join(sorted([*_COMPRESSIONS, 'lz4']))}.",
        )
    given: dict[str, Any] = {"type": kind, **_COMPRESSIONS[kind]} if kind != "lz4" else {"type": "raw"}
    if kind == "gzip":
        given["useZlib"] = compression.get("useZlib") in (True, "true")
    metadata = {
        "dimensions": shape,
        "blockSize": chunk,
        "dataType": attributes["dataType"],
        "compression": given,
    }
    return N5Array(shape, chunk, dtype, kind, metadata)


def _guard(path: Path, array: N5Array) -> ChunkGuard:
    size = math.prod(array.chunk) * array.dtype.itemsize
    check = chunk_files(
        lambda cell: path.joinpath(*map(str, cell)),
        size,
        _head_bytes if array.compression == "blosc" else None,
    )
    return ChunkGuard((0,) * len(array.shape), array.chunk, check)


def _head_bytes(data: bytes) -> int:
    """How long the head of a block is: mode, rank, sizes, in one mode a count. Raises struct.error."""
    mode, rank = struct.unpack_from(">HH", data)
    return 4 + 4 * int(rank) + (4 if mode == 1 else 0)


def _lz4_chunks(path: Path, array: N5Array) -> StoredChunks:
    limit = math.prod(array.chunk) * array.dtype.itemsize

    def name(cell: tuple[int, ...]) -> str:
        return "/".join(map(str, cell))

    def load(cell: tuple[int, ...]) -> bytes | None:
        return read_chunk(path / name(cell), _block_decoder(limit), packed_limit(limit))

    return StoredChunks((0,) * len(array.shape), array.chunk, name, load)


def _block_decoder(limit: int) -> Callable[[bytes], bytes]:
    """Return what unpacks a block, of at most ``limit`` bytes, behind its header: mode, rank, sizes."""

    def unpack(data: bytes) -> bytes:
        begin = _head_bytes(data)
        if len(data) < begin or data[:2] not in (b"\0\0", b"\0\1"):
            raise ValueError("the header of the block is wrong")
        return data[:begin] + _unpack_lz4_stream(memoryview(data)[begin:], limit)

    return unpack


def _unpack_lz4_stream(data: memoryview, limit: int) -> bytes:
    """Decode the stream format of the Java library lz4-java: blocks with a header each, an empty one last."""
    parts: list[bytes] = []
    at = total = 0
    while at < len(data):
        magic, token, packed, plain, _ = _LZ4_HEADER.unpack_from(data, at)
        at += _LZ4_HEADER.size
        total += plain
        if magic != _LZ4_MAGIC or at + packed > len(data) or total > limit:
            raise ValueError("the LZ4 stream is damaged")
        if plain == 0:
            break
        payload = data[at : at + packed]
        is_stored = token & 0xF0 == _LZ4_STORED
        parts.append(bytes(payload) if is_stored else lz4.block.decompress(payload, uncompressed_size=plain))
        at += packed
    return b"".join(parts)
