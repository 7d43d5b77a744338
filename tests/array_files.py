"""Small arrays in every stored format, written by independent libraries or byte by byte."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
import zarr
from numpy.typing import NDArray

from wk_jupyter.datasource import AdditionalAxis, LayerSource, MagSource, element_class_of
from wk_jupyter.geometry import BoundingBox, Mag
from wk_jupyter.store.volumes import open_volume
from wk_jupyter.store.volumes.base import Volume

METADATA_FILES = frozenset(
    ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata", "attributes.json", "info")
)


def layer_of(
    data_format: str,
    *,
    dtype: str = "uint16",
    size: Sequence[int] = (75, 50, 40),
    channels: int = 1,
    mag: MagSource | None = None,
    additional: Sequence[AdditionalAxis] = (),
) -> LayerSource:
    """Return a layer of one mag, which lies in the folder itself where ``mag`` tells nothing else."""
    return LayerSource(
        name="layer",
        category="color",
        bounding_box=BoundingBox((0, 0, 0), size),
        element_class=element_class_of(np.dtype(dtype), channels),
        data_format=data_format,  # type: ignore[arg-type]
        mags=(mag or MagSource(Mag(1), "."),),
        num_channels=channels,
        additional_axes=tuple(additional),
    )


def open_layer(folder: Path, layer: LayerSource) -> Volume:
    return open_volume(folder, layer, layer.mags[0])


def mag_of(path: str = ".", channel: int | None = None, **axes: int) -> MagSource:
    return MagSource(Mag(1), path, axes or None, channel)


def chunk_files(folder: Path) -> list[Path]:
    """Return the files that hold voxels, the largest first."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in METADATA_FILES]
    return sorted(files, key=lambda path: (-path.stat().st_size, path))


def write_zarr(folder: Path, array: NDArray[Any], *, version: int = 3, **options: Any) -> zarr.Array[Any]:
    """Write an array with zarr-python. Chunks of zeros are left out."""
    stored = zarr.create_array(
        store=str(folder), shape=array.shape, dtype=array.dtype, zarr_format=version, **options
    )
    stored[...] = array
    return stored


def write_tensorstore(
    folder: Path, driver: str, array: NDArray[Any], metadata: Mapping[str, Any], **spec: Any
) -> Any:
    """Write an array with tensorstore; ``metadata`` is that of the driver."""
    store = ts.open(
        {
            "driver": driver,
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "metadata": dict(metadata),
            **spec,
        },
        create=True,
        dtype=array.dtype,
        shape=array.shape,
    ).result()
    store[...].write(array).result()
    return store


def write_n5(folder: Path, array: NDArray[Any], block: Sequence[int], compression: Mapping[str, Any]) -> None:
    """Write an N5 array, dimensions as they are."""
    write_tensorstore(
        folder,
        "n5",
        array,
        {
            "dimensions": array.shape,
            "blockSize": list(block),
            "dataType": array.dtype.name,
            "compression": dict(compression),
        },
    )


def write_precomputed(
    folder: Path, array: NDArray[Any], *, offset: Sequence[int] = (0, 0, 0), **scale: Any
) -> Path:
    """Write voxels (x, y, z, channel) as a precomputed volume of one scale. Return the scale's folder."""
    kind = "segmentation" if scale.get("encoding") == "compressed_segmentation" else "image"
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "multiscale_metadata": {
            "type": kind,
            "data_type": array.dtype.name,
            "num_channels": array.shape[3],
        },
        "scale_metadata": {
            "key": "8_8_30",
            "resolution": [8, 8, 30],
            "size": array.shape[:3],
            "voxel_offset": list(offset),
            "chunk_size": [16, 16, 16],
            "encoding": "raw",
            **scale,
        },
    }
    ts.open(spec, create=True).result()[...].write(array).result()
    return folder / "8_8_30"


def gzip_chunks(scale: Path) -> None:
    """Pack each chunk file once more and call it ``NAME.gz``, as tools do that write for web servers."""
    for file in chunk_files(scale):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


def write_json(file: Path, document: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def change_json(file: Path, **members: Any) -> None:
    """Replace members of a JSON object in a file; None as text stays JSON's null."""
    write_json(file, {**json.loads(file.read_text()), **members})
