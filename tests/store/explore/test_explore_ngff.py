"""OME-NGFF images: axes, units, transformations, channels, labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_files import open_layer, write_json, write_zarr
from contracts.volume_contract import random_voxels
from numpy.typing import NDArray

from wk_jupyter.datasource import DataSource
from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.explore import Exploration, explore
from wk_jupyter.store.volumes import open_volume

ZYX = random_voxels("uint16", (10, 12, 16))


def axes(names: str, unit: str | None = "micrometer", **units: str | None) -> list[dict[str, Any]]:
    kinds = {"c": "channel", "t": "time"}
    result = []
    for name in names:
        axis = {"name": name, "type": kinds.get(name, "space")}
        given = units.get(name, unit if name in "xyz" else None)
        result.append(axis if given is None else {**axis, "unit": given})
    return result


def scale(*numbers: float) -> dict[str, Any]:
    return {"type": "scale", "scale": list(numbers)}


def translation(*numbers: float) -> dict[str, Any]:
    return {"type": "translation", "translation": list(numbers)}


def write_image(
    folder: Path,
    levels: list[tuple[NDArray[Any], list[dict[str, Any]] | None]],
    given_axes: list[Any] | None,
    version: str = "0.4",
    **more: Any,
) -> Path:
    """Write an image of arrays and their transformations. ``more`` is put beside the multiscales."""
    datasets = []
    for number, (array, transforms) in enumerate(levels):
        is_new = version == "0.5"
        write_zarr(folder / f"s{number}", array, version=3 if is_new else 2, chunks=(8,) * array.ndim)
        datasets.append({"path": f"s{number}", "coordinateTransformations": transforms})
        if transforms is None:
            del datasets[-1]["coordinateTransformations"]
    entry: dict[str, Any] = {"datasets": datasets, "name": "image", **more.pop("entry", {})}
    if given_axes is not None:
        entry["axes"] = given_axes
    if version == "0.5":
        ome = {"version": version, "multiscales": [entry], **more}
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
        write_json(folder / "zarr.json", group)
    else:
        write_json(folder / ".zgroup", {"zarr_format": 2})
        write_json(folder / ".zattrs", {"multiscales": [{**entry, "version": version}], **more})
    return folder


def explored(folder: Path) -> DataSource:
    return explore(folder).data_source


def mags(found: Exploration | DataSource, layer: int = 0) -> list[str]:
    source = found.data_source if isinstance(found, Exploration) else found
    return [mag.mag.name for mag in source.layers[layer].mags]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_pyramid(tmp_path: Path, version: str) -> None:
    levels = [(ZYX, [scale(0.05, 0.01, 0.01)]), (ZYX[:, ::2, ::2], [scale(0.05, 0.02, 0.02)])]
    folder = write_image(tmp_path / "my image.ome.zarr", levels, axes("zyx"), version)
    found = explore(folder)
    [layer] = found.data_source.layers
    assert found.notices == ()
    assert found.data_source.voxel_size.factor == (0.01, 0.01, 0.05)
    assert found.data_source.voxel_size.unit == "micrometer"
    assert layer.name == "my_image"
    assert layer.data_format == ("zarr3" if version == "0.5" else "zarr")
    assert layer.bounding_box == BoundingBox((0, 0, 0), (16, 12, 10))
    assert [(mag.mag.name, mag.path) for mag in layer.mags] == [("1", "./s0"), ("2-2-1", "./s1")]
    np.testing.assert_array_equal(open_layer(folder, layer).read(layer.bounding_box)[0], ZYX.T)


def test_each_axis_may_have_a_unit_of_its_own(tmp_path: Path) -> None:
    given = axes("zyx", z="nanometer", y="micrometer", x="angstrom")
    folder = write_image(tmp_path, [(ZYX, [scale(50, 0.004, 60)])], given)
    assert explored(folder).voxel_size.nanometers == pytest.approx((6, 4, 50))


def test_the_transformation_of_the_whole_is_applied_after_that_of_a_level(tmp_path: Path) -> None:
    entry = {"coordinateTransformations": [scale(2, 0.1, 0.1), translation(1, 0, 3)]}
    levels = [
        (ZYX, [scale(1, 2, 2), translation(0, 4, 0)]),
        (ZYX[::2, ::2, ::2], [scale(2, 4, 4), translation(0.5, 5, 1)]),
    ]
    found = explore(write_image(tmp_path, levels, axes("zyx"), entry=entry))
    assert found.data_source.voxel_size.factor == pytest.approx((0.2, 0.2, 2))
    assert mags(found) == ["1", "2"]
    [transformation] = found.data_source.layers[0].coordinate_transformations
    assert transformation["type"] == "affine"
    # z: 1 micrometer, y: 4 × 0.1, x: 3, in voxels of 2, 0.2, 0.2
    np.testing.assert_allclose(
        transformation["matrix"], [[1, 0, 0, 15], [0, 1, 0, 2], [0, 0, 1, 0.5], [0, 0, 0, 1]]
    )
    assert any("shifted" in notice for notice in found.notices)


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
def test_old_versions_have_no_sizes_and_are_measured_by_their_shapes(tmp_path: Path, version: str) -> None:
    array = ZYX[np.newaxis, np.newaxis]
    names = list("tczyx") if version == "0.3" else None
    found = explore(write_image(tmp_path, [(array, None), (array[..., ::2, ::2], None)], names, version))
    assert mags(found) == ["1", "2-2-1"]
    assert any("1 × 1 × 1 nm is assumed" in notice for notice in found.notices)
    [layer] = found.data_source.layers
    np.testing.assert_array_equal(open_layer(tmp_path, layer).read(layer.bounding_box)[0], ZYX.T)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 2, 4, 8], ["1", "2-2-1", "4-4-1", "8-8-1"]),
        ([1, 3, 9], ["1", "3-3-1", "9-9-1"]),
        ([1, 1.98, 4.07], ["1", "2-2-1", "4-4-1"]),
        ([1, 2.4], ["1", "2-2-1"]),
        ([1, 1.2, 2], ["1", "2-2-1"]),
        ([4, 2, 1], ["1"]),
    ],
)
def test_mags_are_rounded_ratios(tmp_path: Path, numbers: list[float], expected: list[str]) -> None:
    levels = [(ZYX, [scale(1, number, number)]) for number in numbers]
    found = explore(write_image(tmp_path, levels, axes("zyx")))
    assert mags(found) == expected
    far_off = any(abs(n / numbers[0] - round(n / numbers[0])) > 0.1 for n in numbers)
    assert any("coarser" in notice or "left out" in notice for notice in found.notices) == (
        far_off or len(expected) < len(numbers)
    )


def test_two_dimensions(tmp_path: Path) -> None:
    folder = write_image(tmp_path, [(ZYX[0], [scale(0.3, 0.2)])], axes("yx"))
    [layer] = explored(folder).layers
    assert layer.bounding_box == BoundingBox((0, 0, 0), (16, 12, 1))
    assert explored(folder).voxel_size.factor == (0.2, 0.3, 0.2)
    np.testing.assert_array_equal(open_layer(folder, layer).read(layer.bounding_box)[0, :, :, 0], ZYX[0].T)


def test_channels_become_layers_as_omero_shows_them(tmp_path: Path) -> None:
    array = random_voxels("uint16", (3, 10, 12, 16))
    channels = [
        {"label": "DAPI", "color": "0000FF", "window": {"start": 5, "end": 500, "min": 0, "max": 4095}},
        {"label": "GFP/2", "color": "#00ff0080", "active": False, "inverted": True},
        {"label": 7, "color": "none", "window": "wide"},
    ]
    levels = [(array, [scale(1, 1, 1, 1)]), (array[..., ::2], [scale(1, 1, 1, 2)])]
    folder = write_image(tmp_path / "cells", levels, axes("czyx"), omero={"channels": channels})
    source = explored(folder)
    assert [layer.name for layer in source.layers] == ["cells_DAPI", "cells_GFP_2", "cells_7"]
    assert [layer.default_view_configuration for layer in source.layers] == [
        {"color": [0, 0, 255], "intensityRange": [5, 500], "min": 0, "max": 4095},
        {"color": [0, 255, 0], "isDisabled": True, "isInverted": True},
        {},
    ]
    for number, layer in enumerate(source.layers):
        assert layer.num_channels == 1
        assert layer.category == "color"
        np.testing.assert_array_equal(open_layer(folder, layer).read(layer.bounding_box)[0], array[number].T)
        coarse = open_volume(folder, layer, layer.mags[1])
        np.testing.assert_array_equal(
            coarse.read(BoundingBox((0, 0, 0), (8, 12, 10)))[0], array[number, ..., ::2].T
        )


def test_more_channels_than_layers_can_be(tmp_path: Path) -> None:
    array = np.zeros((70, 4, 4), np.uint8)
    found = explore(write_image(tmp_path, [(array, [scale(1, 1, 1)])], axes("cyx")))
    assert len(found.data_source.layers) == 64
    assert any("first 64 of 70 channels" in notice for notice in found.notices)


def test_time_is_an_additional_axis(tmp_path: Path) -> None:
    array = random_voxels("uint16", (4, 2, 10, 12, 16))
    source = explored(write_image(tmp_path, [(array, [scale(0.5, 1, 1, 1, 1)])], axes("tczyx")))
    layer = source.layers[1]
    [time] = layer.additional_axes
    assert (time.name, time.lower, time.upper, time.index) == ("t", 0, 4, 0)
    voxels = open_layer(tmp_path, layer).read(layer.bounding_box, {"t": 3})
    np.testing.assert_array_equal(voxels[0], array[3, 1].T)


def test_labels_become_segmentations_on_the_image_s_grid(tmp_path: Path) -> None:
    image = [(ZYX, [scale(0.2, 0.1, 0.1)]), (ZYX[:, ::2, ::2], [scale(0.2, 0.2, 0.2)])]
    write_image(tmp_path, image, axes("zyx"), omero={"channels": [{"label": "em"}]})
    cells = (ZYX[:, ::2, ::2] % 5).astype("int32")
    write_image(
        tmp_path / "labels" / "my cells",
        [(cells, [scale(200, 200, 200)])],
        axes("zyx", "nanometer"),
        **{"image-label": {}},
    )
    write_image(tmp_path / "labels" / "same", [((ZYX % 3).astype("u1"), None)], ["z", "y", "x"])
    write_json(tmp_path / "labels" / ".zattrs", {"labels": ["my cells", "same", "absent", "../x"]})
    found = explore(tmp_path)
    image_layer, cell_layer, same = found.data_source.layers
    assert image_layer.category == "color"
    assert (cell_layer.name, cell_layer.category, cell_layer.element_class) == (
        "my_cells",
        "segmentation",
        "int32",
    )
    # A label of 8 × 6 × 10 voxels, twice as large in x and y, is mag 2-2-1 of the image.
    assert mags(found, 1) == ["2-2-1"]
    assert cell_layer.bounding_box == image_layer.bounding_box
    assert cell_layer.mags[0].path == "./labels/my cells/s0"
    assert (same.category, mags(found, 2)) == ("segmentation", ["1"])
    voxels = open_layer(tmp_path, cell_layer).read(BoundingBox((0, 0, 0), (8, 6, 10)))
    np.testing.assert_array_equal(voxels[0], cells.T)
    assert sum("not there" in notice for notice in found.notices) == 2


@pytest.mark.parametrize("unit", [None, "pixel"])
def test_without_a_unit_of_length_it_says_so(tmp_path: Path, unit: str | None) -> None:
    found = explore(write_image(tmp_path, [(ZYX, [scale(1, 1, 1)])], axes("zyx", unit)))
    assert found.data_source.voxel_size.factor == (1, 1, 1)
    assert any("1 × 1 × 1 nm is assumed" in notice for notice in found.notices)


def test_sizes_without_a_unit_are_micrometers(tmp_path: Path) -> None:
    found = explore(write_image(tmp_path, [(ZYX, [scale(2, 0.5, 0.5)])], axes("zyx", None)))
    assert found.data_source.voxel_size.nanometers == (500, 500, 2000)
    assert any("micrometers are assumed" in notice for notice in found.notices)


def test_levels_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    levels = [(ZYX, [scale(1, 1, 1)]), (ZYX, [scale(2, 2, 2)]), (ZYX, [scale(4, 4, 4)])]
    write_image(tmp_path, levels, axes("zyx"))
    (tmp_path / "s1" / ".zarray").unlink()
    found = explore(tmp_path)
    assert mags(found) == ["1", "4"]
    assert any("s1" in notice for notice in found.notices)
    (tmp_path / "s0" / ".zarray").unlink()
    with pytest.raises(CorruptData, match="s0"):
        explore(tmp_path)


@pytest.mark.parametrize(
    ("version", "read"),
    [
        ("0.4", True),
        ("0.4-dev-spatialdata", True),
        ("0.5.2", True),
        ("0.6", False),
        ("1.0", False),
        ("x", False),
    ],
)
def test_versions(tmp_path: Path, version: str, read: bool) -> None:  # noqa: FBT001
    write_image(tmp_path, [(ZYX, [scale(1, 1, 1)])], axes("zyx"), version)
    if read:
        assert mags(explored(tmp_path)) == ["1"]
    else:
        with pytest.raises(UnsupportedFormat, match=f"OME-NGFF {version}") as caught:
            explore(tmp_path)
        assert "0.5" in caught.value.hint


def test_coordinate_systems_are_of_a_newer_version(tmp_path: Path) -> None:
    entry = {"coordinateSystems": [{"name": "physical"}]}
    write_image(tmp_path, [(ZYX, [scale(1, 1, 1)])], axes("zyx"), entry=entry)
    with pytest.raises(UnsupportedFormat, match="coordinate systems"):
        explore(tmp_path)


@pytest.mark.parametrize(
    "attributes",
    [
        {"multiscales": []},
        {"multiscales": [{}]},
        {"multiscales": [{"datasets": []}]},
        {"multiscales": [{"datasets": [{"path": "../s0"}]}]},
        {"multiscales": [{"datasets": [{"path": "s0"}], "axes": ["a", "b", "c"]}]},
        {"multiscales": [{"datasets": [{"path": "s0"}], "axes": ["y", "x"]}]},
        {"multiscales": [{"datasets": [{"path": "s0"}], "axes": ["x", "x", "y"]}]},
        {"multiscales": [{"datasets": [{"path": "s0", "coordinateTransformations": [scale(0, 1, 1)]}]}]},
        {"multiscales": [{"datasets": [{"path": "s0", "coordinateTransformations": [{"type": "affine"}]}]}]},
        {"multiscales": [{"datasets": [{"path": "s0"}], "axes": axes("zyx"),
                          "coordinateTransformations": [scale(1, 1)]}]},
    ],
)  # fmt: skip
def test_metadata_that_is_not_valid_is_told(tmp_path: Path, attributes: dict[str, Any]) -> None:
    write_image(tmp_path, [(ZYX, None)], None)
    write_json(tmp_path / ".zattrs", attributes)
    with pytest.raises(CorruptData) as caught:
        explore(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("kind", ["plate", "well"])
def test_plates_are_refused_with_advice(tmp_path: Path, kind: str) -> None:
    write_json(tmp_path / ".zattrs", {kind: {"images": []}})
    with pytest.raises(UnsupportedFormat, match=kind) as caught:
        explore(tmp_path)
    assert caught.value.hint
