"""Folders of several layers, of datasets, of nothing, and of what is no good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_files import open_layer, write_json, write_n5, write_precomputed, write_zarr
from contracts.volume_contract import random_voxels

from wk_jupyter.datasource import parse_data_source, write_properties
from wk_jupyter.errors import InvalidDataSource, NotFound, UnsupportedFormat, WkError
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.explore import explore

ARRAY = random_voxels("uint16", (10, 12, 16))
RAW = {"type": "raw"}


def ome(folder: Path, *scale: float) -> None:
    """Write an image with voxels of this size in micrometers, z first."""
    write_zarr(folder / "0", ARRAY, version=2, chunks=(8, 8, 8))
    transform = [{"type": "scale", "scale": list(scale)}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    dataset = {"path": "0", "coordinateTransformations": transform}
    write_json(folder / ".zattrs", {"multiscales": [{"version": "0.4", "axes": axes, "datasets": [dataset]}]})


def test_each_folder_that_is_understood_is_a_layer(tmp_path: Path) -> None:
    write_zarr(tmp_path / "a.zarr", ARRAY, chunks=(8, 8, 8), dimension_names=["z", "y", "x"])
    write_n5(tmp_path / "b" / "volumes" / "raw", ARRAY.T, (8, 8, 8), RAW)
    write_precomputed(tmp_path / "raw", ARRAY.T[..., np.newaxis])
    (tmp_path / "nothing" / "here").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    write_zarr(tmp_path / ".hidden" / "x", ARRAY, chunks=(8, 8, 8))
    found = explore(tmp_path)
    layers = found.data_source.layers
    assert [(layer.name, layer.mags[0].path, layer.data_format) for layer in layers] == [
        ("a", "./a.zarr", "zarr3"),
        ("raw", "./b/volumes/raw", "n5"),
        ("raw_2", "./raw/8_8_30", "neuroglancerPrecomputed"),
    ]
    for layer in layers:
        voxels = open_layer(tmp_path, layer).read(layer.bounding_box)
        np.testing.assert_array_equal(voxels[0], ARRAY.T)
    assert found.data_source.name == tmp_path.name
    assert parse_data_source(found.data_source.to_document(), origin="x").layers == layers


def test_layers_of_different_voxel_sizes_come_onto_one_grid(tmp_path: Path) -> None:
    ome(tmp_path / "coarse", 0.2, 0.1, 0.1)
    ome(tmp_path / "fine", 0.2, 0.05, 0.025)
    found = explore(tmp_path)
    coarse, fine = found.data_source.layers
    assert found.data_source.voxel_size.factor == (0.025, 0.05, 0.2)
    assert [mag.mag.name for mag in coarse.mags] == ["4-2-1"]
    assert coarse.bounding_box == BoundingBox((0, 0, 0), (64, 24, 10))
    assert [mag.mag.name for mag in fine.mags] == ["1"]
    assert fine.bounding_box == BoundingBox((0, 0, 0), (16, 12, 10))
    assert not any("multiple" in notice for notice in found.notices)
    voxels = open_layer(tmp_path, coarse).read(coarse.bounding_box.in_mag(coarse.mags[0].mag))
    np.testing.assert_array_equal(voxels[0], ARRAY.T)


def test_voxel_sizes_that_do_not_fit_are_told(tmp_path: Path) -> None:
    ome(tmp_path / "a", 1, 1, 1)
    ome(tmp_path / "b", 1, 1, 1.5)
    found = explore(tmp_path)
    assert any("no multiple" in notice and "b" in notice for notice in found.notices)


def test_datasets_in_a_folder_keep_what_they_say_of_themselves(tmp_path: Path) -> None:
    write_zarr(tmp_path / "one" / "color" / "1-1-1", ARRAY, chunks=(8, 8, 8))
    source = explore(tmp_path / "one" / "color").data_source
    document = source.to_document()
    document["dataLayers"][0].update(
        name="color", mags=[{"mag": [1, 1, 1], "axisOrder": {"x": 2, "y": 1, "z": 0}}]
    )
    document["scale"] = {"factor": [4, 4, 40], "unit": "nanometer"}
    write_properties(tmp_path / "one", parse_data_source(document, origin="test"))
    direct = explore(tmp_path / "one").data_source
    assert direct.layers[0].mags[0].path is None
    source = explore(tmp_path).data_source
    assert source.voxel_size.factor == (4, 4, 40)
    [layer] = source.layers
    assert (layer.name, layer.mags[0].path) == ("color", "./one/color/1-1-1")
    np.testing.assert_array_equal(open_layer(tmp_path, layer).read(layer.bounding_box)[0], ARRAY.T)


def test_what_is_refused_is_left_out_with_its_reason(tmp_path: Path) -> None:
    write_zarr(tmp_path / "good", ARRAY, chunks=(8, 8, 8))
    write_zarr(tmp_path / "text", np.array(["a", "b"]), version=2, chunks=(1,))
    write_json(tmp_path / "odd" / ".zattrs", {"multiscales": [{"version": "9.9"}]})
    found = explore(tmp_path)
    assert [layer.name for layer in found.data_source.layers] == ["good"]
    assert any("text is left out" in notice and "cannot be voxels" in notice for notice in found.notices)
    assert any("odd is left out" in notice and "OME-NGFF 9.9" in notice for notice in found.notices)


def test_a_refused_image_is_not_read_as_its_parts(tmp_path: Path) -> None:
    ome(tmp_path / "image", 1, 1, 1)
    write_json(tmp_path / "image" / ".zattrs", {"multiscales": [{"version": "9.9"}]})
    with pytest.raises(UnsupportedFormat, match=r"OME-NGFF 9\.9"):
        explore(tmp_path / "image")
    with pytest.raises(UnsupportedFormat, match=r"image is refused, as .*OME-NGFF 9\.9") as caught:
        explore(tmp_path)
    assert caught.value.hint


def test_nothing_is_told_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0001.tif").write_bytes(b"II*\0")
    with pytest.raises(UnsupportedFormat, match="nothing that is recognised") as caught:
        explore(tmp_path)
    for word in ("datasource-properties.json", "multiscales", "Zarr", "N5", "precomputed", "WKW"):
        assert word in str(caught.value)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="absent"):
        explore(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UnsupportedFormat, match="is a file"):
        explore(tmp_path / "file")


def test_links_that_go_in_circles_or_nowhere_do_no_harm(tmp_path: Path) -> None:
    write_zarr(tmp_path / "good", ARRAY, chunks=(8, 8, 8))
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "nowhere").symlink_to("absent")
    layers = explore(tmp_path).data_source.layers
    assert "./good" in {layer.mags[0].path for layer in layers}
    assert len(layers) <= 4


def test_a_properties_file_that_is_wrong_is_not_guessed_around(tmp_path: Path) -> None:
    write_zarr(tmp_path / "color", ARRAY, chunks=(8, 8, 8))
    (tmp_path / "datasource-properties.json").write_text("{")
    with pytest.raises(InvalidDataSource, match="not valid JSON"):
        explore(tmp_path)


def test_very_many_folders_are_not_all_entered(tmp_path: Path) -> None:
    for number in range(150):
        write_n5(tmp_path / f"layer{number:03}", np.ones((4, 4, 4), "u1"), (4, 4, 4), RAW)
    found = explore(tmp_path)
    assert len(found.data_source.layers) == 100
    assert any("150 folders" in notice for notice in found.notices)


def test_names_are_fit_for_layers(tmp_path: Path) -> None:
    for name in ("...", "a b/c", "µ", "-x", "x.ome.zarr"):
        write_n5(tmp_path / name, np.ones((4, 4, 4), "u1"), (4, 4, 4), RAW)
    source = explore(tmp_path).data_source
    assert parse_data_source(source.to_document(), origin="x").layers == source.layers
    assert {"c", "µ", "x"} <= {layer.name for layer in source.layers}


# --- metadata of any shape ---------------------------------------------------------------------------

JUNK: tuple[Any, ...] = (None, True, -1, 10**40, 1e308, "x", "../..", [], [None], [-1] * 3, {}, [2**60] * 3)


def mutations(document: Any) -> Iterator[Any]:
    """Yield the document with each member in turn replaced by junk, and left out."""
    if not isinstance(document, dict | list):
        return
    for key, value in list(document.items() if isinstance(document, dict) else enumerate(document)):
        copy = document.copy()
        for junk in JUNK:
            copy[key] = junk
            yield copy
        for changed in mutations(value):
            copy[key] = changed
            yield copy
        del copy[key]
        yield copy


def write_any(kind: str, folder: Path) -> Path:
    """Write something small of a kind; return its metadata file."""
    if kind == "ngff":
        ome(folder, 1, 1, 1)
        attributes = json.loads((folder / ".zattrs").read_text())
        window = {"start": 0, "end": 5, "min": 0, "max": 9}
        attributes["omero"] = {"channels": [{"label": "a", "color": "FF0000", "window": window}]}
        return write_json(folder / ".zattrs", attributes)
    if kind == "n5":
        write_n5(folder / "s0", ARRAY.T, (8, 8, 8), RAW)
        resolution = {"dimensions": [4, 4, 40], "unit": "nm"}
        attributes = {"scales": [[1, 1, 1]], "pixelResolution": resolution, "axes": ["x", "y", "z"]}
        return write_json(folder / "attributes.json", attributes)
    if kind == "precomputed":
        write_precomputed(folder, ARRAY.T[..., np.newaxis])
        return folder / "info"
    write_zarr(folder, ARRAY, version=2 if kind == "zarr2" else 3, chunks=(8, 8, 8))
    return folder / (".zarray" if kind == "zarr2" else "zarr.json")


@pytest.mark.parametrize("kind", ["zarr2", "zarr3", "n5", "precomputed", "ngff"])
def test_metadata_of_any_shape_is_understood_or_refused_in_words(tmp_path: Path, kind: str) -> None:
    file = write_any(kind, tmp_path)
    refused = understood = 0
    for document in mutations(json.loads(file.read_text())):
        write_json(file, document)
        try:
            source = explore(tmp_path).data_source
            for layer in source.layers:
                corner = BoundingBox(layer.bounding_box.topleft, (2, 2, 2))
                assert open_layer(tmp_path, layer).read(corner).shape[1:] == (2, 2, 2)
        except WkError:
            refused += 1
        else:
            understood += 1
            assert parse_data_source(source.to_document(), origin="x").layers == source.layers
    assert refused > 5
    assert understood > 5
