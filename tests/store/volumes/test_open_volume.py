"""Which reader opens a mag, where its folder is, and in which type its voxels come."""

from __future__ import annotations

import asyncio
import sys
import types
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_files import layer_of, mag_of, open_layer, write_n5, write_zarr
from contracts.volume_contract import random_voxels

from wk_jupyter.datasource import MagSource
from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.geometry import BoundingBox, Mag
from wk_jupyter.store.volumes import ENTRY_POINTS, open_volume, resolve_mag_path
from wk_jupyter.store.volumes.base import stored_blocks

WHOLE = BoundingBox((0, 0, 0), (20, 18, 14))


# --- where a mag lies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mag", "there", "expected"),
    [
        ("1", [], "layer/1-1-1"),
        ("1", ["layer/1"], "layer/1"),
        ("1", ["layer/1-1-1"], "layer/1-1-1"),
        ("1", ["layer/1", "layer/1-1-1"], "layer/1"),
        ("2-2-1", [], "layer/2-2-1"),
    ],
)
def test_without_a_path_a_mag_lies_below_its_layer(
    tmp_path: Path, mag: str, there: list[str], expected: str
) -> None:
    for folder in there:
        (tmp_path / folder).mkdir(parents=True)
    source = MagSource(Mag(mag))
    assert resolve_mag_path(tmp_path, layer_of("wkw", mag=source), source) == tmp_path / expected


@pytest.mark.parametrize("path", ["color/1", "./color/1", "./color//1/"])
def test_paths_are_relative_to_the_dataset(tmp_path: Path, path: str) -> None:
    source = mag_of(path)
    assert resolve_mag_path(tmp_path, layer_of("wkw"), source) == tmp_path / "color" / "1"


@pytest.mark.parametrize("path", ["../other/1", "color/../../x", "color/..", "..", "a\0b"])
def test_paths_do_not_leave_the_dataset(tmp_path: Path, path: str) -> None:
    with pytest.raises(CorruptData, match="leaves the dataset") as caught:
        resolve_mag_path(tmp_path, layer_of("wkw"), mag_of(path))
    assert "'layer'" in str(caught.value)


def test_absolute_paths_must_lie_in_allowed_folders(tmp_path: Path) -> None:
    inside = mag_of(str(tmp_path / "allowed" / "color"))
    with pytest.raises(CorruptData, match="absolute"):
        resolve_mag_path(tmp_path, layer_of("wkw"), inside)
    with pytest.raises(CorruptData, match="absolute"):
        resolve_mag_path(tmp_path, layer_of("wkw"), inside, roots=[tmp_path / "allow"])
    found = resolve_mag_path(tmp_path, layer_of("wkw"), inside, roots=[tmp_path / "allowed"])
    assert found == tmp_path / "allowed" / "color"


@pytest.mark.parametrize("url", ["https://example.org/a", "s3://bucket/a", "file:///etc"])
def test_addresses_are_not_read_yet(tmp_path: Path, url: str) -> None:
    with pytest.raises(UnsupportedFormat, match="remote"):
        resolve_mag_path(tmp_path, layer_of("wkw"), mag_of(url))


@pytest.mark.parametrize("level", ["dataset", "layer", "mag"])
def test_links_on_disk_are_followed(tmp_path: Path, level: str) -> None:
    array = random_voxels("uint16", WHOLE.size)
    write_zarr(tmp_path / "real" / "layer" / "1", array, chunks=(8, 8, 8))
    dataset = tmp_path / "dataset"
    if level == "dataset":
        dataset.symlink_to(tmp_path / "real")
    elif level == "layer":
        dataset.mkdir()
        (dataset / "layer").symlink_to(tmp_path / "real" / "layer")
    else:
        (dataset / "layer").mkdir(parents=True)
        (dataset / "layer" / "1").symlink_to(tmp_path / "real" / "layer" / "1")
    layer = layer_of("zarr3", mag=MagSource(Mag(1)))
    np.testing.assert_array_equal(open_layer(dataset, layer).read(WHOLE)[0], array)


# --- which reader ------------------------------------------------------------------------------------


def test_zarr_is_read_in_either_version_whatever_is_said(tmp_path: Path) -> None:
    array = random_voxels("uint16", WHOLE.size)
    for version in (2, 3):
        write_zarr(tmp_path / str(version), array, version=version, chunks=(8, 8, 8))
        for said in ("zarr", "zarr3"):
            volume = open_layer(tmp_path, layer_of(said, mag=mag_of(str(version))))
            np.testing.assert_array_equal(volume.read(WHOLE)[0], array)


def test_an_unknown_format_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="'knossos'") as caught:
        open_layer(tmp_path, layer_of("knossos"))
    assert ENTRY_POINTS in caught.value.hint


def test_a_package_may_bring_a_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "brings_ones-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: brings-ones\nVersion: 1\n")
    (package / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\nones = brings_ones:open_ones\n")
    module = types.ModuleType("brings_ones")
    array = np.ones(WHOLE.size, "u2")
    write_zarr(tmp_path / "array", array, chunks=(8, 8, 8))

    def open_ones(path: Path, layer: Any, mag: Any) -> Any:
        return open_volume(path.parent, replace(layer, data_format="zarr3"), mag_of("array"))

    monkeypatch.setattr(module, "open_ones", open_ones, raising=False)
    monkeypatch.setitem(sys.modules, "brings_ones", module)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [point.name for point in metadata.entry_points(group=ENTRY_POINTS)] == ["ones"]
    np.testing.assert_array_equal(
        open_layer(tmp_path, layer_of("ones", mag=mag_of("x"))).read(WHOLE)[0], array
    )


def test_readers_are_imported_when_they_are_needed() -> None:
    """Opening WKW must not load tensorstore, nor the store its database."""
    import subprocess

    code = (
        "import sys, wk_jupyter.store.volumes, wk_jupyter.store.volumes.wkw;"
        "print([m for m in ('tensorstore', 'zarr', 'sqlalchemy', 'tornado') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


# --- the layer's type --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ("uint32", "uint8"),
        ("uint8", "uint64"),
        ("int64", "uint16"),
        ("uint16", "int32"),
        ("float64", "float32"),
        ("float32", "float64"),
    ],
)
def test_voxels_come_in_the_layer_s_type_where_no_value_changes(
    tmp_path: Path, stored: str, wanted: str
) -> None:
    array = np.random.default_rng(0).integers(0, 200, WHOLE.size).astype(stored)
    if stored.startswith("float"):
        array[0, 0, 0] = np.nan
    write_n5(tmp_path, array, (8, 8, 8), {"type": "gzip"})
    volume = open_layer(tmp_path, layer_of("n5", dtype=wanted))
    assert volume.info.dtype == np.dtype(wanted)
    for voxels in (volume.read(WHOLE), asyncio.run(volume.read_async(WHOLE))):
        assert voxels.dtype == np.dtype(wanted)
        np.testing.assert_array_equal(voxels[0], array.astype(wanted))
    volume.close()


@pytest.mark.parametrize(
    ("stored", "wanted", "value"),
    [
        ("uint32", "uint8", 256),
        ("int32", "uint64", -1),
        ("uint64", "int32", 2**40),
        ("float64", "float32", 0.1),
        ("float64", "float32", 1e300),
    ],
)
def test_a_value_that_would_change_is_told(tmp_path: Path, stored: str, wanted: str, value: float) -> None:
    array = np.zeros(WHOLE.size, stored)
    array[10, 9, 8] = value
    write_n5(tmp_path, array, (8, 8, 8), {"type": "gzip"})
    volume = open_layer(tmp_path, layer_of("n5", dtype=wanted))
    assert not volume.read(BoundingBox((0, 0, 0), (10, 9, 8))).any()
    with pytest.raises(CorruptData, match="cannot hold") as caught:
        volume.read(WHOLE)
    assert str(array[10, 9, 8]) in str(caught.value)
    assert "elementClass" in caught.value.hint


def test_cast_voxels_are_not_passed_on_as_they_lie(tmp_path: Path) -> None:
    array = np.zeros((64, 64, 64), "u4")
    options = {"filters": [{"name": "transpose", "configuration": {"order": [2, 1, 0]}}], "compressors": None}
    write_zarr(tmp_path, array, chunks=(32, 32, 32), **options)
    assert stored_blocks(open_layer(tmp_path, layer_of("zarr3", dtype="uint32"))) is not None
    assert stored_blocks(open_layer(tmp_path, layer_of("zarr3", dtype="uint8"))) is None


@pytest.mark.parametrize(("stored", "wanted"), [("int32", "uint32"), ("float32", "uint8")])
def test_other_types_are_left_as_they_are_stored(tmp_path: Path, stored: str, wanted: str) -> None:
    write_n5(tmp_path, np.zeros(WHOLE.size, stored), (8, 8, 8), {"type": "raw"})
    assert open_layer(tmp_path, layer_of("n5", dtype=wanted)).info.dtype == np.dtype(stored)
