"""Files and arrays become datasets, through a real server."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from known_server import TOKEN, Known
from PIL import Image

import wk_jupyter as wk
from wk_jupyter.client import uploading
from wk_jupyter.errors import InvalidInput, WkError


@pytest.fixture(autouse=True)
def connected(known: Known) -> None:
    wk.connect(known.url, TOKEN)


def sections(folder: Path, count: int = 12, shape: tuple[int, int] = (60, 90)) -> np.ndarray:
    """Write a sequence of PNGs; return it as (x, y, z)."""
    folder.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(3).integers(0, 256, (count, *shape), dtype=np.uint8)
    for number, section in enumerate(voxels):
        Image.fromarray(section).save(folder / f"slice{number}.png")
    return voxels.transpose(2, 1, 0)


@pytest.mark.parametrize("written", ["zarr3", "wkw"])
def test_a_folder_of_sections_becomes_a_dataset(tmp_path, written):
    voxels = sections(tmp_path / "raw")
    ds = wk.upload(tmp_path / "raw", f"sections {written}", voxel_size=(4, 4, 40), format=written)
    assert ds.voxel_size.nanometers == (4, 4, 40)
    (layer,) = ds.layers.values()
    assert np.array_equal(layer.read(), voxels)
    assert [str(mag) for mag in layer.mags][:2] == ["1", "2-2-1"]
    assert wk.open(ds.id).name == f"sections {written}"
    assert wk.jobs()[f"sections {written}"].state == "succeeded"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32", "float64", "bool"])
def test_an_array_becomes_a_dataset(dtype):
    array = np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 200, (70, 50, 40)).astype(dtype)
    ds = wk.upload(array, f"array of {dtype}", voxel_size=(1, 1, 2), unit="micrometer", category="color")
    assert ds.voxel_size.unit == "micrometer"
    (layer,) = ds.layers.values()
    assert np.array_equal(layer.read(), array)


def test_a_picture_in_colour_becomes_one_layer(tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "rgb.png")
    ds = wk.upload(tmp_path / "rgb.png", voxel_size=(10, 10, 10))
    assert ds.name == "rgb"
    (layer,) = ds.layers.values()
    assert np.array_equal(layer.read()[:, :, 0], pixels.transpose(1, 0, 2))


def test_an_upload_goes_on_where_it_was_left(tmp_path, monkeypatch):
    voxels = sections(tmp_path / "raw", count=6)
    monkeypatch.setattr(uploading, "CHUNK_BYTES", 1000)
    sent: list[tuple[str, int]] = []
    send = uploading._send

    def failing(connection, upload_id, piece, number, *, ask):
        if len(sent) == 9:
            raise KeyboardInterrupt
        sent.append((piece.name, number))
        return send(connection, upload_id, piece, number, ask=ask)

    monkeypatch.setattr(uploading, "_send", failing)
    monkeypatch.setattr(uploading, "_AT_ONCE", 1)
    with pytest.raises(KeyboardInterrupt):
        wk.upload(tmp_path / "raw", "interrupted", voxel_size=(1, 1, 1))
    posted: list[str] = []
    request = wk.Connection.request

    def counting(self, method, path, **options):
        if method == "POST" and "files" in options:
            posted.append(options["data"]["resumableIdentifier"])
        return request(self, method, path, **options)

    monkeypatch.setattr(uploading, "_send", send)
    monkeypatch.setattr(wk.Connection, "request", counting)
    ds = wk.upload(tmp_path / "raw", "interrupted", voxel_size=(1, 1, 1))
    pieces = uploading.pieces_of(tmp_path / "raw")
    assert len(posted) == sum(piece.chunks() for piece in pieces) - 9
    (layer,) = ds.layers.values()
    assert np.array_equal(layer.read(), voxels)


def test_without_a_voxel_size_the_job_fails_in_words_and_can_be_put_right(tmp_path):
    voxels = sections(tmp_path / "raw")
    job = wk.upload(tmp_path / "raw", "no voxel size", wait=False)
    with pytest.raises(WkError, match="size of a voxel"):
        job.wait(60)
    assert job.state == "failed"
    with pytest.raises(WkError, match="cannot be opened"):
        wk.open("no voxel size")
    job.retry(voxelSize=(4, 4, 40)).wait(60)
    (layer,) = wk.open("no voxel size").layers.values()
    assert np.array_equal(layer.read(), voxels)


def test_sections_of_two_sizes_are_refused_by_their_names(tmp_path):
    sections(tmp_path / "raw", count=3)
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(tmp_path / "raw" / "slice9.png")
    with pytest.raises(WkError, match=r"slice9\.png is 6 × 5 pixels, but slice0\.png is 90 × 60"):
        wk.upload(tmp_path / "raw", "two sizes", voxel_size=(1, 1, 1))


@pytest.mark.parametrize("form", ["dataset", "layer", "mag"])
def test_wkw_is_taken_as_it_is(known: Known, tmp_path, form):
    source = known.data_dir / "binaryData" / "lab" / "known"
    place = {"dataset": source, "layer": source / "color", "mag": source / "color" / "1"}[form]
    shutil.copytree(place, tmp_path / "brought")
    more = {} if form == "dataset" else {"voxel_size": (4, 4, 30)}
    ds = wk.upload(tmp_path / "brought", f"wkw {form}", **more)
    assert ds.voxel_size.nanometers == (4, 4, 30)
    layer = ds.layers["color"]
    assert np.array_equal(layer.read(((5, 40, 3), (100, 90, 40))), known.grey[0, 5:105, 40:130, 3:43])


def test_many_uploads_at_once_all_arrive(tmp_path):
    expected = {
        f"parallel {number}": sections(tmp_path / f"{number}", 4, (20 + number, 30)) for number in range(4)
    }
    made: dict[str, object] = {}

    def bring(name: str, folder: Path) -> None:
        made[name] = wk.upload(folder, name, voxel_size=(1, 1, 1))

    threads = [threading.Thread(target=bring, args=(name, tmp_path / name.split()[1])) for name in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, voxels in expected.items():
        (layer,) = made[name].layers.values()
        assert np.array_equal(layer.read(), voxels)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/nowhere/at/all", "nothing at"),
        (object(), "neither a path nor an array"),
        (np.zeros((2, 2, 2, 2, 2)), "cannot be a layer"),
        (np.zeros((3, 3, 3), complex), "cannot be a layer"),
    ],
)
def test_what_cannot_be_uploaded_is_said_before_anything_is_sent(source, message):
    with pytest.raises(InvalidInput, match=message):
        wk.upload(source, "never")


def test_an_inspection_says_what_will_come_of_files(tmp_path):
    sections(tmp_path / "raw")
    found = wk.inspect(tmp_path / "raw")
    assert found.kind == "images"
    assert found.needs_voxel_size
    (layer,) = found.layers
    assert (layer["size"], layer["elementClass"], layer["files"]) == ([90, 60, 12], "uint8", 12)
    assert "12 files (picture), to be converted to 1 layer" in repr(found)
