from __future__ import annotations

import hashlib
import struct
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tensorstore
import wkw
import zarr
import zstandard
from numpy.typing import NDArray

from wk_jupyter import samples
from wk_jupyter.datasource import read_properties
from wk_jupyter.errors import InvalidInput
from wk_jupyter.samples.em import Microscope
from wk_jupyter.samples.noise import Field
from wk_jupyter.samples.pyramid import mean, mode
from wk_jupyter.samples.tissue import grow
from wk_jupyter.store.volumes import open_volume
from wk_jupyter.store.volumes.base import Encoding, stored_blocks

SHAPE = (288, 128, 64)
VOXEL = (11.24, 11.24, 28.0)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return samples.generate(data_dir=tmp_path_factory.mktemp("data"), shape=SHAPE)


def read(folder: Path, layer: str, mag: str) -> NDArray[Any]:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(folder / layer / mag)}}
    voxels: NDArray[Any] = tensorstore.open(spec).result()[0].read().result()
    return voxels


def digest(folder: Path) -> dict[str, str]:
    files = (f for f in folder.rglob("*") if f.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_it_is_a_dataset_with_two_layers_in_four_mags(sample: Path) -> None:
    source = read_properties(sample)
    assert sample.parts[-3:] == ("binaryData", "default", "sample_tissue")
    assert source.voxel_size.nanometers == VOXEL
    assert [(la.name, la.category, la.element_class) for la in source.layers] == [
        ("color", "color", "uint8"),
        ("segmentation", "segmentation", "uint32"),
    ]
    for layer in source.layers:
        assert layer.bounding_box.size == SHAPE
        assert [m.mag.name for m in layer.mags] == ["1", "2-2-1", "4-4-2", "8-8-4"]
        for mag in layer.mags:
            voxels = read(sample, layer.name, mag.mag.name)
            assert voxels.shape == layer.bounding_box.in_mag(mag.mag).size
            assert voxels.dtype == layer.dtype
    assert source.layer("segmentation").largest_segment_id == read(sample, "segmentation", "1").max()
    assert source.layer("color").largest_segment_id is None
    assert source.default_view_configuration["position"] == [144, 64, 32]
    assert [p.name for p in sample.parent.iterdir()] == ["sample_tissue"]


def test_coarser_mags_are_means_of_grey_and_modes_of_ids(sample: Path) -> None:
    grey, ids = read(sample, "color", "1").astype(int), read(sample, "segmentation", "1")
    half, half_ids = read(sample, "color", "2-2-1"), read(sample, "segmentation", "2-2-1")
    sums = grey[0::2, 0::2] + grey[1::2, 0::2] + grey[0::2, 1::2] + grey[1::2, 1::2]
    np.testing.assert_array_equal(half, (sums + 2) // 4)
    corners = np.stack([ids[0::2, 0::2], ids[1::2, 0::2], ids[0::2, 1::2], ids[1::2, 1::2]])
    votes = (corners[:, None] == corners[None]).sum(axis=0)
    chosen = (half_ids[None] == corners).sum(axis=0)
    np.testing.assert_array_equal(chosen, votes.max(axis=0))
    quarter = read(sample, "segmentation", "4-4-2")
    rng = np.random.default_rng(3)
    for x, y, z in rng.integers(0, quarter.shape, size=(200, 3)):
        counts = Counter(half_ids[2 * x : 2 * x + 2, 2 * y : 2 * y + 2, 2 * z : 2 * z + 2].ravel().tolist())
        assert counts[int(quarter[x, y, z])] == max(counts.values())


def test_the_segmentation_fits_the_membranes(sample: Path) -> None:
    grey, ids = read(sample, "color", "1"), read(sample, "segmentation", "1")
    border = (ids[1:, 1:] != ids[:-1, 1:]) | (ids[1:, 1:] != ids[1:, :-1])
    inside = np.ones_like(border)
    for shift in range(-4, 5):
        inside &= ~np.roll(border, shift, 0) & ~np.roll(border, shift, 1)
    grey = grey[1:, 1:]
    assert np.mean(grey[border] < 120) > 0.9
    assert np.mean(grey[inside] > 120) > 0.8  # the rest is mitochondria, vesicles and synapses


def test_there_are_cells_of_many_sizes_and_no_background(sample: Path) -> None:
    ids, counts = np.unique(read(sample, "segmentation", "1"), return_counts=True)
    assert ids.min() >= 1
    assert len(ids) > 40
    assert counts.max() > 20 * np.median(counts)


def test_the_same_seed_gives_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    again = samples.generate("twin", data_dir=tmp_path, shape=SHAPE)
    other = samples.generate("other", data_dir=tmp_path, shape=SHAPE, seed=8)
    expected, found = digest(sample), digest(again)
    for mine in (expected, found):
        del mine["datasource-properties.json"]
    assert found == expected
    assert digest(other)["color/1/c/0/0/0/0"] != expected["color/1/c/0/0/0/0"]


def test_wkw_holds_the_same_voxels(sample: Path, tmp_path: Path) -> None:
    folder = samples.generate("cubes", data_dir=tmp_path, shape=SHAPE, format="wkw")
    source = read_properties(folder)
    for layer in source.layers:
        assert layer.data_format == "wkw"
        for mag in layer.mags:
            with wkw.Dataset.open(str(folder / str(mag.path))) as stored:
                assert stored.header.block_type == wkw.Header.BLOCK_TYPE_LZ4
                voxels = stored.read((0, 0, 0), tuple(layer.bounding_box.in_mag(mag.mag).size))
            np.testing.assert_array_equal(voxels[0], read(sample, layer.name, mag.mag.name))


def test_stored_bricks_are_32_cubed_zstd_with_x_fastest(sample: Path) -> None:
    shard = (sample / "segmentation/1/c/0/0/0/0").read_bytes()
    count = 8 * 8 * 4
    index = np.frombuffer(shard[-(16 * count + 4) : -4], "<u8").reshape(8, 8, 4, 2)
    offset, length = (int(n) for n in index[1, 2, 1])
    brick = zstandard.decompress(shard[offset : offset + length])
    assert struct.unpack("<I", shard[offset : offset + 4]) == (0xFD2FB528,)
    voxels = np.frombuffer(brick, "<u4").reshape(32, 32, 32).transpose()
    np.testing.assert_array_equal(voxels, read(sample, "segmentation", "1")[32:64, 64:96, 32:64])


@pytest.mark.parametrize("data_format", ["zarr3", "wkw"])
def test_the_server_can_pass_its_bricks_on_as_they_lie(
    data_format: Literal["zarr3", "wkw"], tmp_path: Path
) -> None:
    folder = samples.generate(data_dir=tmp_path, shape=(64, 64, 32), format=data_format)
    for layer in read_properties(folder).layers:
        for mag in layer.mags:
            blocks = stored_blocks(open_volume(folder, layer, mag))
            assert blocks is not None
            assert blocks.layout.shape == (32, 32, 32)
            assert blocks.layout.encoding == (Encoding.ZSTD if data_format == "zarr3" else Encoding.LZ4)
            assert isinstance(blocks.fetch([(0, 0, 0)])[0], bytes)


def test_other_tools_open_it_as_ome_zarr(sample: Path) -> None:
    group = zarr.open_group(sample, mode="r")
    multiscale = group["color"].attrs["ome"]["multiscales"][0]
    assert [axis["name"] for axis in multiscale["axes"]] == ["c", "x", "y", "z"]
    for dataset in multiscale["datasets"]:
        array = group[f"color/{dataset['path']}"]
        scale = dataset["coordinateTransformations"][0]["scale"][1:]
        size = [round(n * v / s) for n, v, s in zip(SHAPE, VOXEL, scale, strict=True)]
        assert array.shape == (1, *size)
    np.testing.assert_array_equal(group["color/8-8-4"][0], read(sample, "color", "8-8-4"))


def test_what_is_there_is_left_alone(sample: Path) -> None:
    before = digest(sample)
    assert samples.generate(data_dir=sample.parents[2], seed=99) == sample
    assert digest(sample) == before


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"shape": (100, 128, 64)}, "100 × 128 × 64"),
        ({"shape": (64, 64, 10**6)}, "multiples of"),
        ({"shape": (64, 64)}, "three whole numbers"),
        ({"format": "n5"}, "'n5'"),
        ({"name": "../evil"}, "'../evil'"),
        ({"name": ".hidden"}, "'.hidden'"),
        ({"organization": "a/b"}, "'a/b'"),
    ],
)
def test_bad_input_is_named(wrong: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        samples.generate(**{"data_dir": tmp_path, **wrong})
    assert named in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_default_place_is_the_data_directory_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WK_JUPYTER_DATA_DIR", str(tmp_path / "lab"))
    folder = samples.generate(shape=(64, 64, 32))
    assert folder == tmp_path / "lab" / "binaryData" / "default" / "sample_tissue"


def test_a_part_looks_like_the_same_part_of_the_whole() -> None:
    x, y, z = (n * v for n, v in zip(SHAPE, VOXEL, strict=True))
    microscope = Microscope(grow((x, y, z), np.random.default_rng(4)), VOXEL, seed=4)
    grey, ids = microscope.image((0, 0, 0), (128, 128, 32))
    part_grey, part_ids = microscope.image((64, 32, 16), (64, 64, 16))
    np.testing.assert_array_equal(part_ids, ids[64:128, 32:96, 16:32])
    difference = part_grey.astype(float) - grey[64:128, 32:96, 16:32]
    assert abs(difference.mean()) < 0.5  # all but the shot noise is the same
    assert difference.std() < 14


def test_a_field_has_one_value_at_one_place_and_repeats_after_48_grains() -> None:
    field = Field(50.0, np.random.default_rng(1))
    x, y, z = (np.arange(0, n, 11.0, dtype=np.float32) for n in (900, 700, 500))
    whole = field.sample((x, y, z))
    np.testing.assert_allclose(field.sample((x[20:], y[5:9], z[3:4])), whole[20:, 5:9, 3:4], atol=1e-4)
    np.testing.assert_allclose(field.sample((x + 48 * 50, y, z)), whole, atol=1e-2)
    assert abs(whole.mean()) < 0.15
    assert 0.8 < whole.std() < 1.2


def test_means_round_and_ties_go_to_the_first() -> None:
    voxels = np.array([[[0, 255]], [[1, 255]]], np.uint8)
    np.testing.assert_array_equal(mean(voxels, (2, 1, 1)), [[[1, 255]]])
    ids = np.array([3, 9, 9, 3], np.uint32).reshape(2, 2, 1)
    np.testing.assert_array_equal(mode(ids, (2, 2, 1)), [[[3]]])
