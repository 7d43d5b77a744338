"""Neuroglancer precomputed volumes on disk.

A mag is the folder of one scale; ``info`` lies in a folder above it. Format:
https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/volume.md
"""

from __future__ import annotations

import itertools
import math
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.volumes.axes import channels_of
from wk_jupyter.store.volumes.chunk_guard import Cell, ChunkGuard, chunk_files, packed_limit
from wk_jupyter.store.volumes.metadata_files import (
    check_chunks,
    integers,
    load_metadata,
    voxel_type,
)
from wk_jupyter.store.volumes.precomputed_guard import ShardCheck, encoded_limit
from wk_jupyter.store.volumes.tensorstore_volume import AxisMap, TensorStoreVolume, file_store, open_array
from wk_jupyter.store.volumes.transcoded import StoredChunks, TranscodedVolume, read_chunk

INFO_FILE: Final = "info"
_DIMS: Final = {"x": 0, "y": 1, "z": 2, "c": 3}
_LEVELS_UP: Final = 4
_ENCODINGS: Final = frozenset(("raw", "jpeg", "png", "compressed_segmentation"))
_CHUNK_NAME: Final = re.compile(r"-?\d+-\d+_-?\d+-\d+_-?\d+-\d+(\.\w+)?")
_LOOKED_AT: Final = 64  # names of chunk files that tell how all are stored


@dataclass(frozen=True)
class Scale:
    """One scale of a volume, checked: sizes in voxels of the scale."""

    key: str
    index: int
    box: BoundingBox
    chunk: Vec3Int
    resolution: tuple[float, float, float]
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Volumes:
    """What an ``info`` file tells: scales in the order they stand there."""

    root: Path
    dtype: np.dtype[Any]
    num_channels: int
    kind: str
    scales: tuple[Scale, ...]


def open_precomputed(path: Path, layer: LayerSource, mag: MagSource) -> TensorStoreVolume:
    """Open one scale of a precomputed volume. Raises CorruptData, UnsupportedFormat."""
    volume, scale = _find_scale(path)
    axes = AxisMap(_DIMS, channels_of(layer, mag))
    spec = {"driver": "neuroglancer_precomputed", "scale_index": scale.index}
    if "sharding" not in scale.document and _are_gzipped(path):
        return _open_gzipped(path, volume, scale, axes)
    store = open_array({**spec, "kvstore": file_store(volume.root)}, str(path))
    return TensorStoreVolume(store, axes, str(path), guard=_guard(path, volume, scale))


def read_info(root: Path) -> Volumes:
    """Read and check ``info``. Raises CorruptData, UnsupportedFormat, naming the file."""
    file = root / INFO_FILE
    info = load_metadata(file)
    try:
        dtype = voxel_type(str(info["data_type"]).lower(), path=file)
        channels = integers([info.get("num_channels", 1)], "num_channels", path=file)[0]
        scales = tuple(
            _scale(document, index, channels * dtype.itemsize, file)
            for index, document in enumerate(info["scales"])
        )
        if not scales:
            raise CorruptData(f"{file} has no scales.", path=str(file))
        return Volumes(root, dtype, channels, str(info.get("type", "image")), scales)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, CorruptData | UnsupportedFormat):
            raise
        raise CorruptData(f"{file} is not valid ({type(error).__name__}: {error}).", path=str(file)) from None


def _scale(document: Mapping[str, Any], index: int, voxel_bytes: int, file: Path) -> Scale:
    key = str(document["key"])
    if ".." in key.split("/"):
        raise CorruptData(f"{file} has a scale outside of its folder: {key!r}.", path=str(file))
    encoding = document["encoding"]
    if encoding not in _ENCODINGS:
        raise UnsupportedFormat(
            f"{file} has the encoding {str(encoding)[:40]!r}, which is not supported.",
            hint=f"Supported are {', '.join(sorted(_ENCODINGS))}.",
        )
    size = integers(document["size"], "size", path=file, least=0)
    offset = integers(document.get("voxel_offset", [0, 0, 0]), "voxel_offset", path=file, least=-(2**47))
    chunk = integers(document["chunk_sizes"][0], "chunk_sizes", path=file)
    if "compressed_segmentation_block_size" in document:
        integers(document["compressed_segmentation_block_size"], "block size", path=file)
    check_chunks((*size, 1), (*chunk, 1), voxel_bytes, path=file)
    x, y, z = (float(number) for number in document["resolution"])
    if not all(math.isfinite(number) and number > 0 for number in (x, y, z)):
        raise CorruptData(f"{file} has the resolution {[x, y, z]}, which is no size.", path=str(file))
    return Scale(key.strip("/"), index, BoundingBox(offset, size), Vec3Int.of(chunk), (x, y, z), document)


def _find_scale(path: Path) -> tuple[Volumes, Scale]:
    """Find the volume that a scale's folder belongs to; where the folder is a link, also at its target."""
    missed: CorruptData | None = None
    for folder in dict.fromkeys((path.absolute(), path.resolve())):
        for root in list(folder.parents)[:_LEVELS_UP]:
            if not (root / INFO_FILE).is_file():
                continue
            volume = read_info(root)
            key = folder.relative_to(root).as_posix()
            for scale in volume.scales:
                if Path(scale.key).as_posix() == key:
                    return volume, scale
            missed = missed or CorruptData(
                f"{root / INFO_FILE} has no scale {key!r}.",
                path=str(root / INFO_FILE),
                hint=f"It has {', '.join(repr(scale.key) for scale in volume.scales[:10])}.",
            )
            break
    raise missed or CorruptData(
        f"no info file lies above {path}.",
        path=str(path),
        hint="A precomputed volume is a folder with a file info.",
    )


def _are_gzipped(path: Path) -> bool:
    """Whether chunk files are called ``NAME.gz``. Raises UnsupportedFormat for any other ending.

    Tools that write for web servers pack each file once more; read by its plain name, it would seem to
    be missing, which means zeros.
    """
    if not path.is_dir():
        return False
    with os.scandir(path) as entries:  # not all of them: there may be millions
        matches = [_CHUNK_NAME.fullmatch(entry.name) for entry in itertools.islice(entries, _LOOKED_AT)]
    endings = {matched[1] for matched in matches if matched} - {None}
    if endings - {".gz"}:
        raise UnsupportedFormat(
            f"{path} has chunk files that end in {', '.join(sorted(map(str, endings - {'.gz'})))}.",
            hint="Unpack them, or pack them with gzip.",
        )
    return bool(endings)


def _guard(path: Path, volume: Volumes, scale: Scale) -> ChunkGuard:
    limit = _limit(volume, scale)
    sharding = scale.document.get("sharding")
    check = (
        ShardCheck(path, sharding, scale.box.size.ceildiv(scale.chunk), limit)
        if sharding
        else chunk_files(lambda cell: path / _file_name(scale, cell), limit)
    )
    return ChunkGuard((*scale.box.topleft, 0), (*scale.chunk, volume.num_channels), check)


def _limit(volume: Volumes, scale: Scale) -> int:
    values = math.prod(scale.chunk) * volume.num_channels
    return encoded_limit(values * volume.dtype.itemsize, scale.document["encoding"])


def _file_name(scale: Scale, cell: Cell) -> str:
    begin = scale.box.topleft + scale.chunk * cell[:3]
    stop = (begin + scale.chunk).pairmin(scale.box.bottomright)
    return "_".join(f"{a}-{b}" for a, b in zip(begin, stop, strict=True))


def _open_gzipped(path: Path, volume: Volumes, scale: Scale, axes: AxisMap) -> TensorStoreVolume:
    limit = _limit(volume, scale)

    def load(cell: Cell) -> bytes | None:
        name = _file_name(scale, cell)
        data = read_chunk(path / f"{name}.gz", lambda packed: _gunzip(packed, limit), packed_limit(limit))
        return data if data is not None else read_chunk(path / name, None, limit)

    chunks = StoredChunks(
        origin=(*scale.box.topleft, 0),
        shape=(*scale.chunk, volume.num_channels),
        name=lambda cell: f"{scale.key}/{_file_name(scale, cell)}",
        load=load,
    )
    spec = {"driver": "neuroglancer_precomputed", "scale_index": scale.index}
    info = (volume.root / INFO_FILE).read_bytes()
    return TranscodedVolume(spec, chunks, axes, str(path), files={INFO_FILE: info})


def _gunzip(data: bytes, limit: int) -> bytes:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    decoded = stream.decompress(data, limit)
    if not stream.eof:
        raise ValueError(f"it is cut short, or unpacks to more than {limit:,} bytes")
    return decoded
