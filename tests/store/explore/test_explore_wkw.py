"""WKW folders without a properties file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_files import open_layer
from contracts.volume_contract import random_voxels
from numpy.typing import NDArray

from wk_jupyter.datasource import DataSource
from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.geometry import BoundingBox, Mag
from wk_jupyter.store.explore import explore
from wk_jupyter.store.volumes.wkw_format import WkwHeader
from wk_jupyter.store.volumes.wkw_writer import WkwWriter


def write(folder: Path, voxels: NDArray[Any], *corners: tuple[int, int, int]) -> None:
    """Write the same voxels (c, x, y, z) at some places of a mag; its cube files have sides of 32."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = WkwWriter(folder, WkwHeader(voxels.dtype, voxels.shape[0], block_len=8, file_len=4))
    for corner in corners:
        writer.write(corner, voxels)


def grey(dtype: str = "uint8", channels: int = 1) -> NDArray[Any]:
    return random_voxels(dtype, (channels, 32, 32, 32))


def ids(dtype: str = "uint32") -> NDArray[Any]:
    x, y, z = np.indices((32, 32, 32)) // 16
    return (1 + x + 2 * y + 4 * z).astype(dtype)[np.newaxis]


def explored(folder: Path) -> DataSource:
    return explore(folder).data_source


def test_a_dataset_of_layers(tmp_path: Path) -> None:
    write(tmp_path / "color" / "1", grey(), (32, 0, 64))
    write(tmp_path / "color" / "2-2-1", grey(), (0, 0, 64))
    write(tmp_path / "segmentation" / "1", ids(), (32, 0, 64))
    (tmp_path / "notes.txt").write_text("not a layer")
    source = explored(tmp_path)
    assert [(layer.name, layer.category, layer.element_class) for layer in source.layers] == [
        ("color", "color", "uint8"),
        ("segmentation", "segmentation", "uint32"),
    ]
    color = source.layer("color")
    assert [(mag.mag.name, mag.path) for mag in color.mags] == [
        ("1", "./color/1"),
        ("2-2-1", "./color/2-2-1"),
    ]
    assert source.layer("segmentation").bounding_box == BoundingBox((32, 0, 64), (32, 32, 32))
    np.testing.assert_array_equal(
        open_layer(tmp_path, color).read(BoundingBox((32, 0, 64), (32,) * 3)), grey()
    )


def test_one_layer(tmp_path: Path) -> None:
    write(tmp_path / "my layer" / "1", grey("uint16"), (0, 0, 0))
    [layer] = explored(tmp_path / "my layer").layers
    assert (layer.name, layer.element_class, layer.mags[0].path) == ("my_layer", "uint16", "./1")


@pytest.mark.parametrize(
    ("name", "mag", "layer_name"), [("1", "1", "color"), ("2-2-1", "2-2-1", "color"), ("em", "1", "em")]
)
def test_one_mag(tmp_path: Path, name: str, mag: str, layer_name: str) -> None:
    write(tmp_path / name, grey(), (32, 0, 0))
    [layer] = explored(tmp_path / name).layers
    assert layer.name == layer_name
    assert layer.mags[0].mag == Mag(mag)
    assert layer.bounding_box == BoundingBox((32, 0, 0), (32, 32, 32)).from_mag(Mag(mag))
    np.testing.assert_array_equal(
        open_layer(tmp_path / name, layer).read(BoundingBox((32, 0, 0), (32,) * 3)), grey()
    )


def test_all_cube_files_count_for_the_box(tmp_path: Path) -> None:
    """Sparse data: no folder holds the least and the greatest of every axis."""
    write(tmp_path / "raw" / "1", grey(), (64, 320, 32), (32, 640, 96), (960, 352, 64))
    assert explored(tmp_path).layers[0].bounding_box == BoundingBox((32, 320, 32), (960, 352, 96))


def test_coarse_mags_tell_of_voxels_that_fine_ones_lack_but_not_by_their_files(tmp_path: Path) -> None:
    write(tmp_path / "raw" / "1", grey(), (64, 64, 64))
    part = np.zeros((1, 32, 32, 32), np.uint8)
    part[0, 8:16, 8:16, 8:16] = 5  # the same place, in a file that reaches far out
    write(tmp_path / "raw" / "8", part, (0, 0, 0))
    assert explored(tmp_path).layers[0].bounding_box == BoundingBox((64, 64, 64), (64, 64, 64))
    part[0, 20, 9, 9] = 1
    write(tmp_path / "raw" / "8", part, (0, 0, 0))
    assert explored(tmp_path).layers[0].bounding_box == BoundingBox((64, 64, 64), (104, 64, 64))


@pytest.mark.parametrize(
    ("dtype", "channels", "element_class"),
    [("uint8", 3, "uint24"), ("uint16", 2, "uint16"), ("float32", 1, "float"), ("float64", 1, "double")],
)
def test_element_classes(tmp_path: Path, dtype: str, channels: int, element_class: str) -> None:
    write(tmp_path / "layer" / "1", grey(dtype, channels), (0, 0, 0))
    [layer] = explored(tmp_path).layers
    assert (layer.element_class, layer.num_channels, layer.category) == (element_class, channels, "color")


@pytest.mark.parametrize(
    ("name", "voxels", "category"),
    [
        ("raw", ids("uint16"), "color"),
        ("cell_labels", grey("uint16"), "segmentation"),
        ("neuron-seg", grey("uint8"), "segmentation"),
        ("grid", grey("uint16"), "color"),
        ("x", grey("uint16"), "color"),
        ("x", ids("uint16"), "segmentation"),
        ("x", np.full((1, 32, 32, 32), 255, np.uint8), "color"),
        ("x", np.full((1, 32, 32, 32), 2**64 - 1, np.uint64), "segmentation"),
        ("labels", grey("float32"), "color"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.dtype),
)
def test_categories_come_from_names_else_from_voxels(
    tmp_path: Path, name: str, voxels: NDArray[Any], category: str
) -> None:
    write(tmp_path / "dataset" / name / "1", voxels, (0, 0, 0))
    assert explored(tmp_path / "dataset").layers[0].category == category
    assert explored(tmp_path / "dataset").layers[0].category == category  # the same each time


def test_mags_of_different_types_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "layer" / "1", grey("uint8"), (0, 0, 0))
    write(tmp_path / "layer" / "2", grey("uint16"), (0, 0, 0))
    with pytest.raises(CorruptData, match="different voxel types"):
        explore(tmp_path / "layer")


def test_a_header_alone_is_no_layer(tmp_path: Path) -> None:
    write(tmp_path / "layer" / "1", grey())
    with pytest.raises(CorruptData, match="no cube files"):
        explore(tmp_path / "layer")
    with pytest.raises(UnsupportedFormat, match="no cube files"):
        explore(tmp_path)


def test_other_names_are_no_cubes(tmp_path: Path) -> None:
    write(tmp_path / "raw" / "1", grey(), (0, 0, 0))
    folder = tmp_path / "raw" / "1" / "z0" / "y0"
    for name in ("x1.wkw.part", "y5.wkw", "x٣.wkw", "x9999999999999999.wkw"):
        (folder / name).write_bytes(b"")
    (tmp_path / "raw" / "1" / "z٣").mkdir()
    (tmp_path / "raw" / "1" / "z7").symlink_to("z7")
    assert explored(tmp_path).layers[0].bounding_box == BoundingBox((0, 0, 0), (32, 32, 32))
