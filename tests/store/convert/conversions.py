"""Plans for tests, what a conversion must give by plain arithmetic, and its voxels as they are served."""

from __future__ import annotations

import asyncio
import hashlib
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.datasource import DataSource, read_properties
from wk_jupyter.geometry import Mag, VoxelSize
from wk_jupyter.store.bricks import LayerReader
from wk_jupyter.store.convert import ConversionPlan, LayerPlan, convert
from wk_jupyter.store.readers.base import ImageRef

CUBES = VoxelSize((10, 10, 10))
COMPRESSIONS = {"zarr3": "zstd:1", "wkw": "lz4"}


def layer_of(folder: Path, voxels: NDArray[Any], **changes: Any) -> LayerPlan:
    """Save an image (t, c, z, y, x) and return the plan of a layer of all of it."""
    name = changes.pop("name", "color")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npy"
    np.save(path, voxels)
    times, channels, *size = voxels.shape
    given: dict[str, Any] = {
        "category": "color",
        "source": ImageRef("array", (str(path),), hints={"axes": "tczyx"}),
        "size": tuple(size[::-1]),
        "channels": (0, channels),
        "timepoints": (0, times),
        "dtype": str(voxels.dtype),
        **changes,
    }
    return LayerPlan(name, **given)


def plan_of(*layers: LayerPlan, **changes: Any) -> ConversionPlan:
    data_format = changes.pop("format", "zarr3")
    voxel_size = changes.pop("voxel_size", CUBES)
    compression = changes.pop("compression", COMPRESSIONS[data_format])
    return ConversionPlan("a dataset", layers, voxel_size, data_format, compression, **changes)


def converted(plan: ConversionPlan, work_dir: Path, **options: Any) -> Path:
    """Convert in this process if nothing else is said; return the dataset's folder."""
    convert(plan, work_dir, **{"workers": 0, **options})
    return work_dir / "dataset"


def read_layer(folder: Path, name: str, mag: Mag, time: int = 0) -> NDArray[Any]:
    """Return all voxels (c, z, y, x) of a mag within the layer's box, by the reader that serves them."""
    source = read_properties(folder)
    layer = next(layer for layer in source.layers if layer.name == name)
    reader = LayerReader(layer, folder)
    try:
        position = {"t": time} if layer.additional_axes else {}
        voxels = asyncio.run(reader.read(mag, layer.bounding_box.in_mag(mag), position))
    finally:
        reader.close()
    return voxels.transpose(0, 3, 2, 1)


def mags_of(source: DataSource) -> list[Mag]:
    return [mag.mag for mag in source.layers[0].mags]


def digest(folder: Path) -> dict[str, str]:
    """What is in a folder: the hash of each file by its path. Hidden ones count, too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pyramid(
    voxels: NDArray[Any], topleft: tuple[int, int, int], mags: list[Mag], method: str
) -> dict[Mag, NDArray[Any]]:
    """Return each mag's voxels (c, z, y, x) made of the mag before, voxel by voxel as the rules say."""
    result = {mags[0]: voxels}
    start = topleft[::-1]
    for finer, coarser in pairwise(mags):
        factors = [b // a for a, b in zip(finer, coarser, strict=True)][::-1]
        result[coarser] = _coarser(result[finer], start, factors, method)
        start = tuple(s // f for s, f in zip(start, factors, strict=True))
    return result


def _coarser(voxels: NDArray[Any], start: tuple[int, ...], factors: list[int], method: str) -> NDArray[Any]:
    """Gather what each coarse voxel is made of, and which of that exists; then work on these lists."""
    low = [s // f for s, f in zip(start, factors, strict=True)]
    high = [-(-(s + n) // f) for s, n, f in zip(start, voxels.shape[1:], factors, strict=True)]
    shape = (len(voxels), *(h - a for a, h in zip(low, high, strict=True)))
    values, there = [], []
    for corner in product(*(range(f) for f in factors)):
        at = [
            np.arange(a, h) * f + c - s
            for a, h, f, c, s in zip(low, high, factors, corner, start, strict=True)
        ]
        inside = [(i >= 0) & (i < n) for i, n in zip(at, voxels.shape[1:], strict=True)]
        exists = inside[0][:, None, None] & inside[1][:, None] & inside[2]
        near = [np.clip(i, 0, n - 1) for i, n in zip(at, voxels.shape[1:], strict=True)]
        values.append(voxels[:, near[0][:, None, None], near[1][:, None], near[2]])
        there.append(np.broadcast_to(exists, shape))
    work = {"mean": _mean, "median": _median, "mode": _mode}[method]
    return work(np.stack(values), np.stack(there)).astype(voxels.dtype)


def _mean(values: NDArray[Any], there: NDArray[np.bool_]) -> NDArray[Any]:
    count = there.sum(axis=0)
    if values.dtype.kind == "f":
        return np.where(there, values, 0).sum(axis=0, dtype=np.float64) / count
    total = np.where(there, values.astype(object), 0).sum(axis=0)
    return (2 * total + count) // (2 * count)  # half up


def _median(values: NDArray[Any], there: NDArray[np.bool_]) -> NDArray[Any]:
    last = np.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    ranked = np.sort(np.where(there, values, np.asarray(last, values.dtype)), axis=0)
    count = there.sum(axis=0)
    low = np.take_along_axis(ranked, np.maximum(count // 2 - 1, 0)[None], axis=0)[0]
    high = np.take_along_axis(ranked, (count // 2)[None], axis=0)[0]
    if values.dtype.kind == "f":
        return (low.astype(np.float64) + high) / 2
    return (low.astype(object) + high.astype(object) + 1) // 2


def _mode(values: NDArray[Any], there: NDArray[np.bool_]) -> NDArray[Any]:
    counts = np.stack([((values == value) & there).sum(axis=0) for value in values])
    first = np.argmax(np.where(there, counts, 0), axis=0)  # argmax takes the first of equals
    return np.take_along_axis(values, first[None], axis=0)[0]
