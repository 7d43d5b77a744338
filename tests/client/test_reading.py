"""Voxels by the cell API: from a server over HTTP, from its files on this machine, and from a folder."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from known_server import BOX, TOKEN, Known

import wk_jupyter as wk
from wk_jupyter import errors
from wk_jupyter.client.dataset import Dataset
from wk_jupyter.client.http_source import HttpSource
from wk_jupyter.client.sources import LocalSource

WAYS = ("http", "same machine", "folder")


def opened(known: Known, way: str, name: str = "known") -> Dataset:
    if way == "folder":
        return wk.open(known.data_dir / "binaryData" / "lab" / name)
    connection = wk.connect(known.url, TOKEN)
    dataset = wk.open(name)
    assert isinstance(dataset.local_source, LocalSource)
    if way == "http":
        entry = connection.get(f"datasets/{dataset.id}")
        source = HttpSource(connection, str(dataset.id))
        return Dataset(dataset.data_source, source, entry=entry, connection=connection)
    return dataset


def truth(voxels: np.ndarray, box: wk.BoundingBox) -> np.ndarray:
    """The voxels (x, y, z) of a box: 0 where it leaves the layer's own box."""
    expected = np.zeros(box.size, voxels.dtype)
    inside = box.intersection(BOX)
    (a, b, c), (d, e, f) = inside.topleft, inside.bottomright
    (u, v, w), (x, y, z) = inside.topleft - box.topleft, inside.bottomright - box.topleft
    expected[u:x, v:y, w:z] = voxels[0, a:d, b:e, c:f]
    return expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "box",
    [
        BOX,
        wk.BoundingBox((30, 60, 10), (40, 41, 20)),
        wk.BoundingBox((0, 0, 0), (64, 64, 16)),
        wk.BoundingBox((-20, 100, -5), (300, 300, 100)),
        wk.BoundingBox((7, 41, 5), (1, 1, 1)),
        wk.BoundingBox((5000, 5000, 5000), (3, 3, 3)),
    ],
    ids=str,
)
def test_a_box_holds_the_voxels_that_were_stored(known: Known, way: str, box: wk.BoundingBox) -> None:
    dataset = opened(known, way)
    for name, voxels in (("color", known.grey), ("cells", known.ids)):
        found = dataset.layers[name].read(box)
        assert found.dtype == voxels.dtype
        np.testing.assert_array_equal(found, truth(voxels, box))


@pytest.mark.parametrize("way", WAYS)
def test_without_a_box_all_of_the_layer_is_read(known: Known, way: str) -> None:
    np.testing.assert_array_equal(opened(known, way).layers["color"].read(), truth(known.grey, BOX))


@pytest.mark.parametrize("way", WAYS)
def test_a_coarser_mag_rounds_the_box_outward_and_says_so(known: Known, way: str) -> None:
    layer = opened(known, way).layers["color"]
    with pytest.warns(wk.RoundedBoxWarning, match=r"\(50, 60, 10\) \+ 12 × 20 × 7"):
        found = layer.read(((51, 60, 10), (10, 19, 7)), mag="2-2-1")
    np.testing.assert_array_equal(found, known.grey[0, 50:62:2, 60:80:2, 10:17])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert layer.read(((50, 60, 10), (10, 20, 7)), mag="2-2-1").shape == (5, 10, 7)


def test_slices_read_by_position(known: Known) -> None:
    layer = opened(known, "folder").layers["color"]
    np.testing.assert_array_equal(layer[10:20, 50:60, 5:9], known.grey[0, 10:20, 50:60, 5:9])
    np.testing.assert_array_equal(layer[10:20, 50:60, 5], known.grey[0, 10:20, 50:60, 5])
    np.testing.assert_array_equal(layer[:8, 41, 4], known.grey[0, 5:8, 41, 4])
    np.testing.assert_array_equal(layer[..., 7], truth(known.grey, BOX)[:, :, 4])
    assert layer[10:20].shape == (10, 90, 40)


@pytest.mark.parametrize("way", WAYS)
def test_lazy_arrays_hold_the_same(known: Known, way: str) -> None:
    layer = opened(known, way).layers["cells"]
    expected = truth(known.ids, BOX)
    dask_array, zarr_array, store = layer.to_dask(), layer.to_zarr(), layer.to_tensorstore()
    assert dask_array.shape == zarr_array.shape == tuple(store.shape) == expected.shape
    np.testing.assert_array_equal(dask_array[10:50, 20:30, 5].compute(), expected[10:50, 20:30, 5])
    np.testing.assert_array_equal(
        dask_array[50:10:-3, ::7, [1, 9]].compute(), expected[50:10:-3, ::7, [1, 9]]
    )
    assert dask_array[3:3].compute().shape == (0, 90, 40)
    np.testing.assert_array_equal(zarr_array[3:70, :, 9:11], expected[3:70, :, 9:11])
    # tensorstore counts in positions of the dataset
    np.testing.assert_array_equal(store[20:30, 50:60, 7].read().result(), known.ids[0, 20:30, 50:60, 7])
    assert zarr_array.attrs["topLeft"] == [5, 40, 3]


def test_zarr_arrays_cannot_be_written(known: Known) -> None:
    array = opened(known, "folder").layers["color"].to_zarr()
    with pytest.raises((ValueError, PermissionError, TypeError)):
        array[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("read", "error", "said"),
    [
        (lambda layer: layer.read(mag="4"), errors.MagNotFound, "It has 1, 2-2-1"),
        (lambda layer: layer.read(mag="fine"), errors.InvalidInput, "mag"),
        (lambda layer: layer.read(((0, 0, 0), (10**5,) * 3)), errors.TooLarge, "1.0 PB"),
        (lambda layer: layer.read(((0, 0, 0), (64, 64, 64)), max_bytes=1000), errors.TooLarge, "262.1 kB"),
        (lambda layer: layer.read(((0, 0, 0), (0, 1, 1))), errors.InvalidInput, "empty"),
        (lambda layer: layer.read(((0, 0, 0), (1, 1, -1))), errors.InvalidInput, "negative"),
        (lambda layer: layer.read(((0, 0), (1, 1, 1))), errors.InvalidInput, "three whole numbers"),
        (lambda layer: layer.read(((0.5, 0, 0), (1, 1, 1))), errors.InvalidInput, "whole number"),
        (lambda layer: layer.read("everything"), errors.InvalidInput, "topleft, size"),
        (lambda layer: layer.read(position={"t": 0}), errors.InvalidInput, "'t'"),
        (lambda layer: layer[0:10:2], errors.InvalidInput, "step"),
        (lambda layer: layer[1, 2, 3, 0], errors.InvalidInput, "three axes"),
        (lambda layer: layer["a"], errors.InvalidInput, "position of x"),
        (lambda layer: layer[[1, 2]], errors.InvalidInput, "list"),
    ],
)
def test_mistakes_are_answered_in_words(known: Known, read, error, said) -> None:
    with pytest.raises(error) as caught:
        read(opened(known, "folder").layers["color"])
    assert said in str(caught.value)


def test_the_limit_comes_from_the_environment(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WK_JUPYTER_MAX_READ_BYTES", "1000")
    with pytest.raises(errors.TooLarge, match=r"1.0 kB are read at once"):
        opened(known, "folder").layers["color"].read()


def test_a_damaged_file_is_named(known: Known, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "damaged"
    shutil.copytree(known.data_dir / "binaryData" / "lab" / "known", folder)
    cube = folder / "color" / "1" / "z0" / "y0" / "x0.wkw"
    cube.write_bytes(cube.read_bytes()[:5000])
    layer = wk.open(folder).layers["color"]
    with pytest.raises(errors.CorruptData, match=r"x0\.wkw"):
        layer.read()
    assert layer.read(((70, 70, 0), (8, 8, 8))).shape == (8, 8, 8)  # the other cubes are whole


@pytest.mark.parametrize("way", WAYS)
def test_pictures_are_pngs_of_the_size_asked_for(known: Known, way: str) -> None:
    dataset = opened(known, way)
    assert dataset.thumbnail(64, 48).size == (64, 48)
    assert dataset.layers["cells"].thumbnail(32, 32).size == (32, 32)


def test_real_files_give_the_known_voxels(known: Known) -> None:
    if not known.real:
        pytest.skip("the real sample files are not here")
    for name, real in known.real.items():
        read = {way: opened(known, way, name).layers["layer"].read(real.box) for way in WAYS}
        as_stored = {
            way: (found[None] if real.num_channels == 1 else np.moveaxis(found, -1, 0))
            for way, found in read.items()
        }
        for way in WAYS:
            real.check(as_stored[way], as_stored["folder"] if real.tolerance else None)
            np.testing.assert_array_equal(as_stored[way], as_stored["folder"])
