from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wk_jupyter.datasource import (
    DataSource,
    element_class_of,
    parse_data_source,
    read_properties,
    write_properties,
)
from wk_jupyter.errors import InvalidDataSource, InvalidInput, LayerNotFound
from wk_jupyter.geometry import Mag, VoxelSize

OLD: dict[str, Any] = {
    "id": {"name": "in_the_file", "team": "Springfield"},
    "scale": [11.24, 11.24, 28],
    "dataLayers": [
        {
            "name": "color",
            "category": "color",
            "boundingBox": {"topLeft": [-5, 0, 7], "width": 100, "height": 200, "depth": 300},
            "elementClass": "uint8",
            "dataFormat": "wkw",
            "wkwResolutions": [
                {"resolution": [2, 2, 1], "cubeLength": 512},
                {"resolution": 1, "cubeLength": 1024},
            ],
        }
    ],
}
NEW: dict[str, Any] = {
    "version": 1,
    "id": {"name": "new", "team": "", "extra": 1},
    "scale": {"factor": [0.1, 0.1, 0.3], "unit": "micrometer"},
    "unknownTop": {"a": [1, 2, {"b": None}]},
    "defaultViewConfiguration": {"position": [1, 2, 3], "somethingNew": True},
    "dataLayers": [
        {
            "name": "segmentation",
            "category": "segmentation",
            "boundingBox": {"topLeft": [0, 0, 0], "width": 10, "height": 10, "depth": 1},
            "elementClass": "uint64",
            "dataFormat": "zarr3",
            "numChannels": 1,
            "mags": [
                {"mag": "4-4-2", "path": "./segmentation/4-4-2", "credentialId": "abc"},
                {"mag": 1, "path": "./segmentation/1", "axisOrder": {"c": 0, "x": 2, "y": 3, "z": 4}},
            ],
            "additionalAxes": [{"name": "t", "bounds": [0, 7], "index": 1}],
            "largestSegmentId": {"customJsonEncoding": "bigint", "value": "18446744073709551615"},
            "mappings": ["m1"],
            "attachments": {"meshes": [{"name": "m", "path": "./x", "dataFormat": "hdf5"}]},
            "coordinateTransformations": [{"type": "affine", "matrix": [[1, 0, 0, 5]]}],
        }
    ],
}


def parse(document: dict[str, Any]) -> DataSource:
    return parse_data_source(json.dumps(document), origin="ds/datasource-properties.json", name="folder")


def changed(path: str, value: Any) -> dict[str, Any]:
    document: Any = json.loads(json.dumps(NEW))
    target = document
    *parents, last = path.split(".")
    for part in parents:
        target = target[int(part) if part.isdigit() else part]
    if value is KeyError:
        del target[last]
    else:
        target[int(last) if last.isdigit() else last] = value
    return document  # type: ignore[no-any-return]


def test_the_old_spelling_is_read() -> None:
    source = parse(OLD)
    assert source.name == "folder"
    assert source.voxel_size == VoxelSize((11.24, 11.24, 28), "nanometer")
    layer = source.layer("color")
    assert [m.mag for m in layer.mags] == [Mag(1), Mag("2-2-1")]
    assert layer.bounding_box.topleft == (-5, 0, 7)
    assert layer.dtype == np.uint8


def test_the_new_spelling_is_read() -> None:
    source = parse(NEW)
    layer = source.layer("segmentation")
    assert source.voxel_size.nanometers == pytest.approx((100, 100, 300))
    assert layer.largest_segment_id == 2**64 - 1
    assert layer.bytes_per_voxel == 8
    assert [(m.mag.name, m.path) for m in layer.mags] == [
        ("1", "./segmentation/1"),
        ("4-4-2", "./segmentation/4-4-2"),
    ]
    assert layer.mags[0].axis_order == {"c": 0, "x": 2, "y": 3, "z": 4}
    assert (layer.additional_axes[0].name, layer.additional_axes[0].upper) == ("t", 7)


@pytest.mark.parametrize("document", [OLD, NEW])
def test_writing_keeps_what_is_not_understood(document: dict[str, Any], tmp_path: Path) -> None:
    source = parse(document)
    write_properties(tmp_path, source)
    written = json.loads((tmp_path / "datasource-properties.json").read_text())
    again = read_properties(tmp_path)
    assert again.layers == source.layers
    assert again.voxel_size == source.voxel_size
    assert written["scale"] == {"factor": list(source.voxel_size.factor), "unit": source.voxel_size.unit}
    assert "wkwResolutions" not in written["dataLayers"][0]
    assert list(tmp_path.iterdir()) == [tmp_path / "datasource-properties.json"]
    if document is NEW:
        assert written["unknownTop"] == NEW["unknownTop"]
        assert written["id"]["extra"] == 1
        assert written["dataLayers"][0]["attachments"] == NEW["dataLayers"][0]["attachments"]
        assert written["dataLayers"][0]["mappings"] == ["m1"]
        coarse = next(m for m in written["dataLayers"][0]["mags"] if m["mag"] == [4, 4, 2])
        assert coarse["credentialId"] == "abc"
        assert written["dataLayers"][0]["largestSegmentId"]["value"] == "18446744073709551615"


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("scale", KeyError, "scale"),
        ("scale", [1, 2], "scale"),
        ("scale", [1, 0, 1], "scale[1]"),
        ("scale.unit", "furlong", "scale"),
        ("dataLayers", [], "dataLayers"),
        ("dataLayers.0.category", "picture", "dataLayers[0].category"),
        ("dataLayers.0.elementClass", "complex64", "dataLayers[0].elementClass"),
        ("dataLayers.0.dataFormat", "tracing", "dataLayers[0].dataFormat"),
        ("dataLayers.0.boundingBox.width", 0, "dataLayers[0].boundingBox.width"),
        ("dataLayers.0.boundingBox.width", -3, "dataLayers[0].boundingBox.width"),
        ("dataLayers.0.boundingBox.depth", 2**62, "dataLayers[0].boundingBox.depth"),
        ("dataLayers.0.boundingBox.topLeft", [0, 0], "dataLayers[0].boundingBox.topLeft"),
        ("dataLayers.0.mags", [], "dataLayers[0]"),
        ("dataLayers.0.mags.1.mag", [1, 1, 0], "dataLayers[0]"),
        ("dataLayers.0.mags.0.mag", 1, "dataLayers[0]"),
        ("dataLayers.0.additionalAxes.0.bounds", [3, 3], "dataLayers[0]"),
        ("dataLayers.0.name", "../outside", "dataLayers[0].name"),
        ("dataLayers.0.name", ".hidden", "dataLayers[0].name"),
        ("dataLayers.0.name", "a/b", "dataLayers[0].name"),
        ("dataLayers.0.name", "", "dataLayers[0].name"),
        ("version", 2, "version"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Any, field: str) -> None:
    with pytest.raises(InvalidDataSource) as caught:
        parse(changed(path, value))
    assert field in str(caught.value) or caught.value.field == field
    assert "ds/datasource-properties.json" in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe{}",
        b'{"scale": [NaN, 1, 1]}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"scale": [1e400, 1, 1]}',
        b" " * (17 * 2**20),
    ],
    ids=["empty", "cut", "list", "null", "utf-16", "nan", "nested", "huge number", "huge file"],
)
def test_what_is_not_a_properties_file_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(InvalidDataSource, match=r"a\.json"):
        parse_data_source(raw, origin="a.json")


def test_two_layers_of_one_name_are_refused() -> None:
    document = json.loads(json.dumps(OLD))
    document["dataLayers"].append(document["dataLayers"][0])
    with pytest.raises(InvalidDataSource, match="two layers are called 'color'"):
        parse(document)


def test_uint24_has_three_channels() -> None:
    document = changed("dataLayers.0.elementClass", "uint24")
    document["dataLayers"][0].pop("numChannels")
    assert parse(document).layers[0].num_channels == 3
    document["dataLayers"][0]["numChannels"] = 2
    with pytest.raises(InvalidDataSource, match="3 channels"):
        parse(document)


def test_a_missing_layer_is_answered_with_those_that_are_there() -> None:
    with pytest.raises(LayerNotFound, match="It has 'color'"):
        parse(OLD).layer("colour")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InvalidDataSource, match="nothing/datasource-properties"):
        read_properties(tmp_path / "nothing")


def test_element_classes_and_dtypes_belong_together() -> None:
    assert element_class_of(np.dtype("uint8"), 3) == "uint24"
    assert element_class_of(np.dtype("float64")) == "double"
    with pytest.raises(InvalidInput, match="complex64"):
        element_class_of(np.dtype("complex64"))


def test_real_properties_files_are_read(shared_data: Path) -> None:
    files = sorted(p for p in shared_data.rglob("datasource-properties.json") if "malformed" not in p.parts)
    assert len(files) >= 7
    for file in files:
        source = read_properties(file)
        assert parse_data_source(source.to_document(), origin="again", name=source.name) == source


def test_malformed_properties_files_are_refused(shared_data: Path) -> None:
    for name in ("layer-name-traversal", "scale-nan"):
        with pytest.raises(InvalidDataSource, match=name):
            read_properties(shared_data / "malformed" / "properties" / name)
