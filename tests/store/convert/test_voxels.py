"""Every kind of voxel, in both formats: all mags are what plain arithmetic says, by every reader."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import tensorstore as ts
import wkw
import zarr
from contracts.volume_contract import random_voxels
from conversions import converted, layer_of, mags_of, plan_of, pyramid, read_layer
from numpy.typing import NDArray

from wk_jupyter.api.frames import Encoding, decode_frame
from wk_jupyter.datasource import read_properties
from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import Mag, VoxelSize
from wk_jupyter.store.bricks import BrickRequest, LayerReader

FORMATS = ["zarr3", "wkw"]
TYPES = [
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64",
]  # fmt: skip
TOPLEFT = (481, 500, 41)  # what follows crosses the borders of files at 512 and at 64
SIZE = (75, 33, 49)


def image(
    dtype: str, *, size: tuple[int, int, int] = SIZE, channels: int = 1, times: int = 1
) -> NDArray[Any]:
    """Random voxels (t, c, z, y, x), some of them equal, with a hole of zeros."""
    voxels = random_voxels(dtype, (times, channels, *size[::-1]))
    voxels[..., 2:-2, 5:20, 40:60] = 0
    voxels[..., ::2, :, :] = voxels[..., :1, :, :]
    return voxels


def check(folder: Path, voxels: NDArray[Any], topleft: tuple[int, int, int], method: str, name: str) -> None:
    """Compare all mags of a layer with the model. ``voxels``: (t, c, z, y, x)."""
    mags = mags_of(read_properties(folder))
    for time, frame in enumerate(voxels):
        model = pyramid(frame, topleft, mags, method)
        for mag in mags:
            found = read_layer(folder, name, mag, time)
            assert found.dtype == model[mag].dtype
            if voxels.dtype.kind == "f":
                np.testing.assert_allclose(found, model[mag], rtol=1e-5, atol=0 if mag == Mag(1) else 2)
            else:
                np.testing.assert_array_equal(found, model[mag], err_msg=f"mag {mag}")


@pytest.mark.parametrize("method", ["mean", "median"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("data_format", FORMATS)
def test_grey_values_of_every_type(tmp_path: Path, data_format: str, dtype: str, method: Any) -> None:
    voxels = image(dtype)
    layer = layer_of(tmp_path, voxels, topleft=TOPLEFT)
    plan = plan_of(layer, format=data_format, downsampling=method, voxel_size=VoxelSize((10, 10, 20)))
    folder = converted(plan, tmp_path / "work")
    assert mags_of(read_properties(folder)) == [Mag(1), Mag((2, 2, 1)), Mag((4, 4, 2))]
    check(folder, voxels, TOPLEFT, method, "color")


@pytest.mark.parametrize("dtype", TYPES[:8])
@pytest.mark.parametrize("data_format", FORMATS)
def test_ids_of_every_type_stay_ids(tmp_path: Path, data_format: str, dtype: str) -> None:
    voxels = image(dtype) % 5 if dtype != "uint64" else image(dtype) % 3 + np.uint64(2**64 - 4)
    layer = layer_of(tmp_path, voxels, topleft=TOPLEFT, category="segmentation", name="ids")
    folder = converted(plan_of(layer, format=data_format), tmp_path / "work")
    check(folder, voxels, TOPLEFT, "mode", "ids")
    [found] = read_properties(folder).layers
    assert found.largest_segment_id == int(voxels.max())


@pytest.mark.parametrize("data_format", FORMATS)
def test_colours(tmp_path: Path, data_format: str) -> None:
    voxels = image("uint8", channels=3)
    folder = converted(
        plan_of(layer_of(tmp_path, voxels, topleft=TOPLEFT), format=data_format), tmp_path / "w"
    )
    assert read_properties(folder).layers[0].element_class == "uint24"
    check(folder, voxels, TOPLEFT, "mean", "color")


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_single_section_keeps_its_z(tmp_path: Path, data_format: str) -> None:
    voxels = random_voxels("uint8", (1, 1, 1, 300, 500))
    folder = converted(plan_of(layer_of(tmp_path, voxels), format=data_format), tmp_path / "work")
    assert mags_of(read_properties(folder)) == [Mag(1), Mag((2, 2, 1)), Mag((4, 4, 1)), Mag((8, 8, 1))]
    check(folder, voxels, (0, 0, 0), "mean", "color")


def test_points_in_time_are_an_axis_of_zarr(tmp_path: Path) -> None:
    voxels = image("uint16", times=3)
    folder = converted(plan_of(layer_of(tmp_path, voxels, topleft=TOPLEFT)), tmp_path / "work")
    [layer] = read_properties(folder).layers
    assert [(axis.name, axis.lower, axis.upper) for axis in layer.additional_axes] == [("t", 0, 3)]
    check(folder, voxels, TOPLEFT, "mean", "color")


def test_points_in_time_have_no_place_in_wkw(tmp_path: Path) -> None:
    plan = plan_of(layer_of(tmp_path, image("uint8", times=2)), format="wkw")
    with pytest.raises(InvalidInput, match="WKW has no axis t"):
        converted(plan, tmp_path / "work")


def test_a_layer_begins_at_no_negative_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="begins at -1, 0, 0"):
        converted(plan_of(layer_of(tmp_path, image("uint8"), topleft=(-1, 0, 0))), tmp_path / "work")


def test_some_channels_and_points_in_time_become_a_layer(tmp_path: Path) -> None:
    voxels = image("int16", channels=4, times=3)
    layer = layer_of(tmp_path, voxels, channels=(2, 3), timepoints=(1, 2))
    folder = converted(plan_of(layer), tmp_path / "work")
    check(folder, voxels[1:2, 2:3], (0, 0, 0), "mean", "color")


def test_bools_are_cast(tmp_path: Path) -> None:
    voxels = image("uint8") > 100
    folder = converted(plan_of(layer_of(tmp_path, voxels, dtype="uint8")), tmp_path / "work")
    check(folder, voxels.astype(np.uint8), (0, 0, 0), "mean", "color")


@pytest.mark.parametrize("data_format", FORMATS)
def test_layers_of_different_size_and_place_share_the_mags(tmp_path: Path, data_format: str) -> None:
    big, small = image("uint8", size=(520, 90, 70)), image("uint32")
    layers = (
        layer_of(tmp_path, big, name="big"),
        layer_of(tmp_path, small, name="small", category="segmentation", topleft=(3, 0, 100)),
    )
    folder = converted(plan_of(*layers, format=data_format), tmp_path / "work")
    source = read_properties(folder)
    assert [[mag.mag for mag in layer.mags] for layer in source.layers] == [mags_of(source)] * 2
    check(folder, big, (0, 0, 0), "mean", "big")
    check(folder, small, (3, 0, 100), "mode", "small")


@pytest.mark.parametrize("compression", ["lz4", "lz4hc", "raw"])
def test_the_wkw_library_reads_it(tmp_path: Path, compression: str) -> None:
    voxels = image("uint16")
    plan = plan_of(layer_of(tmp_path, voxels, topleft=TOPLEFT), format="wkw", compression=compression)
    folder = converted(plan, tmp_path / "work")
    mags = mags_of(read_properties(folder))
    model = pyramid(voxels[0], TOPLEFT, mags, "mean")
    for mag in mags:
        with wkw.Dataset.open(str(folder / "color" / mag.name)) as opened:
            assert opened.header.block_type == {"raw": 1, "lz4": 2, "lz4hc": 3}[compression]
            start = [s // m for s, m in zip(TOPLEFT, mag, strict=True)]
            found = opened.read(start, model[mag].shape[:0:-1])
        np.testing.assert_array_equal(found.transpose(0, 3, 2, 1), model[mag])


@pytest.mark.parametrize(("channels", "times"), [(1, 1), (3, 1), (1, 2)])
@pytest.mark.parametrize("compression", ["zstd:1", "zstd:5"])
def test_tensorstore_and_zarr_read_it(tmp_path: Path, compression: str, channels: int, times: int) -> None:
    voxels = image("uint8", channels=channels, times=times)
    plan = plan_of(layer_of(tmp_path, voxels, topleft=TOPLEFT), compression=compression)
    folder = converted(plan, tmp_path / "work")
    for mag in mags_of(read_properties(folder)):
        path = folder / "color" / mag.name
        by_zarr = zarr.open_array(str(path), mode="r")
        kvstore = {"driver": "file", "path": f"{path}/"}
        by_tensorstore = ts.open({"driver": "zarr3", "kvstore": kvstore}).result()
        for time in range(times):
            model = pyramid(voxels[time], TOPLEFT, mags_of(read_properties(folder)), "mean")
            start = [s // m for s, m in zip(TOPLEFT, mag, strict=True)]
            cut = [slice(s, s + n) for s, n in zip(start, model[mag].shape[:0:-1], strict=True)]
            index = (slice(None), *([time] if times > 1 else []), *cut)
            wanted = model[mag].transpose(0, 3, 2, 1)
            np.testing.assert_array_equal(np.asarray(by_zarr[index]), wanted)
            np.testing.assert_array_equal(by_tensorstore[index].read().result(), wanted)


def test_it_is_an_ome_zarr(tmp_path: Path) -> None:
    plan = plan_of(layer_of(tmp_path, image("uint16")), voxel_size=VoxelSize((4, 4, 35), "nanometer"))
    folder = converted(plan, tmp_path / "work")
    group = zarr.open_group(str(folder), mode="r")
    ome: Any = group["color"].attrs["ome"]
    assert ome["version"] == "0.5"
    [scales] = ome["multiscales"]
    assert [axis["name"] for axis in scales["axes"]] == ["c", "x", "y", "z"]
    assert [(each["path"], each["coordinateTransformations"][0]["scale"]) for each in scales["datasets"]] == [
        ("1", [1, 4, 4, 35]),
        ("2-2-1", [1, 8, 8, 35]),
        ("4-4-1", [1, 16, 16, 35]),
    ]
    window = ome["omero"]["channels"][0]["window"]
    assert window["start"] < window["end"]


@pytest.mark.parametrize(
    ("compression", "channels", "encoding"),
    [
        ("zstd:1", 1, Encoding.ZSTD),
        ("zstd:1", 3, Encoding.ZSTD),
        ("lz4", 1, Encoding.LZ4),
        ("lz4hc", 3, Encoding.LZ4),
    ],
)
def test_bricks_are_passed_on_as_they_lie(
    tmp_path: Path, compression: str, channels: int, encoding: Encoding
) -> None:
    voxels = image("uint8", size=(70, 70, 70), channels=channels)
    data_format = "zarr3" if compression.startswith("zstd") else "wkw"
    plan = plan_of(layer_of(tmp_path, voxels), format=data_format, compression=compression)
    folder = converted(plan, tmp_path / "work")
    [layer] = read_properties(folder).layers
    reader = LayerReader(layer, folder)
    for number, mag in enumerate(layer.mags):
        body = {"mags": [list(mag.mag)], "bricks": [[0, 0, 0, 0]], "accept": ["stored", "raw"]}
        request = msgspec.json.decode(msgspec.json.encode(body), type=BrickRequest)
        [entry] = decode_frame(asyncio.run(reader.bricks(request)).body)
        assert entry.encoding == encoding, number
    reader.close()


def test_nothing_is_stored_where_nothing_is(tmp_path: Path) -> None:
    voxels = np.zeros((1, 1, 70, 600, 600), np.uint8)
    voxels[..., 3, 3, 599] = 7
    folder = converted(plan_of(layer_of(tmp_path, voxels), downsampling="median"), tmp_path / "work")
    shards = sorted(
        str(path.relative_to(folder)) for path in (folder / "color").rglob("c/**/*") if path.is_file()
    )
    assert shards == ["color/1/c/0/1/0/0"]
    assert (folder / shards[0]).stat().st_size < 16 * 2 * 16 * 16 + 200  # an index, and one brick


def test_a_view_begins_with_the_values_that_are_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    voxels = rng.normal(1000, 50, (1, 1, 64, 64, 64)).astype(np.uint16)
    voxels[..., 0] = 0  # a dark border, on which samples at even steps would all lie
    voxels[0, 0, 0, 0, 0] = 65535
    folder = converted(plan_of(layer_of(tmp_path, voxels)), tmp_path / "work")
    low, high = read_properties(folder).layers[0].default_view_configuration["intensityRange"]
    inner = np.percentile(voxels, [5, 98])
    assert low <= inner[0]
    assert inner[1] <= high < 1400
