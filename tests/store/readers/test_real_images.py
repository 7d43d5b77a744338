"""Real files beside some checkouts: every TIFF and sequence against the truth of independent readers."""

from __future__ import annotations

import hashlib
import json
import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from contracts.reader_contract import read_whole, refusal, require_info
from real_files import SHARED_DATA

from wk_jupyter.errors import CorruptData, UnsupportedFormat, WkError
from wk_jupyter.store.readers import reader_for, reader_named

_LETTERS = {"I": "Z", "Q": "Z", "S": "C"}


def entries(data_format):
    path = SHARED_DATA / "manifest.json"
    if not path.exists():
        return []
    manifest = json.loads(path.read_text())
    return [each for each in manifest["real"] + manifest["derived"] if each["format"] == data_format]


def as_told(found, truth):
    """Voxels (t, c, z, y, x) in the axes and the type of the truth."""
    told = [_LETTERS.get(axis, axis) for axis in truth["axes"].replace(",", "").upper()]
    lengths = dict(zip(told, truth["shape"], strict=True))
    assert found.shape == tuple(lengths.get(axis, 1) for axis in "TCZYX")
    there = [axis for axis in "TCZYX" if axis in told]
    array = found.reshape([lengths[axis] for axis in there])
    return array.transpose([there.index(axis) for axis in told])


def require_truth(found, truth):
    array = as_told(found, truth)
    dtype = np.dtype(truth["dtype"])
    if dtype.kind == "b":
        assert array.dtype == np.uint8
        array = array.astype(bool)
        if truth["reader"].endswith(("Pillow", "mode 1")):  # its True is 255, of which the sum was taken
            array, dtype = array.view(np.uint8) * np.uint8(255), np.dtype(np.uint8)
    assert array.dtype == dtype
    data = np.ascontiguousarray(array).astype(dtype.newbyteorder("<"), copy=False).tobytes()
    assert hashlib.sha256(data).hexdigest() == truth["sha256"]


def opened(path):
    return closing(reader_for(path).open([path], {}))


@pytest.mark.parametrize("entry", entries("tiff"), ids=lambda entry: entry["id"])
def test_tiffs(shared_data, entry):
    (path,) = sorted(path for path in (shared_data / entry["path"]).rglob("*") if path.is_file())
    with opened(path) as file:
        for truth in entry["truth"]:
            image = file.images[truth.get("series", 0)]
            require_info(image.info)
            require_truth(read_whole(image), truth)


@pytest.mark.parametrize(("entry", "expected"), [
    ("tiff-imagej-stack-f32be", (1000 / 5.928571, 1000 / 5.928571, 2500)),
    ("derived-A-tiff-hyperstack", (4.6, 4.6, 50)),
    ("derived-A-ometiff-tiled-zstd-big", (4.6, 4.6, 50)),
    ("tiff-fei-helios-16b", (3372.4, 3372.4, None)),
    ("tiff-dm-stack-f32", (168.67400705814362, 1686.7400407791138, None)),
    ("tiff-rgb-32", (None, None, None)),
    ("ometiff-4d-TZYX", (None, None, None)),
    ("tiff-16bit-be", (None, None, None)),
])  # fmt: skip
def test_voxel_sizes(shared_data, entry, expected):
    (path,) = sorted(path for path in (shared_data / "tiff" / entry).rglob("*") if path.is_file())
    with opened(path) as file:
        found = file.images[0].info.voxel_size
    assert found == tuple(None if each is None else pytest.approx(each) for each in expected)


@pytest.mark.parametrize("entry", entries("image_sequence"), ids=lambda entry: entry["id"])
def test_sections(shared_data, entry):
    for truth in entry["truth"]:
        if "file" not in truth or Path(truth["file"]).suffix in {".dm3", ".dm4"}:
            continue
        path = shared_data / entry["path"] / truth["file"]
        if not path.exists():
            (path,) = (shared_data / entry["path"]).rglob(Path(truth["file"]).name)
        with opened(linked(path)) as file:
            require_info(file.images[0].info)
            require_truth(read_whole(file.images[0]), truth)


def linked(path):
    """Follow a symbolic link that a copy of the files has kept as a file with its target in it."""
    return path.parent / path.read_text() if path.stat().st_size < 256 and path.suffix == ".tiff" else path


def test_folders_of_sections_are_layers(shared_data):
    (entry,) = [each for each in entries("image_sequence") if each["id"] == "vnc-multilayer-s1-z0-3"]
    for truth in entry["truth"]:
        (folder,) = (shared_data / entry["path"]).rglob(truth["layer"])
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        with closing(reader_named("sequence").open(paths, {"reader": reader_for(paths[0]).name})) as file:
            require_truth(read_whole(file.images[0]), truth)


def test_symbolic_links_are_sections(shared_data, tmp_path):
    (entry,) = [each for each in entries("image_sequence") if each["id"] == "tiff-symlink-sequence"]
    paths = []
    for path in sorted((shared_data / entry["path"]).rglob("*.tiff")):
        paths.append(tmp_path / path.name)
        paths[-1].symlink_to(linked(path))
    assert len(paths) == 10
    with closing(reader_named("sequence").open(paths, {"reader": "tiff"})) as file:
        whole = read_whole(file.images[0])
    for z, truth in enumerate(entry["truth"]):
        require_truth(whole[:, :, z : z + 1], truth)


def test_pictures_of_each_depth_are_no_sequence(shared_data):
    (entry,) = [each for each in entries("image_sequence") if each["id"] == "png-gray-depths"]
    paths = sorted((shared_data / entry["path"]).rglob("*.png"))
    assert refusal("sequence", paths, {"reader": "picture"}) is not None


@pytest.mark.parametrize(("name", "kind"), [
    ("image-corpus/multipage_single_frame_loop.tiff", CorruptData),
    ("image-corpus/multipage_multiple_frame_loop.tiff", CorruptData),
    ("image-corpus/truncated_image.png", CorruptData),
    ("tiff/huge-dims.tif", CorruptData),
    ("tiff/truncated-half.ome.tif", CorruptData),
    ("png/bomb-30000x30000-1bit.png", UnsupportedFormat),
    ("lfs-pointer/c1_gray16.czi", WkError),
])  # fmt: skip
def test_malformed_files_are_refused(shared_data, name, kind):
    path = shared_data / "malformed" / name
    with pytest.raises(kind) as caught:
        read_all(path)
    assert path.name in str(caught.value)


def read_all(path):
    with opened(path) as file:
        for image in file.images:
            assert math.prod(image.info.size) < 2**30
            read_whole(image)
