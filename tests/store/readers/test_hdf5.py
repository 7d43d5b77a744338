from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from contracts.reader_contract import ReaderContract, Written, refusal, require_image, require_regions
from numpy.typing import NDArray
from reader_checks import open_file

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers.base import Channel


def numbers(shape: tuple[int, ...], dtype: str = "uint16") -> NDArray[Any]:
    return (np.arange(np.prod(shape)) % 251).astype(dtype).reshape(shape)


def store(
    path: Path, name: str, data: NDArray[Any], attributes: dict[str, Any] | None = None, **how: Any
) -> Path:
    with h5py.File(path, "a") as file:
        dataset = file.create_dataset(name, data=data, **how)
        dataset.attrs.update(attributes or {})
    return path


class TestHdf5(ReaderContract):
    reader = "hdf5"

    def write(self, folder: Path) -> Written:
        voxels = numbers((4, 5, 7))
        path = store(
            folder / "Größe.h5", "volumes/raw", voxels, chunks=(2, 3, 4), compression="gzip", fletcher32=True
        )
        return Written([path], voxels[None, None])


class TestContiguousHdf5(ReaderContract):
    reader = "hdf5"

    def write(self, folder: Path) -> Written:
        voxels = numbers((2, 3, 4, 5, 7), "float32")
        return Written([store(folder / "Größe.h5", "data", voxels)], voxels)


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u4", ">f4", "f8", "i8", "f2", "?"])
def test_every_type(tmp_path: Path, dtype: str) -> None:
    voxels = numbers((4, 5, 7)).astype(dtype)
    path = store(tmp_path / "a.h5", "data", voxels, chunks=(4, 5, 4))
    native = np.uint8 if dtype == "?" else np.dtype(dtype).newbyteorder("=")
    info = require_image("hdf5", [path], voxels[None, None].astype(native))
    assert info.grain == (4, 5, 4)
    assert ("voxels that are true are 1." in info.notes) == (dtype == "?")


def tags(axes: str) -> dict[str, Any]:
    return {"axistags": json.dumps({"axes": [{"key": axis, "typeFlags": 2} for axis in axes]})}


@pytest.mark.parametrize(
    ("shape", "attributes", "hints", "axes"),
    [
        ((5, 7), {}, {}, "yx"),
        ((4, 5, 7), {}, {}, "zyx"),
        ((5, 7, 3), {}, {}, "yxc"),
        ((2, 4, 5, 7, 1), tags("tzyxc"), {}, "tzyxc"),
        ((7, 5, 4), tags("xyz"), {}, "xyz"),
        ((4, 5, 7), {}, {"axes": "tyx"}, "tyx"),
        ((4, 5, 7, 3), {}, {}, "zyxc"),
        ((3, 6, 5, 7), {}, {}, "czyx"),
        ((6, 5, 8, 7), {}, {}, "tzyx"),
        ((4, 5, 7), {"axistags": "{"}, {}, "zyx"),
    ],
)
def test_axes(
    tmp_path: Path, shape: tuple[int, ...], attributes: dict[str, Any], hints: dict[str, Any], axes: str
) -> None:
    voxels = numbers(shape, "uint8")
    path = store(tmp_path / "a.h5", "exported_data", voxels, attributes)
    lengths = dict(zip(axes, shape, strict=True))
    order = [axes.index(axis) for axis in "tczyx" if axis in axes]
    expected = voxels.transpose(order).reshape([lengths.get(axis, 1) for axis in "tczyx"])
    assert require_image("hdf5", [path], expected, hints).rgb == (lengths.get("c") == 3 and axes[-1] == "c")


def test_labels_of_dimensions(tmp_path: Path) -> None:
    voxels = numbers((7, 5, 4))
    path = store(tmp_path / "a.h5", "data", voxels)
    with h5py.File(path, "a") as file:
        for dimension, name in zip(file["data"].dims, "xyz", strict=True):
            dimension.label = name
    require_image("hdf5", [path], voxels.T[None, None])


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ({"element_size_um": [0.5, 0.2, 0.1]}, (100, 200, 500)),
        ({"resolution": [40, 4, 4]}, (4, 4, 40)),
        ({"element_size_um": [0, np.nan, -1]}, (None, None, None)),
        ({"element_size_um": "thick"}, (None, None, None)),
        ({"resolution": 5}, (None, None, None)),
    ],
)
def test_sizes(tmp_path: Path, attributes: dict[str, Any], size: tuple[float | None, ...]) -> None:
    voxels = numbers((4, 5, 7))
    path = store(tmp_path / "a.h5", "data", voxels, attributes)
    assert require_image("hdf5", [path], voxels[None, None]).voxel_size == pytest.approx(size)


def test_each_data_set_is_an_image(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    raw, labels = numbers((40, 50, 70), "uint8"), numbers((40, 50, 70), "uint64")
    store(path, "volumes/raw", raw)
    store(path, "volumes/labels", labels)
    store(path, "places", numbers((4, 3), "float64"))
    store(path, "names", np.array([b"a", b"b"]))
    found = {image.info.name: image for image in open_file(path).images}
    assert sorted(found) == ["volumes_labels", "volumes_raw"]
    require_regions(found["volumes_raw"], raw[None, None], 3)
    require_regions(found["volumes_labels"], labels[None, None], 3)
    assert found["volumes_raw"].info.notes == ("small data sets are left out: /places.",)
    require_image("hdf5", [path], raw[None, None], {"dataset": "volumes/raw"})
    error = refusal("hdf5", [path], {"dataset": "nothing"})
    assert isinstance(error, InvalidInput)


def test_of_a_pyramid_the_finest_level_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    voxels = numbers((40, 50, 70))
    for level in range(3):
        store(path, f"em/s{level}", voxels[:: 2**level, :: 2**level, :: 2**level])
    require_image("hdf5", [path], voxels[None, None])


def test_big_data_viewer(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    voxels = numbers((3, 4, 5, 7)) * 200
    for time in (0, 2):
        store(path, f"t{time:05d}/s00/0/cells", voxels[time].view(np.int16))
        store(path, f"t{time:05d}/s00/1/cells", voxels[time, ::2, ::2, ::2].view(np.int16))
        store(path, f"t{time:05d}/s01/0/cells", voxels[time, :2].view(np.int16))
    path.with_suffix(".xml").write_text(
        "<SpimData><SequenceDescription><ViewSetups><ViewSetup><id>0</id><name>GFP</name><voxelSize>"
        "<unit>micrometer</unit><size>0.1 0.2 0.5</size></voxelSize></ViewSetup></ViewSetups>"
        "</SequenceDescription></SpimData>"
    )
    first, second = open_file(path).images
    voxels[1] = 0  # which was never written
    require_regions(first, voxels[:, None], 5)
    require_regions(second, voxels[:, None, :2], 5)
    assert [first.info.name, second.info.name] == ["GFP", "setup1"]
    assert first.info.voxel_size == pytest.approx((100, 200, 500))
    assert first.info.notes == ("int16 is taken for uint16, which BigDataViewer writes so.",)
    path.with_suffix(".xml").write_text("<SpimData")
    assert open_file(path).images[0].info.voxel_size == (None, None, None)


def test_imaris(tmp_path: Path) -> None:
    path = tmp_path / "a.ims"
    voxels = numbers((2, 3, 4, 5, 7))
    padded = np.pad(voxels, ((0, 0), (0, 0), (0, 4), (0, 3), (0, 1)))
    for time, channel in np.ndindex(2, 3):
        name = f"TimePoint {time}/Channel {channel}/Data"
        store(path, f"DataSet/ResolutionLevel 0/{name}", padded[time, channel], compression="gzip")
        store(path, f"DataSet/ResolutionLevel 1/{name}", padded[time, channel, ::2, ::2, ::2])

    def letters(text: str) -> NDArray[Any]:
        return np.array(list(text), "S1")

    with h5py.File(path, "a") as file:
        image = file.create_group("DataSetInfo/Image")
        told = {"X": "7", "Y": "5", "Z": "4", "ExtMin0": "1", "ExtMax0": "8", "ExtMin1": "0", "ExtMax1": "10",
                "ExtMin2": "0", "ExtMax2": "2", "Unit": "um"}  # fmt: skip
        image.attrs.update({key: letters(value) for key, value in told.items()})
        file.create_group("DataSetInfo/Channel 1").attrs.update(
            {"Name": letters("GFP"), "Color": letters("0.000 1.000 0.500")}
        )
    info = require_image("hdf5", [path], voxels)
    assert info.voxel_size == pytest.approx((1000, 2000, 500))
    assert info.channels == (Channel(), Channel("GFP", (0, 255, 128)), Channel())


def test_what_lies_in_other_files_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(280))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (4, 5, 7), "u2", external=[(str(secret), 0, 280)])
    assert "lies in other files" in str(refusal("hdf5", [path]))
    other = store(tmp_path / "b.h5", "data", numbers((4, 5, 7)))
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((4, 5, 7), "u2")
        layout[:] = h5py.VirtualSource(str(other), "data", (4, 5, 7))
        file.create_virtual_dataset("data", layout)
    assert "lies in other files" in str(refusal("hdf5", [path]))
    with h5py.File(path, "w") as file:
        file["data"] = h5py.ExternalLink(str(other), "data")
        file["t00000/s00/0/cells"] = h5py.ExternalLink(str(other), "data")
    assert "lies in other files" in str(refusal("hdf5", [path]))
    assert "lies in other files" in str(refusal("hdf5", [path], {"dataset": "data"}))


def test_what_is_no_image(tmp_path: Path) -> None:
    path = store(tmp_path / "a.h5", "profile", np.arange(9))
    store(path, "complex", np.zeros((4, 5), np.complex64))
    assert isinstance(refusal("hdf5", [path]), UnsupportedFormat)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    error = refusal("hdf5", [path])
    assert isinstance(error, CorruptData)
    assert "a.h5" in str(error)


def test_absurd_sizes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (2**30, 2**30, 2**30), "u1", chunks=(64, 64, 64))
    error = refusal("hdf5", [path])
    assert isinstance(error, CorruptData)
    assert "a.h5: /data promises 1,237,940,039,285,380,274,899,124,224 bytes" in str(error)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (2**11, 2**10, 2**10), "u1", chunks=(2**11, 2**10, 2**10))
    assert "is stored in parts of" in str(refusal("hdf5", [path]))
