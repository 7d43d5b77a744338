"""A sample that needs no network: an invented piece of nervous tissue and its segmentation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from wk_jupyter.datasource import DataSource, LayerSource, MagSource, write_properties
from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int, VoxelSize
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.samples import places, pyramid, writers

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from numpy.typing import NDArray


Format = Literal["zarr3", "wkw"]

NAME: Final = "sample_tissue"
VOXEL_NM: Final = (11.24, 11.24, 28.0)
MAGS: Final = tuple(Mag(m) for m in ("1", "2-2-1", "4-4-2", "8-8-4"))
TILE: Final = Vec3Int(256, 256, 128)
"""In mag-1 voxels; a whole number of bricks of 32³ in every mag, one in the coarsest."""

_WORKERS = 2
_LARGEST_EDGE = 4096


def generate(
    name: str = NAME,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    organization: str | None = None,
    shape: tuple[int, int, int] = (512, 512, 128),
    seed: int = 7,
    format: Format = "zarr3",  # noqa: A002 - the word that users know
) -> Path:
    """Make a dataset that looks like an electron micrograph of nervous tissue; return its folder.

    It has a layer ``color`` (uint8) and a layer ``segmentation`` (uint32) whose segments are the cells of
    the picture, both in mags 1, 2-2-1, 4-4-2 and 8-8-4, in voxels of 11.24 × 11.24 × 28 nm. ``shape`` is
    in voxels x, y, z (multiples of 8, 8 and 4). The same ``seed`` gives the same voxels. Where the dataset
    is there already, nothing is done. It takes some seconds, and memory for two tiles of 256 × 256 × 128.

    Raises InvalidInput.
    """
    size = _checked_shape(shape)
    if format not in get_args(Format):
        raise InvalidInput(
            f"a sample cannot be stored as {format!r}.", hint='Use "zarr3" or "wkw".', field="format"
        )
    folder = places.dataset_folder(
        name, places.data_dir(data_dir), organization or places.default_organization()
    )
    if (folder / PROPERTIES_FILE).exists():
        return folder
    with places.arriving(folder) as unfinished:
        _write(unfinished, name, size, seed, format)
    return folder


def _checked_shape(shape: tuple[int, int, int]) -> Vec3Int:
    size = Vec3Int.of(shape, "the shape of a sample")
    coarsest = MAGS[-1].as_vec()
    if min(size) < 32 or max(size) > _LARGEST_EDGE or size % coarsest != (0, 0, 0):
        raise InvalidInput(
            f"a sample cannot have {' × '.join(map(str, size))} voxels.",
            hint=f"Use multiples of {tuple(coarsest)}, from 32 to {_LARGEST_EDGE} along each axis.",
            field="shape",
        )
    return size


def _write(folder: Path, name: str, size: Vec3Int, seed: int, data_format: Format) -> None:
    from wk_jupyter.samples.em import Microscope  # noqa: PLC0415
    from wk_jupyter.samples.tissue import grow  # noqa: PLC0415

    x, y, z = (float(n * v) for n, v in zip(size, VOXEL_NM, strict=True))
    tissue = grow((x, y, z), np.random.default_rng([seed, 1]))
    source = describe(name, size, data_format)
    microscope = Microscope(tissue, VOXEL_NM, seed)
    color, segmentation = (_LayerWriter(folder, layer) for layer in source.layers)

    def write_tile(corner: Vec3Int) -> int:
        grey, cells = microscope.image(corner, (size - corner).pairmin(TILE))
        color.write(corner, grey)
        segmentation.write(corner, cells)
        return int(cells.max())

    with ThreadPoolExecutor(_WORKERS) as pool:
        largest = max(pool.map(write_tile, _tiles(size)))
    if data_format == "zarr3":
        writers.write_zarr3_groups(folder, source)
    write_properties(folder, describe(name, size, data_format, largest))


def _tiles(size: Vec3Int) -> list[Vec3Int]:
    steps = (range(0, end, step) for end, step in zip(size, TILE, strict=True))
    return [Vec3Int(*corner) for corner in product(*steps)]


class _LayerWriter:
    """Writes tiles of one layer into all its mags."""

    def __init__(self, folder: Path, layer: LayerSource) -> None:
        self._coarser = pyramid.mode if layer.category == "segmentation" else pyramid.mean
        self._mags = [
            (source.mag.as_vec(), writers.open_mag(folder, layer, source, TILE // source.mag.as_vec()))
            for source in layer.mags
        ]

    def write(self, corner: Vec3Int, voxels: NDArray[Any]) -> None:
        """Write a tile at ``corner`` (both in mag-1 voxels) and what it looks like from farther away."""
        reached = Vec3Int(1, 1, 1)
        for mag, writer in self._mags:
            if mag != reached:
                voxels = self._coarser(voxels, mag // reached)
                reached = mag
            writer.write(corner // mag, voxels)


def describe(name: str, size: Vec3Int, data_format: Format, largest_id: int | None = None) -> DataSource:
    """The properties of the generated dataset."""
    color = LayerSource(
        name="color",
        category="color",
        bounding_box=BoundingBox((0, 0, 0), size),
        element_class="uint8",
        data_format=data_format,
        mags=(),
        default_view_configuration={"intensityRange": [40, 215], "min": 0, "max": 255},
    )
    segmentation = replace(
        color,
        name="segmentation",
        category="segmentation",
        element_class="uint32",
        largest_segment_id=largest_id,
        default_view_configuration={"alpha": 25},
    )
    middle = [n // 2 for n in size]
    return DataSource(
        name=name,
        voxel_size=VoxelSize(VOXEL_NM),
        layers=tuple(replace(layer, mags=_mags(layer, data_format)) for layer in (color, segmentation)),
        default_view_configuration={"position": middle, "zoom": 1.0, "interpolation": True},
    )


def _mags(layer: LayerSource, data_format: Format) -> tuple[MagSource, ...]:
    order = {"c": 0, "x": 1, "y": 2, "z": 3} if data_format == "zarr3" else None
    return tuple(MagSource(mag, f"{layer.name}/{mag.name}", order) for mag in MAGS)
