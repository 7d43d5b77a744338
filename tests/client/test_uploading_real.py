"""The real files of every format, uploaded to a server and converted: what it holds then is the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_server import TOKEN, running
from numpy.typing import NDArray
from reader_checks import real_entries, sha256, truths, with_links
from real_files import SHARED_DATA, Truth
from real_files import cases as stored_cases

import wk_jupyter as wk
from wk_jupyter.client import connection as connections
from wk_jupyter.errors import WkError

GIVEN = (7.0, 8.0, 9.0)  # where the files don't tell it
TOLD = {
    "dm3-3d-int16-64x65x66": (0.002, 3, 4000),
    "dm4-2d-float32-nonsquare": (1, 0.2, 1),
    "dm3-stem-uint32": (0.248538, 0.248538, 0.248538),
    "dm3-multi-image": (0.01775158, 0.01775158, 0.01775158),
    "czi-10x10": (100, 100, 100),
    "czi-lls7": (144.992, 144.992, 200),
    "czi-nuc-red": (100, 100, 200),
    "czi-3scenes-mosaic": (1600, 1600, 1000),
    "nii-anatomical-be": (2e6, 2e6, 2e6),
    "nii-functional-4d": (4e6, 4e6, 8e6),
    "nii2-example": (2e6, 2e6, 2.2e6),
    "nii-someones-anatomy": (2.75e6, 2.75e6, 2.75e6),
    "nii-jhu-2mm-labels": (2e6, 2e6, 2e6),
    "nii-aicha-labels": (2e6, 2e6, 2e6),
    "derived-A-nifti-slope-rot-micron": (4.6, 4.6, 50),
    "tiff-imagej-stack-f32be": (168.675, 168.675, 2500),
    "derived-A-tiff-hyperstack": (4.6, 4.6, 50),
    "derived-A-ometiff-tiled-zstd-big": (4.6, 4.6, 50),
    "derived-A-knossos-utils": (4.6, 4.6, 50),
}
HINTS = {"derived-A-raw-float32-zfast": {"shape": [96, 80, 20], "dtype": "float32", "order": "C"}}
LAYERS = {
    "czi-T3Z5C2-zstd1": ["Channel_0", "Channel_1"],
    "czi-lls7": ["LatticeLightsheet_1-T1", "LatticeLightsheet_2-T2"],
    "czi-3scenes-mosaic": ["TR1", "P1", "TR2"],
    "tiff-planar-tiled-16b-rgb": ["red", "green", "blue"],
    "tiff-imagej-palette-CYX": ["channel0", "channel1", "channel2"],
    "derived-A-tiff-hyperstack": ["channel0", "channel1"],
    "derived-A-ometiff-tiled-zstd-big": ["EM", "inv"],
    "vnc-multilayer-s1-z0-3": ["labels", "membranes", "mitochondria", "raw", "synapses"],
    "viv-channel-tiffs": ["Channel_0", "Channel_1", "Channel_2"],
}
SEGMENTATIONS = {
    "labels",
    "membranes",
    "mitochondria",
    "JHU-WhiteMatter-labels-2mm",
    "AICHAmc",
    "64x64x64-raw-uint64-segmentation",
}
LINKS = {"tiff-symlink-sequence", "knossos-wkcuber"}
REFUSED = {
    "dm3-2d-complex64": r"test-3\.dm3 has complex voxels, which cannot be a layer",
    "png-gray-depths": r"gray-2\.png is 4 × 1 pixels, but gray-1\.png is 2 × 1 pixels",
}
AXES = {
    "index order as given": "xyz",
    "1,2,3": "zyx",
    "TCZYX(RGB; stored BGR)": "tzyxc",
    "IYXS": "zyxc",
    "YXS": "yxc",
    "SYX": "cyx",
    "IYX": "zyx",
}
FORMATS = ("tiff", "image_sequence", "dm", "czi", "nifti", "raw", "knossos")
AS_THEY_ARE = {
    "derived-A-wkw-lz4-offset", "derived-A-wkw-raw-block32", "derived-A-omezarr05-czyx", "zarr3-wk-simple",
    "derived-A-n5-multiscale-gzip", "derived-A-precomputed-raw", "precomputed-wk-png-rgb",
}  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("imports"), "--WkJupyterApp.concurrent_jobs=2") as url:
        yield url


@pytest.fixture(scope="module", autouse=True)
def _no_connection_is_left(address: str) -> Iterator[None]:
    """The connection stays from test to test: uploads go on while others are looked at."""
    wk.connect(address, TOKEN)
    yield
    connections._default = None


@pytest.fixture(scope="module")
def uploads(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[wk.Dataset]]]:
    """All uploads that the chosen tests look at, by their names: a few go on at once."""
    scratch = tmp_path_factory.mktemp("links")
    with ThreadPoolExecutor(4) as senders:
        started: dict[str, Future[wk.Dataset]] = {}
        for item in request.session.items:
            chosen = getattr(item, "callspec", None)
            if item.path == request.path and chosen is not None and "written" in chosen.params:
                entry, written = chosen.params["entry"], chosen.params["written"]
                started[f"{entry['id']} {written}"] = senders.submit(upload, entry, written, scratch)
        yield started
        senders.shutdown(cancel_futures=True)


def upload(entry: Mapping[str, Any], written: str, scratch: Path) -> wk.Dataset:
    folder = SHARED_DATA / entry["path"]
    if entry["id"] in LINKS:
        folder = with_links(folder, scratch / written)
    inside = [path for path in folder.iterdir() if path.name != "README.md"]
    options: dict[str, Any] = {"hints": HINTS[entry["id"]]} if entry["id"] in HINTS else {}
    if entry["id"] not in TOLD:
        options["voxel_size"] = GIVEN
    source = inside[0] if len(inside) == 1 else folder
    made = wk.upload(source, f"{entry['id']} {written}", format=written, **options)
    assert isinstance(made, wk.Dataset)
    return made


@pytest.mark.parametrize("written", ["zarr3", "wkw"])
@pytest.mark.parametrize("entry", real_entries(*FORMATS))
def test_real_files_become_datasets(
    uploads: dict[str, Future[wk.Dataset]], entry: Mapping[str, Any], written: str
) -> None:
    if entry["id"] in REFUSED:
        with pytest.raises(WkError, match=REFUSED[entry["id"]]):
            uploads[f"{entry['id']} {written}"].result()
        return
    ds = uploads[f"{entry['id']} {written}"].result()
    assert ds.voxel_size.nanometers == pytest.approx(TOLD.get(entry["id"], GIVEN), rel=1e-5)
    assert {layer.source.data_format for layer in ds.layers.values()} == {written}
    layers = voxels_of(ds)
    for name, layer in ds.layers.items():
        is_segmentation = re.sub(r"_t\d+$", "", name) in SEGMENTATIONS
        assert layer.category == ("segmentation" if is_segmentation else "color")
    if entry["id"] in LAYERS:
        assert [name.endswith(end) for name, end in zip(layers, LAYERS[entry["id"]], strict=True)]
    else:
        assert len(layers) == 1
    check(entry, layers)


def voxels_of(ds: wk.Dataset) -> dict[str, NDArray[Any]]:
    """Return the voxels (t, c, z, y, x) of each layer; WKW layers of points in time are put together."""
    points: dict[str, list[NDArray[Any]]] = {}
    for name, layer in ds.layers.items():
        times = layer.axes.get("t", [None])
        for time in times:
            read = layer.read(position=None if time is None else {"t": time})
            whole = read[..., None] if read.ndim == 3 else read
            points.setdefault(re.sub(r"_t\d+$", "", name), []).append(whole.transpose(3, 2, 1, 0))
    return {name: np.stack(parts) for name, parts in points.items()}


def check(entry: Mapping[str, Any], layers: dict[str, NDArray[Any]]) -> None:
    """Compare layers with the truth of an entry: sections, layers by name, scenes, or one array in all."""
    arrays = truths(entry)
    if "layer" in arrays[0]:
        for truth in arrays:
            require_truth(layers[truth["layer"]], truth)
    elif entry["id"] in {"czi-3scenes-mosaic", "viv-channel-tiffs"}:
        for voxels, truth in zip(layers.values(), arrays, strict=True):
            require_truth(voxels, truth)
    elif entry["id"] == "temca2-tiles-z1-2":  # section/row/column.jpg
        [voxels] = layers.values()
        assert voxels.shape == (1, 1, 2, 2048, 2048)
        for truth in arrays:
            z, y, x = (int(part) for part in truth["file"].split(".")[0].split("/")[-3:])
            top, left = (y - 60) * 1024, (x - 140) * 1024
            require_truth(voxels[:, :, z - 1 : z, top : top + 1024, left : left + 1024], truth)
    elif "file" in arrays[0]:
        [voxels] = layers.values()
        assert voxels.shape[2] == len(arrays)
        for number, truth in enumerate(arrays):
            require_truth(voxels[:, :, number : number + 1], truth)
    else:
        require_truth(np.concatenate(list(layers.values()), axis=1), arrays[0])


def require_truth(voxels: NDArray[Any], truth: Mapping[str, Any]) -> None:
    axes = AXES.get(truth["axes"], truth["axes"].replace(",", "").lower())
    shape, dtype = tuple(truth["shape"]), truth["dtype"]
    if dtype.startswith("["):  # RGBA, of which the alpha is left out: it is 0 everywhere
        voxels = np.concatenate([voxels, np.zeros_like(voxels[:, :1])], axis=1)
        shape, dtype, axes = (*shape, 4), "uint8", f"{axes}c"
    order = [*(n for n, axis in enumerate("tczyx") if axis not in axes), *map("tczyx".index, axes)]
    found = voxels.transpose(order)
    assert [n for n in found.shape if n > 1] == [n for n in shape if n > 1]
    if truth.get("slope", 1.0) != 1.0:
        assert found.dtype == np.float32
        found = np.rint((found.astype(np.float64) - truth["inter"]) / truth["slope"])
        found = found.astype(dtype)
    if dtype == "bool" and truth["reader"].endswith("Pillow"):  # whose True has 255 in memory
        found = found * np.uint8(255)
    assert found.dtype == (np.uint8 if dtype == "bool" else np.dtype(dtype))
    assert sha256(found) == truth["sha256"]


@pytest.mark.parametrize(
    "entry", [case for case in stored_cases() if case.id in AS_THEY_ARE or case.id == "absent"]
)
def test_what_is_stored_already_is_taken_as_it_is(entry: Any) -> None:
    folder = SHARED_DATA / entry.path
    inside = [path for path in folder.iterdir() if path.is_dir()]
    source = folder if (folder / "datasource-properties.json").exists() or len(inside) != 1 else inside[0]
    told = wk.inspect(source)
    options = {"voxel_size": GIVEN} if told.needs_voxel_size else {}
    ds = wk.upload(source, entry.id, **options)
    assert isinstance(ds, wk.Dataset)
    assert ds.voxel_size.nanometers == (GIVEN if told.needs_voxel_size else told.voxel_size)
    assert {layer.source.data_format for layer in ds.layers.values()} == {entry.arrays[0].data_format}
    truth: Truth = entry.arrays[0]
    parts = []
    for layer in ds.layers.values():
        if layer.dtype == truth.dtype:
            voxels = layer.read()
            parts.append((voxels[..., None] if voxels.ndim == 3 else voxels).transpose(3, 0, 1, 2))
    truth.check(np.concatenate(parts))


@pytest.mark.parametrize(
    "entry", [case for case in stored_cases() if case.id in {"wkw-cremi-volume-zip", "absent"}]
)
def test_a_zip_of_mags_becomes_a_dataset(entry: Any) -> None:
    [archive] = (SHARED_DATA / entry.path).glob("*.zip")
    ds = wk.upload(archive, entry.id, voxel_size=GIVEN)
    assert isinstance(ds, wk.Dataset)
    assert ds.voxel_size.nanometers == GIVEN
    [layer] = ds.layers.values()
    assert [str(mag) for mag in layer.mags] == ["1", "2", "4", "8", "16"]
    truth: Truth = entry.arrays[0]
    assert layer.dtype == truth.dtype
    truth.check(layer.read((truth.offset, truth.box.size))[None])
