"""The metadata of Zarr arrays, v2 and v3, read, checked, and told in the spelling that tensorstore takes.

Writers add members that it refuses, such as the level of checksums, though they mean nothing to a
reader; and spell fill values, codecs and separators in ways of their own.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.volumes.chunk_codecs import decoder
from wk_jupyter.store.volumes.metadata_files import check_chunks, integers, load_metadata, voxel_type

_MAX_SHARD_CHUNKS: Final = 2**24  # their index has 16 bytes for each
_LOOKED_AT: Final = 64  # names that tell how chunk files are called, where the metadata doesn't
_FOREIGN: Final = "numcodecs."  # how codecs of v2 are called in v3
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
    same as tensorstore takes it. ``unpack`` decodes a chunk file where tensorstore can't; chunk files are
    called by ``key_prefix`` and their place in the grid, joined by ``separator``.
    """

    version: int
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype[Any]
    document: dict[str, Any]
    metadata: dict[str, Any]
    key_prefix: str
    separator: str
    unpack: Callable[[bytes], bytes] | None = None

    @property
    def dimension_names(self) -> list[Any] | None:
        names = self.document.get("dimension_names")
        return names if isinstance(names, list) else None


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
    codecs = [_codec(codec) for codec in document["codecs"]]
    chunk = _decoded_at_once(stored, codecs, file)
    check_chunks(shape, chunk, dtype.itemsize, path=file)
    check_chunks(shape, (1,) * len(stored), 1, path=file)
    size = math.prod(stored) * np.dtype(document["data_type"]).itemsize
    codecs, unpack = _without_foreign(codecs, size, file)
    is_bool = document["data_type"] == "bool"
    fill_value = _fill_value(document.get("fill_value"), dtype, is_bool)
    metadata = {key: value for key, value in document.items() if key not in ("attributes", "dimension_names")}
    metadata["codecs"] = codecs
    metadata["fill_value"] = fill_value if fill_value is not None else False if is_bool else 0
    key = document["chunk_key_encoding"]
    is_default = key["name"] == "default"
    separator = _separator(
        (key.get("configuration") or {}).get("separator", "/" if is_default else "."), file
    )
    return ZarrArray(
        version=3,
        shape=shape,
        chunk=chunk,
        dtype=dtype,
        document={**document, "codecs": codecs},
        metadata=metadata,
        key_prefix=f"c{separator}" if is_default else "",
        separator=separator,
        unpack=unpack,
    )


def _codec(codec: Any) -> dict[str, Any]:
    """Return a codec in the spelling of the final specification: drafts had other names for some."""
    if isinstance(codec, str):
        return {"name": codec}
    name, configuration = codec["name"], codec.get("configuration")
    if name == "sharding_indexed":
        inner = {key: [_codec(c) for c in configuration.get(key, [])] for key in ("codecs", "index_codecs")}
        return {**codec, "configuration": {**configuration, **inner}}
    return {**codec, "name": "bytes"} if name == "endian" else dict(codec)


def _decoded_at_once(
    stored: tuple[int, ...], codecs: Sequence[dict[str, Any]], file: Path
) -> tuple[int, ...]:
    """Return the inner chunks of shards, else the stored ones."""
    if codecs[0]["name"] != "sharding_indexed":
        return stored
    inner = integers(codecs[0]["configuration"]["chunk_shape"], "inner chunk_shape", path=file)
    if len(inner) == len(stored):
        count = math.prod(-(-a // b) for a, b in zip(stored, inner, strict=True))
        if count > _MAX_SHARD_CHUNKS:
            raise UnsupportedFormat(f"{file} has shards of {count:,} chunks, which is too many.")
    return inner if len(codecs) == 1 else stored


def _without_foreign(
    codecs: list[dict[str, Any]], size: int, file: Path
) -> tuple[list[dict[str, Any]], Callable[[bytes], bytes] | None]:
    """Split off codecs that tensorstore lacks, with all that follow: they are undone before it decodes.

    Filters among them work on values, before these become bytes; a transpose before them is none that
    could be undone after.
    """
    names = [str(codec["name"]) for codec in codecs]
    if not any(name.startswith(_FOREIGN) for name in names) or "bytes" not in names:
        return codecs, None
    to_bytes = names.index("bytes")
    filters, packing = codecs[:to_bytes], codecs[to_bytes + 1 :]
    foreign_filters = [c for c in filters if c["name"].startswith(_FOREIGN)]
    if foreign_filters and len(foreign_filters) != len(filters):
        raise UnsupportedFormat(f"{file} has filters beside a transpose, which is not supported.")
    undone = [
        {**(codec.get("configuration") or {}), "id": codec["name"].removeprefix(_FOREIGN)}
        for codec in (*foreign_filters, *packing)
    ]
    rest = [codec for codec in filters if codec not in foreign_filters]
    return [*rest, codecs[to_bytes]], decoder(undone, size, file)


def _parse_v2(document: dict[str, Any], file: Path) -> ZarrArray:
    dtype = voxel_type(document["dtype"], path=file)
    stored = np.dtype(document["dtype"])
    shape = integers(document["shape"], "shape", path=file, least=0)
    chunk = integers(document["chunks"], "chunks", path=file)
    check_chunks(shape, chunk, dtype.itemsize, path=file)
    separator = _separator(document.get("dimension_separator") or _separator_on_disk(file.parent), file)
    compressor, filters = document.get("compressor"), document.get("filters") or []
    metadata: dict[str, Any] = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunk,
        "dtype": document["dtype"],
        "order": document.get("order", "C"),
        "dimension_separator": separator,
        "fill_value": _fill_value(document.get("fill_value"), dtype, stored.kind == "b"),
        "filters": None,
        "compressor": None,
    }
    unpack = None
    if not filters and (compressor is None or compressor["id"] in _COMPRESSORS_V2):
        if compressor is not None:
            metadata["compressor"] = {"id": compressor["id"], **_COMPRESSORS_V2[compressor["id"]]}
    else:
        codecs = [*filters, *([compressor] if compressor else [])]
        unpack = decoder(codecs, math.prod(chunk) * stored.itemsize, file)
    return ZarrArray(
        version=2,
        shape=shape,
        chunk=chunk,
        dtype=dtype,
        document={**document, "dimension_separator": separator},
        metadata=metadata,
        key_prefix="",
        separator=separator,
        unpack=unpack,
    )


def _separator(value: Any, file: Path) -> str:
    if value not in (".", "/"):
        raise CorruptData(
            f'{file} has the separator {str(value)[:20]!r}; it must be "." or "/".', path=str(file)
        )
    return str(value)


def _separator_on_disk(folder: Path) -> str:
    """Some writers put chunks into folders without saying so; taken as missing, they would be zeros."""
    with os.scandir(folder) as entries:
        nested = any(
            entry.name.isdecimal() and entry.is_dir() for entry in itertools.islice(entries, _LOOKED_AT)
        )
    return "/" if nested else "."


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
