"""Neuroglancer precomputed volumes on disk.

A mag is the folder of one scale; ``info`` lies in a folder above it. Format:
https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/volume.md
"""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import tensorstore as ts
from numpy.typing import NDArray

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.volumes.base import FIRST_POSITION, Position
from wk_jupyter.store.volumes.tensorstore_volume import (
    MAX_CHUNK_BYTES,
    AxisMap,
    TensorStoreVolume,
    file_store,
    load_metadata,
    open_array,
)

_DIMS: Final = {"x": 0, "y": 1, "z": 2, "c": 3}
_LEVELS_UP: Final = 4


def open_precomputed(path: Path, layer: LayerSource, mag: MagSource) -> TensorStoreVolume:
    """Open one scale of a precomputed volume. Raises CorruptData, UnsupportedFormat."""
    root, scale_index, scale = _find_scale(path)
    channels = slice(None)
    if mag.channel_index is not None:
        channels = slice(mag.channel_index, mag.channel_index + layer.num_channels)
    axes = AxisMap(_DIMS, channels)
    spec = {"driver": "neuroglancer_precomputed", "kvstore": file_store(root), "scale_index": scale_index}
    store = open_array(spec, str(path))
    if "sharding" not in scale and _has_gzipped_chunks(path):
        return _GzippedVolume(store, axes, path, (root, scale_index))
    return TensorStoreVolume(store, axes, str(path))


def _find_scale(path: Path) -> tuple[Path, int, dict[str, Any]]:
    for root in list(path.parents)[:_LEVELS_UP]:
        info_file = root / "info"
        if not info_file.is_file():
            continue
        scales = load_metadata(info_file).get("scales")
        key = path.relative_to(root).as_posix()
        for index, scale in enumerate(scales if isinstance(scales, list) else []):
            if isinstance(scale, dict) and str(scale.get("key", "")).strip("/") == key:
                return root, index, scale
        raise CorruptData(f"{info_file} has no scale {key!r}.", path=str(info_file))
    raise CorruptData(
        f"no info file lies above {path}.",
        path=str(path),
        hint="A precomputed volume is a folder with a file info.",
    )


def _has_gzipped_chunks(path: Path) -> bool:
    if not path.is_dir():
        return False
    names = (entry.name for entry in itertools.islice(path.iterdir(), 16))
    return any(name.endswith(".gz") for name in names)


class _GzippedVolume(TensorStoreVolume):
    """Chunks in files called ``NAME.gz``, as cloud-volume writes them for web servers.

    tensorstore looks for ``NAME``: so the chunks that a box meets are unpacked into a store in memory
    that lives as long as the read.
    """

    def __init__(self, store: Any, axes: AxisMap, path: Path, scale: tuple[Path, int]) -> None:
        super().__init__(store, axes, str(path))
        self._path = path
        self._root, self._scale_index = scale

    def read(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        """Return the voxels of ``box`` as (c, x, y, z). Raises CorruptData, naming the file."""
        context = ts.Context()
        memory = ts.KvStore.open({"driver": "memory"}, context=context).result()
        memory["info"] = (self._root / "info").read_bytes()
        key = self._path.relative_to(self._root).as_posix()
        for name in self._chunk_names(box.intersection(self.info.bounds)):
            data = self._chunk(name)
            if data is not None:
                memory[f"{key}/{name}"] = data
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "memory"},
            "scale_index": self._scale_index,
        }
        store = open_array(spec, self.info.label, context)
        return TensorStoreVolume(store, self._axes, self.info.label).read(box, position)

    async def read_async(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        return await asyncio.to_thread(self.read, box, position)

    def _chunk(self, name: str) -> bytes | None:
        plain, packed = self._path / name, self._path / f"{name}.gz"
        try:
            return _gunzip(packed.read_bytes(), packed)
        except FileNotFoundError:
            return plain.read_bytes() if plain.exists() else None

    def _chunk_names(self, box: BoundingBox) -> Iterator[str]:
        if box.is_empty:
            return
        bounds, chunk = self.info.bounds, self.info.chunk_shape
        first = (box.topleft - bounds.topleft) // chunk
        last = (box.bottomright - bounds.topleft).ceildiv(chunk)
        if (last - first).product > 100_000:
            raise UnsupportedFormat(f"{self._path} has too many small chunks in the box asked for.")
        for place in itertools.product(*(range(a, b) for a, b in zip(first, last, strict=True))):
            begin = bounds.topleft + Vec3Int(*place) * chunk
            end = (begin + chunk).pairmin(bounds.bottomright)
            yield "_".join(f"{a}-{b}" for a, b in zip(begin, end, strict=True))


def _gunzip(data: bytes, path: Path) -> bytes:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        decoded = stream.decompress(data, MAX_CHUNK_BYTES)
    except zlib.error as error:
        raise CorruptData(f"{path} is damaged: {error}.", path=str(path)) from None
    if not stream.eof:
        raise CorruptData(
            f"{path} is cut short, or unpacks to more than {MAX_CHUNK_BYTES:,} bytes.", path=str(path)
        )
    return decoded
