"""Zarr v2 and v3 arrays on disk.

Metadata is read and checked here, and given to tensorstore in the spelling that it takes: writers add
members that it refuses, such as the level of checksums, though they mean nothing to a reader.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.volumes.axes import axes_of
from wk_jupyter.store.volumes.chunk_codecs import decoder
from wk_jupyter.store.volumes.metadata_files import check_chunks, integers, load_metadata, voxel_type
from wk_jupyter.store.volumes.tensorstore_volume import (
    AxisMap,
    TensorStoreVolume,
    damaged,
    file_store,
    open_array,
)
from wk_jupyter.store.volumes.transcoded import StoredChunks, TranscodedVolume, read_chunk
from wk_jupyter.store.volumes.zarr_blocks import zarr_stored_blocks

_MAX_SHARD_CHUNKS: Final = 2**24  # their index has 16 bytes for each
# A compressor's settings matter to writers alone: fixed ones are given to tensorstore.
_COMPRESSORS_V2: Final[dict[str, dict[str, Any]]] = {
    "zlib": {"level": 1},
    "gzip": {"level": 1},
    "bz2": {"level": 1},
    "zstd": {"level": 1},
    "blosc": {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
}


@dataclass(frozen=True)
class ZarrArray:
    """The checked metadata of an array: sizes in its own order of dimensions.

    ``chunk`` is the part that is decoded at once. ``document`` is what the file says, ``metadata`` the
    same as tensorstore takes it; ``unpack`` decodes a chunk file where tensorstore can't.
    """

    version: int
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype[Any]
    document: dict[str, Any]
    metadata: dict[str, Any]
    unpack: Callable[[bytes], bytes] | None = None

    @property
    def dimension_names(self) -> list[Any] | None:
        names = self.document.get("dimension_names")
        return names if isinstance(names, list) else None


def open_zarr(path: Path, layer: LayerSource, mag: MagSource) -> TensorStoreVolume:
    """Open a Zarr array, of whichever version lies there. Raises CorruptData, UnsupportedFormat."""
    array = read_array(path)
    label = str(path)
    axes = axes_of(layer, mag, len(array.shape), label)
    if array.unpack is not None:
        return _open_transcoded(path, array, axes)
    spec = {
        "driver": "zarr3" if array.version == 3 else "zarr",
        "kvstore": file_store(path),
        "metadata": array.metadata,
    }
    blocks = zarr_stored_blocks(path, array.version, array.document, axes)
    return TensorStoreVolume(open_array(spec, label), axes, label, blocks)


def read_array(path: Path) -> ZarrArray:
    """Read and check the metadata of an array. Raises CorruptData, UnsupportedFormat, naming the file."""
    for name, parse in (("zarr.json", _parse_v3), (".zarray", _parse_v2)):
        file = path / name
        if file.is_file():
            document = load_metadata(file)
            try:
                return parse(document, file)
            except (LookupError, TypeError, AttributeError, ValueError) as error:
                if isinstance(error, CorruptData):
                    raise
                raise CorruptData(
                    f"{file} is not the metadata of a Zarr array ({type(error).__name__}: {error}).",
                    path=str(file),
                ) from None
    raise CorruptData(
        f"{path} holds no Zarr array: neither zarr.json nor .zarray is there.",
        path=str(path),
        hint="Check the mag's path in datasource-properties.json.",
    )


def _parse_v3(document: dict[str, Any], file: Path) -> ZarrArray:
    if document.get("node_type") != "array":
        raise CorruptData(
            f"{file} describes a {document.get('node_type', 'thing of no type')}, not an array.",
            path=str(file),
            hint="A mag's path must be that of an array.",
        )
    dtype = voxel_type(document["data_type"], path=file)
    shape = integers(document["shape"], "shape", path=file, least=0)
    if document["chunk_grid"]["name"] != "regular":
        raise UnsupportedFormat(f"{file} has a chunk grid of another kind than regular.")
    stored = integers(document["chunk_grid"]["configuration"]["chunk_shape"], "chunk_shape", path=file)
    codecs = document["codecs"]
    chunk = stored
    if codecs[0]["name"] == "sharding_indexed":
        inner = integers(codecs[0]["configuration"]["chunk_shape"], "inner chunk_shape", path=file)
        if len(inner) == len(stored):
            count = math.prod(-(-a // b) for a, b in zip(stored, inner, strict=True))
            if count > _MAX_SHARD_CHUNKS:
                raise UnsupportedFormat(f"{file} has shards of {count:,} chunks, which is too many.")
        chunk = inner if len(codecs) == 1 else stored
    check_chunks(shape, chunk, dtype.itemsize, path=file)
    check_chunks(shape, (1,) * len(stored), 1, path=file)
    metadata = {key: value for key, value in document.items() if key != "attributes"}
    metadata["fill_value"] = _fill_value(document.get("fill_value"), dtype, document["data_type"] == "bool")
    if metadata["fill_value"] is None:
        metadata["fill_value"] = False if document["data_type"] == "bool" else 0
    return ZarrArray(3, shape, chunk, dtype, document, metadata)


def _parse_v2(document: dict[str, Any], file: Path) -> ZarrArray:
    dtype = voxel_type(document["dtype"], path=file)
    shape = integers(document["shape"], "shape", path=file, least=0)
    chunk = integers(document["chunks"], "chunks", path=file)
    check_chunks(shape, chunk, dtype.itemsize, path=file)
    compressor, filters = document.get("compressor"), document.get("filters") or []
    metadata: dict[str, Any] = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunk,
        "dtype": document["dtype"],
        "order": document.get("order", "C"),
        "dimension_separator": document.get("dimension_separator", "."),
        "fill_value": _fill_value(document.get("fill_value"), dtype, np.dtype(document["dtype"]).kind == "b"),
        "filters": None,
        "compressor": None,
    }
    unpack = None
    if not filters and (compressor is None or compressor["id"] in _COMPRESSORS_V2):
        if compressor is not None:
            metadata["compressor"] = {"id": compressor["id"], **_COMPRESSORS_V2[compressor["id"]]}
    else:
        codecs = [*filters, *([compressor] if compressor else [])]
        unpack = decoder(codecs, math.prod(chunk) * np.dtype(document["dtype"]).itemsize, file)
    return ZarrArray(2, shape, chunk, dtype, document, metadata, unpack)


def _fill_value(value: Any, dtype: np.dtype[Any], is_bool: bool) -> Any:  # noqa: FBT001
    """Return the value as tensorstore spells it: writers are free with numbers, booleans and text."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{0,20})?", value):
        value = int(value) if value.lstrip("-").isdecimal() else float(value)
    if is_bool and value in (0, 1):
        return bool(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if dtype.kind in "ui" and isinstance(value, bool | float) and value == value // 1:
        return int(value)
    return value


def _open_transcoded(path: Path, array: ZarrArray, axes: AxisMap) -> TensorStoreVolume:
    unpack, separator = array.unpack, array.metadata["dimension_separator"]
    if separator not in (".", "/"):
        raise damaged(str(path), ValueError(f"dimension_separator is {separator!r}"))

    def name(cell: tuple[int, ...]) -> str:
        return separator.join(map(str, cell)) or "0"

    def load(cell: tuple[int, ...]) -> bytes | None:
        return read_chunk(path / name(cell), unpack)

    chunks = StoredChunks((0,) * len(array.shape), array.chunk, name, load)
    spec = {"driver": "zarr", "metadata": array.metadata}
    return TranscodedVolume(spec, chunks, axes, str(path))
