from __future__ import annotations

import json
from typing import Any

import pytest

from wk_jupyter.datasource import DataSource, parse_data_source
from wk_jupyter.view_configuration import view_configuration


def source(
    dataset: dict[str, Any] | None = None, color: dict[str, Any] | None = None, **admin: Any
) -> DataSource:
    def layer(name: str, category: str, element: str) -> dict[str, Any]:
        box = {"topLeft": [10, 0, 0], "width": 100, "height": 50, "depth": 7}
        return {
            "name": name, "category": category, "boundingBox": box, "elementClass": element,
            "dataFormat": "wkw", "mags": [{"mag": 1}],
        }  # fmt: skip

    layers = [layer("em", "color", "uint16"), layer("cells", "segmentation", "uint32")]
    layers[0] |= {"defaultViewConfiguration": color or {}, **admin}
    document = {"scale": [1, 1, 1], "dataLayers": layers, "defaultViewConfiguration": dataset or {}}
    return parse_data_source(json.dumps(document), origin="test")


def test_everything_has_a_default():
    found = view_configuration(source())
    assert found["position"] == [60, 25, 3]
    assert found["zoom"] is None
    assert found["interpolation"] is False
    assert found["blendMode"] == "Additive"
    assert found["segmentationPatternOpacity"] == 40
    assert found["colorLayerOrder"] == ["em"]
    assert found["layers"]["em"] == {
        "color": [255, 255, 255], "alpha": 100, "intensityRange": [0, 65535], "min": 0, "max": 65535,
        "gammaCorrectionValue": 1, "isDisabled": False, "isInverted": False, "isInEditMode": False,
        "mapping": None,
    }  # fmt: skip
    assert found["layers"]["cells"]["alpha"] == 20
    assert found["layers"]["cells"]["intensityRange"] is None


def test_the_stronger_source_wins_key_by_key():
    file = source(
        {"zoom": 2, "interpolation": True, "position": [1, 2, 3]}, {"alpha": 50, "color": [1, 2, 3]}
    )
    admin = {"zoom": 3, "layers": {"em": {"alpha": 60}}}
    call = {"zoom": 4}
    assert view_configuration(file)["zoom"] == 2
    assert view_configuration(file, admin)["zoom"] == 3
    merged = view_configuration(file, admin, call)
    assert merged["zoom"] == 4
    assert merged["interpolation"] is True
    assert merged["position"] == [1, 2, 3]
    assert merged["layers"]["em"]["alpha"] == 60
    assert merged["layers"]["em"]["color"] == [1, 2, 3]


def test_the_admins_settings_in_the_file_are_stronger_than_its_defaults():
    file = source(None, {"alpha": 50}, adminViewConfiguration={"alpha": 70})
    assert view_configuration(file)["layers"]["em"]["alpha"] == 70


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("zoom", 0), ("zoom", -1), ("zoom", "2"), ("zoom", True), ("position", [1, 2]), ("position", "1,2,3"),
        ("interpolation", 1), ("blendMode", "Multiply"), ("segmentationPatternOpacity", 101),
        ("loadingStrategy", None), ("colorLayerOrder", "em"),
    ],
)  # fmt: skip
def test_an_invalid_value_falls_back_to_the_next_weaker_source(key: str, value: Any):
    assert view_configuration(source({key: value}))[key] == view_configuration(source())[key]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alpha", 101), ("alpha", -1), ("alpha", None), ("color", [1, 2]), ("color", [1, 2, 256]),
        ("color", "#fff"), ("intensityRange", [5, 1]), ("intensityRange", [1]), ("gammaCorrectionValue", 11),
        ("isDisabled", "no"),
        ("mapping", {"name": "m"}),
    ],
)  # fmt: skip
def test_an_invalid_setting_of_a_layer_does_too(key: str, value: Any):
    admin = {"layers": {"em": {key: value}}}
    weaker = source(None, {"alpha": 33})
    assert view_configuration(weaker, admin)["layers"]["em"] == view_configuration(weaker)["layers"]["em"]


def test_unknown_keys_and_vanished_layers_are_dropped():
    found = view_configuration(source({"sparkle": 1, "layers": {"gone": {"alpha": 1}, "em": {"glow": 2}}}))
    assert "sparkle" not in found
    assert set(found["layers"]) == {"em", "cells"}
    assert "glow" not in found["layers"]["em"]


def test_the_order_of_layers_is_repaired():
    assert view_configuration(source({"colorLayerOrder": ["gone", "cells", "em", "em"]}))[
        "colorLayerOrder"
    ] == ["em"]


@pytest.mark.parametrize("nonsense", [{"layers": []}, {"layers": {"em": 5}}, {"layers": None}])
def test_nonsense_in_place_of_layers_is_ignored(nonsense: dict[str, Any]):
    assert view_configuration(source(), nonsense) == view_configuration(source())


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), 1e308 * 10])
def test_numbers_of_any_size_are_judged(value: Any):
    admin = {"zoom": value, "position": [value, 0, 0], "layers": {"em": {"min": value}}}
    assert view_configuration(source(), admin) == view_configuration(source())


def test_layers_are_rendered_natively_only_where_they_exist():
    assert (
        view_configuration(source({"nativelyRenderedLayerName": "gone"}))["nativelyRenderedLayerName"] is None
    )
    assert (
        view_configuration(source({"nativelyRenderedLayerName": "em"}))["nativelyRenderedLayerName"] == "em"
    )
