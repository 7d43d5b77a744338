"""Every array of the real files, read as it lies and as its folder is understood, against its truth."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from real_files import Entry, Truth, cases, entries, locate

from wk_jupyter.datasource import parse_data_source
from wk_jupyter.errors import CorruptData, InvalidDataSource, UnsupportedFormat, WkError
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.explore import Exploration, explore
from wk_jupyter.store.volumes import open_volume

# Folders that are refused as a whole: why is tested below.
REFUSED = {"omezarr06-translation", "omezarr04-invalid-image-01", "omezarr-idr-metadata"}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unpacked")


def reference(entry: Entry, truth: Truth, folder: Path) -> NDArray[Any] | None:
    """JPEG as another library decodes it: the truth allows for a difference."""
    if not truth.tolerance:
        return None
    voxels = np.zeros((1, *truth.box.size), np.uint8)
    scale = json.loads((folder / truth.path).parent.joinpath("info").read_text())["scales"][0]
    for file in (folder / truth.path).iterdir():
        corners = [[int(n) for n in part.split("-")] for part in file.name.split("_")]
        place = tuple(slice(a - o, b - o) for (a, b), o in zip(corners, scale["voxel_offset"], strict=True))
        shape = [b - a for a, b in corners]
        pixels = np.asarray(Image.open(io.BytesIO(file.read_bytes())))
        voxels[0][place] = pixels.reshape(shape[::-1]).transpose(2, 1, 0)
    return voxels


def is_zero_outside(voxels: NDArray[Any], box: BoundingBox, inside: BoundingBox) -> bool:
    part = box.intersection(inside)
    corners = zip(part.topleft - box.topleft, part.bottomright - box.topleft, strict=True)
    return np.count_nonzero(voxels[:, *(slice(a, b) for a, b in corners)]) == np.count_nonzero(voxels)


@pytest.mark.parametrize("entry", cases())
def test_each_array_is_read_as_it_lies(entry: Entry, shared_data: Path, scratch: Path) -> None:
    folder = entry.folder(shared_data, scratch)
    for truth in entry.arrays:
        if truth.is_readable:
            layer = truth.layer()
            volume = open_volume(folder, layer, layer.mags[0])
            truth.check(volume.read(truth.box), reference(entry, truth, folder))
            volume.close()
        else:
            layer = replace(truth, dtype=np.dtype(np.uint8)).layer()
            with pytest.raises(UnsupportedFormat, match="cannot be voxels") as caught:
                open_volume(folder, layer, layer.mags[0])
            assert truth.path in str(caught.value)


@pytest.mark.parametrize("entry", cases())
def test_each_array_is_read_as_its_folder_is_understood(
    entry: Entry, shared_data: Path, scratch: Path
) -> None:
    folder = entry.folder(shared_data, scratch)
    if entry.id in REFUSED:
        with pytest.raises(UnsupportedFormat) as caught:
            explore(folder)
        assert str(folder) in str(caught.value)
        return
    found = explore(folder)
    source = parse_data_source(found.data_source.to_document(), origin="a proposal")
    assert source.layers == found.data_source.layers
    for known in entry.arrays:
        sources, truth = locate(source, folder, known, folder)
        if not known.is_readable:
            assert not sources
            assert any(known.path in notice and "cannot be voxels" in notice for notice in found.notices)
            continue
        assert sources, f"{known.path} is in none of the layers"
        parts = []
        for layer, mag in sources:
            volume = open_volume(folder, layer, mag)
            parts.append(volume.read(truth.box))
            assert is_zero_outside(parts[-1], truth.box, layer.bounding_box.in_mag(mag.mag))
            volume.close()
        truth.check(np.concatenate(parts), reference(entry, truth, folder))


def test_all_arrays_of_the_manifest_are_tried(shared_data: Path) -> None:
    arrays = [truth for entry in entries(shared_data) for truth in entry.arrays]
    assert len(arrays) > 110
    assert sum(not truth.is_readable for truth in arrays) == 6


@pytest.mark.parametrize(
    ("entry", "voxel_size", "unit"),
    [
        ("zarr/derived-A-omezarr04-czyx/em.ome.zarr", (0.0046, 0.0046, 0.05), "micrometer"),
        ("zarr/derived-A-omezarr05-czyx/em.ome.zarr", (0.0046, 0.0046, 0.05), "micrometer"),
        ("n5/derived-A-n5-multiscale-gzip/em.n5", (4.6, 4.6, 50), "nanometer"),
        ("precomputed/derived-A-precomputed-raw/vol", (4.6, 4.6, 50), "nanometer"),
        ("wkw/derived-A-wkw-lz4-offset", (4.6, 4.6, 50), "nanometer"),
    ],
)
def test_voxel_sizes_are_found(
    shared_data: Path, entry: str, voxel_size: tuple[float, ...], unit: str
) -> None:
    source = explore(shared_data / entry).data_source
    assert source.voxel_size.factor == pytest.approx(voxel_size)
    assert source.voxel_size.unit == unit


def test_a_newer_version_is_refused_not_misread(shared_data: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"OME-NGFF 0\.6\.dev1.*0\.1 to 0\.5"):
        explore(shared_data / "zarr" / "omezarr06-translation" / "translation.zarr")


def test_metadata_of_published_images_is_understood_or_refused(shared_data: Path, tmp_path: Path) -> None:
    """162 documents of images v0.1 to v0.5; their voxels are not here and read as missing."""
    fixtures = json.loads((shared_data / "zarr" / "omezarr-idr-metadata" / "fixtures.json").read_text())
    for name, document in fixtures.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
    understood, refused = [], []
    groups = sorted({path.parent for path in tmp_path.rglob("*") if path.name in (".zattrs", "zarr.json")})
    for folder in groups:
        found = explored(folder)
        name = folder.relative_to(tmp_path).as_posix()
        if isinstance(found, WkError):
            refused.append(name)
            assert str(folder) in str(found)
            continue
        understood.append(name)
        layer = found.data_source.layers[0]
        corner = BoundingBox(layer.bounding_box.topleft, (2, 2, 1))
        assert not open_volume(folder, layer, layer.mags[0]).read(corner).any()
        document = found.data_source.to_document()
        assert parse_data_source(document, origin="a proposal").layers == found.data_source.layers
    # Plates and wells hold many images, whose arrays are not among the documents, nor are one label's.
    assert {"/".join(name.split("/")[:2]) for name in refused if "labels" not in name} == {
        "v0.1/idr0001-plate",
        "v0.1/idr0033-plate",
    }
    assert [name for name in refused if "labels" in name] == [
        "v0.4/idr0062-multiscale/labels",
        "v0.4/idr0062-multiscale/labels/0",
    ]
    assert len(understood) > 30


def explored(folder: Path) -> Exploration | WkError:
    try:
        return explore(folder)
    except WkError as error:
        return error


@pytest.mark.parametrize(
    ("path", "layers", "size", "mags"),
    [
        ("v0.1/idr0062-multiscale", 2, None, 3),
        ("v0.4/idr0062-multiscale", 2, (0.36, 0.36, 0.5), 3),
        ("v0.4/idr0076-cyx-50ch", 50, None, 4),
        ("v0.4/embl-tyx", 1, (0.65, 0.65, 0.65), 3),
        ("v0.4/embl-zyx", 1, (64, 64, 64), 3),
        ("v0.5/idr0047-multiscale", 4, None, 6),
    ],
)
def test_published_images_become_layers(
    shared_data: Path, tmp_path: Path, path: str, layers: int, size: Any, mags: int
) -> None:
    fixtures = json.loads((shared_data / "zarr" / "omezarr-idr-metadata" / "fixtures.json").read_text())
    for name, document in fixtures.items():
        if name.startswith(f"{path}/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(json.dumps(document))
    source = explore(tmp_path / path).data_source
    images = [layer for layer in source.layers if not (layer.mags[0].path or "").startswith("./labels")]
    assert len(images) == layers
    assert {len(layer.mags) for layer in images} == {mags}
    if size is not None:
        assert source.voxel_size.factor == pytest.approx(size, rel=0.01)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("zarr2/chunk-zero.zarr", CorruptData),
        ("properties/scale-nan", InvalidDataSource),
        ("properties/layer-name-traversal", InvalidDataSource),
    ],
)
def test_malformed_folders_are_refused(shared_data: Path, path: str, error: type[WkError]) -> None:
    with pytest.raises(error) as caught:
        explore(shared_data / "malformed" / path)
    assert str(shared_data / "malformed" / path) in str(caught.value)


def test_a_header_that_is_none_is_refused(shared_data: Path) -> None:
    folder = shared_data / "malformed" / "wkw" / "bad-magic"
    layer = explore(folder).data_source.layers[0]
    with pytest.raises(CorruptData, match=r"header\.wkw"):
        open_volume(folder, layer, layer.mags[0])


def test_an_array_of_astronomic_size_is_explored_without_walking_it(shared_data: Path) -> None:
    folder = shared_data / "malformed" / "zarr2" / "shape-1e9-empty.zarr"
    layer = explore(folder).data_source.layers[0]
    assert layer.bounding_box.size == (10**9, 10**9, 10**9)
    volume = open_volume(folder, layer, layer.mags[0])
    assert not volume.read(BoundingBox((5 * 10**8,) * 3, (32, 32, 32))).any()
