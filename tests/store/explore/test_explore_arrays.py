"""Plain Zarr and N5 arrays, N5 pyramids, and precomputed volumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_files import change_json, open_layer, write_json, write_n5, write_precomputed, write_zarr
from contracts.volume_contract import random_voxels

from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.explore import explore

RAW = {"type": "raw"}


@pytest.mark.parametrize(
    ("shape", "axes", "size", "channels"),
    [
        ((16,), "x", (16, 1, 1), 1),
        ((12, 16), "yx", (16, 12, 1), 1),
        ((10, 12, 16), "zyx", (16, 12, 10), 1),
        ((12, 16, 3), "yxc", (16, 12, 1), 3),
        ((2, 10, 12, 16), "czyx", (16, 12, 10), 1),
    ],
)
def test_axes_of_a_plain_zarr_array_are_guessed(
    tmp_path: Path, shape: tuple[int, ...], axes: str, size: tuple[int, ...], channels: int
) -> None:
    array = random_voxels("uint8", shape)
    write_zarr(tmp_path / "em.zarr", array, version=2, chunks=(8,) * len(shape))
    found = explore(tmp_path / "em.zarr")
    layer = found.data_source.layers[0]
    assert layer.bounding_box.size == size
    assert layer.num_channels == channels
    assert layer.mags[0].axis_order == {axis: number for number, axis in enumerate(axes)}
    assert any(f"guessed: {', '.join(axes)}" in notice for notice in found.notices)
    assert any("1 × 1 × 1 nm is assumed" in notice for notice in found.notices)
    voxels = open_layer(tmp_path / "em.zarr", layer).read(layer.bounding_box)
    expected = np.einsum(f"{axes}->{''.join(a for a in 'cxyz' if a in axes)}", array)
    np.testing.assert_array_equal(voxels.squeeze(), expected[0] if shape[0] == 2 else expected)


def test_names_of_dimensions_are_used(tmp_path: Path) -> None:
    array = random_voxels("uint16", (5, 16, 12, 2, 10))
    names = ["time", "X", "Y", "channel", "Z"]
    write_zarr(tmp_path / "v3", array, chunks=(1, 8, 8, 1, 8), dimension_names=names)
    write_zarr(tmp_path / "v2", array, version=2, chunks=(1, 8, 8, 1, 8))
    write_json(tmp_path / "v2" / ".zattrs", {"_ARRAY_DIMENSIONS": names})
    for folder in (tmp_path / "v2", tmp_path / "v3"):
        found = explore(folder)
        assert not any("guessed" in notice for notice in found.notices)
        first, second = found.data_source.layers
        assert [axis.name for axis in first.additional_axes] == ["t"]
        voxels = open_layer(folder, second).read(BoundingBox((0, 0, 0), (16, 12, 10)), {"t": 4})
        np.testing.assert_array_equal(voxels[0], array[4, :, :, 1, :])


def test_many_positions_before_z_are_no_channels(tmp_path: Path) -> None:
    write_zarr(tmp_path, np.zeros((100, 4, 5, 6), "u1"), chunks=(1, 4, 5, 6))
    [layer] = explore(tmp_path).data_source.layers
    assert [(axis.name, axis.upper) for axis in layer.additional_axes] == [("axis0", 100)]
    assert layer.num_channels == 1


def test_an_empty_array_is_told(tmp_path: Path) -> None:
    write_zarr(tmp_path, np.zeros((0, 4, 4), "u1"), chunks=(1, 4, 4))
    with pytest.raises(CorruptData, match="empty"):
        explore(tmp_path)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((16,), "x"),
        ((16, 12), "xy"),
        ((16, 12, 10), "xyz"),
        ((3, 16, 12), "cxy"),
        ((2, 16, 12, 10), "cxyz"),
        ((16, 12, 10, 2), "xyzc"),
    ],
)
def test_axes_of_a_plain_n5_array_are_guessed(tmp_path: Path, shape: tuple[int, ...], axes: str) -> None:
    array = random_voxels("uint16", shape)
    write_n5(tmp_path, array, (8,) * len(shape), RAW)
    layers = explore(tmp_path).data_source.layers
    assert layers[0].mags[0].axis_order == {axis: number for number, axis in enumerate(axes)}
    channels = shape[axes.index("c")] if "c" in axes else 1
    assert len(layers) == channels
    voxels = [open_layer(tmp_path, layer).read(layer.bounding_box)[0] for layer in layers]
    ordered = np.einsum(f"{axes}->{''.join(a for a in 'cxyz' if a in axes)}", array)
    np.testing.assert_array_equal(np.stack(voxels).squeeze(), ordered)


FACTORS = [[1, 1, 1], [2, 2, 1], [4, 4, 2]]
ROOT_SCALES = {"scales": FACTORS, "multiScale": True}


@pytest.mark.parametrize(
    ("root", "levels", "size", "unit"),
    [
        # n5-viewer
        (
            {**ROOT_SCALES, "pixelResolution": {"dimensions": [4, 5, 50], "unit": "nm"}},
            [{}, {}, {}],
            (4, 5, 50),
            "nanometer",
        ),
        # BigDataViewer
        (
            {"resolution": [0.1, 0.1, 0.3]},
            [{"downsamplingFactors": factors} for factors in FACTORS],
            (0.1, 0.1, 0.3),
            "micrometer",
        ),
        # axes and units, one each
        (
            {**ROOT_SCALES, "axes": ["x", "y", "z"], "units": ["nm", "nm", "um"], "resolution": [4, 5, 0.05]},
            [{}, {}, {}],
            (4, 5, 50),
            "nanometer",
        ),
        # COSEM, whose transforms are z first
        (
            {},
            [{"transform": {"axes": ["z", "y", "x"], "scale": [50, 5, 4], "units": ["nm"] * 3}}, {}, {}],
            (4, 5, 50),
            "nanometer",
        ),
        # nothing but arrays
        ({}, [{}, {}, {}], (1, 1, 1), "nanometer"),
    ],
    ids=["n5-viewer", "bdv", "units", "cosem", "bare"],
)
def test_n5_pyramids(
    tmp_path: Path, root: dict[str, Any], levels: list[dict[str, Any]], size: tuple[float, ...], unit: str
) -> None:
    array = random_voxels("uint16", (16, 12, 10))
    for number, (attributes, step) in enumerate(zip(levels, [(1, 1), (2, 1), (4, 2)], strict=True)):
        folder = tmp_path / "em.n5" / f"s{number}"
        write_n5(folder, array[:: step[0], :: step[0], :: step[1]], (8, 8, 8), RAW)
        change_json(folder / "attributes.json", **attributes)
    write_json(tmp_path / "em.n5" / "attributes.json", root)
    source = explore(tmp_path / "em.n5").data_source
    [layer] = source.layers
    assert layer.name == "em"
    assert [(mag.mag.name, mag.path) for mag in layer.mags] == [
        ("1", "./s0"),
        ("2-2-1", "./s1"),
        ("4-4-2", "./s2"),
    ]
    assert (source.voxel_size.factor, source.voxel_size.unit) == (pytest.approx(size), unit)
    np.testing.assert_array_equal(open_layer(tmp_path / "em.n5", layer).read(layer.bounding_box)[0], array)


def test_n5_resolutions_that_are_no_lengths_are_told(tmp_path: Path) -> None:
    write_n5(tmp_path / "s0", np.zeros((8, 8), "u1"), (8, 8), RAW)
    write_json(tmp_path / "attributes.json", {"axes": ["x", "y"], "units": ["nm", "s"], "resolution": [1, 2]})
    found = explore(tmp_path)
    assert any("'s' is not a unit of length" in notice for notice in found.notices)


def test_precomputed_volumes(tmp_path: Path) -> None:
    array = random_voxels("uint8", (40, 30, 20, 1))
    write_precomputed(tmp_path / "vol", array, offset=(100, 7, -5))
    info = json.loads((tmp_path / "vol" / "info").read_text())
    coarse = {**info["scales"][0], "key": "b/16_16_30", "resolution": [16, 16, 30], "size": [20, 15, 20]}
    coarse["voxel_offset"] = [50, 3, -5]
    write_json(tmp_path / "vol" / "info", {**info, "scales": [coarse, info["scales"][0]]})
    found = explore(tmp_path / "vol")
    source = found.data_source
    [layer] = source.layers
    assert source.voxel_size.nanometers == (8, 8, 30)
    assert layer.bounding_box == BoundingBox((100, 7, -5), (40, 30, 20))
    assert [(mag.mag.name, mag.path) for mag in layer.mags] == [("1", "./8_8_30"), ("2-2-1", "./b/16_16_30")]
    np.testing.assert_array_equal(
        open_layer(tmp_path / "vol", layer).read(layer.bounding_box)[0], array[..., 0]
    )
    assert found.notices == ()


@pytest.mark.parametrize(
    ("changes", "category"),
    [
        ({}, "segmentation"),
        ({"type": "image"}, "color"),
        ({"data_type": "float32"}, "color"),
        ({"type": None}, "color"),
    ],
)
def test_the_kind_of_a_precomputed_volume(tmp_path: Path, changes: dict[str, Any], category: str) -> None:
    write_precomputed(tmp_path, np.zeros((8, 8, 8, 1), "u4"))
    change_json(tmp_path / "info", **{"type": "segmentation", **changes})
    assert explore(tmp_path).data_source.layers[0].category == category


def test_precomputed_channels_become_layers_but_a_picture_in_colour_is_one(tmp_path: Path) -> None:
    array = random_voxels("uint16", (10, 9, 8, 2))
    write_precomputed(tmp_path / "two", array)
    for number, layer in enumerate(explore(tmp_path / "two").data_source.layers):
        voxels = open_layer(tmp_path / "two", layer).read(layer.bounding_box)
        np.testing.assert_array_equal(voxels[0], array[..., number])
    write_precomputed(tmp_path / "rgb", random_voxels("uint8", (10, 9, 8, 3)))
    [layer] = explore(tmp_path / "rgb").data_source.layers
    assert (layer.element_class, layer.num_channels) == ("uint24", 3)


def test_infos_of_meshes_are_no_volumes(tmp_path: Path) -> None:
    write_precomputed(tmp_path / "vol", np.zeros((8, 8, 8, 1), "u4"))
    write_json(tmp_path / "mesh" / "info", {"@type": "neuroglancer_legacy_mesh"})
    assert [layer.name for layer in explore(tmp_path).data_source.layers] == ["vol"]
