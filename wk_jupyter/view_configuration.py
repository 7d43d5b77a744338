"""How a dataset is shown: what its file, its admins and the caller say, over sensible defaults.

Weakest first: built-in defaults < ``defaultViewConfiguration`` in the properties file < the admins'
settings < the user's own < the call. Each key is taken on its own. Invalid values fall back to the next
weaker source, unknown keys and settings of layers that are gone are dropped. Keys are WEBKNOSSOS's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from wk_jupyter.datasource import DataSource, LayerSource

_SEGMENTATION_OPACITY: Final = 20
Check = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # false for NaN; integers of any length compare exactly


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _between(low: float, high: float) -> Check:
    return lambda value: _is_number(value) and low <= value <= high


def _numbers(count: int, low: float = -math.inf, high: float = math.inf) -> Check:
    def check(value: Any) -> bool:
        return (
            isinstance(value, list | tuple) and len(value) == count and all(map(_between(low, high), value))
        )

    return check


def _is_range(value: Any) -> bool:
    return _numbers(2)(value) and value[0] <= value[1]


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _one_of(*choices: str) -> Check:
    return lambda value: value in choices


def _is_mapping(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("name"), str)
        and value.get("type") in ("JSON", "HDF5")
    )


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


DATASET_CHECKS: Final[dict[str, Check]] = {
    "position": _optional(_numbers(3)),
    "zoom": _optional(_is_positive),
    "rotation": _optional(_numbers(3)),
    "interpolation": _is_bool,
    "fourBit": _is_bool,
    "renderMissingDataBlack": _is_bool,
    "loadingStrategy": _one_of("PROGRESSIVE_QUALITY", "BEST_QUALITY_FIRST"),
    "segmentationPatternOpacity": _between(0, 100),
    "blendMode": _one_of("Additive", "Cover"),
    "colorLayerOrder": lambda value: (
        isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
    ),
    "nativelyRenderedLayerName": _optional(lambda value: isinstance(value, str)),
    "selectiveSegmentVisibility": _is_bool,
}
LAYER_CHECKS: Final[dict[str, Check]] = {
    "color": _numbers(3, 0, 255),
    "alpha": _between(0, 100),
    "intensityRange": _optional(_is_range),
    "min": _optional(_is_number),
    "max": _optional(_is_number),
    "gammaCorrectionValue": _between(0, 10),
    "isDisabled": _is_bool,
    "isInverted": _is_bool,
    "isInEditMode": _is_bool,
    "mapping": _optional(_is_mapping),
}


def dataset_defaults(source: DataSource) -> dict[str, Any]:
    """Return the built-in settings: the centre of the data, not interpolated, all colour layers in order."""
    return {
        "position": [math.floor(number) for number in source.bounding_box.center],
        "zoom": None,
        "rotation": None,
        "interpolation": False,
        "fourBit": False,
        "renderMissingDataBlack": True,  # what was never written is 0, and 0 is black
        "loadingStrategy": "PROGRESSIVE_QUALITY",
        "segmentationPatternOpacity": 40,
        "blendMode": "Additive",
        "colorLayerOrder": [layer.name for layer in source.layers if layer.category == "color"],
        "nativelyRenderedLayerName": None,
        "selectiveSegmentVisibility": False,
    }


def layer_defaults(layer: LayerSource) -> dict[str, Any]:
    """Return the built-in settings of a layer; the range of intensities is that of its element class."""
    is_color = layer.category == "color"
    bounds = list(value_range(layer)) if is_color else None
    return {
        "color": [255, 255, 255],
        "alpha": 100 if is_color else _SEGMENTATION_OPACITY,
        "intensityRange": bounds,
        "min": bounds[0] if bounds else None,
        "max": bounds[1] if bounds else None,
        "gammaCorrectionValue": 1,
        "isDisabled": False,
        "isInverted": False,
        "isInEditMode": False,
        "mapping": None,
    }


def value_range(layer: LayerSource) -> tuple[float, float]:
    """Return the least and the greatest value of a layer's element class; 0 to 1 for floats."""
    if layer.dtype.kind == "f":
        return 0.0, 1.0  # the type's own bounds would show everything as one grey
    info = np.iinfo(layer.dtype)
    return int(info.min), int(info.max)


def view_configuration(
    source: DataSource,
    admin: Mapping[str, Any] | None = None,
    own: Mapping[str, Any] | None = None,
    call: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Merge all sources into a complete configuration: the dataset's keys, and ``layers`` by name.

    ``admin``, ``own`` and ``call`` have the same form, and may be partial.
    """
    said = [each or {} for each in (admin, own, call)]
    merged = _merge(dataset_defaults(source), DATASET_CHECKS, [source.default_view_configuration, *said])
    names = [layer.name for layer in source.layers if layer.category == "color"]
    wanted = [name for name in dict.fromkeys(merged["colorLayerOrder"]) if name in names]
    merged["colorLayerOrder"] = wanted + [name for name in names if name not in wanted]
    if merged["nativelyRenderedLayerName"] not in {layer.name for layer in source.layers}:
        merged["nativelyRenderedLayerName"] = None
    merged["layers"] = {
        layer.name: _merge(
            layer_defaults(layer),
            LAYER_CHECKS,
            [
                _of_layer(source.default_view_configuration, layer.name),
                layer.default_view_configuration,
                layer.admin_view_configuration,
                *(_of_layer(each, layer.name) for each in said),
            ],
        )
        for layer in source.layers
    }
    return merged


def known_settings(source: DataSource, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a configuration can be kept: known keys with valid values, of layers that are there."""
    kept = _merge({}, DATASET_CHECKS, [wanted])
    layers = {
        layer.name: _merge({}, LAYER_CHECKS, [_of_layer(wanted, layer.name)]) for layer in source.layers
    }
    kept["layers"] = {name: settings for name, settings in layers.items() if settings}
    return {key: value for key, value in kept.items() if key != "layers" or value}


def _merge(
    defaults: dict[str, Any], checks: Mapping[str, Check], sources: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    merged = dict(defaults)
    for source in sources:
        merged.update(
            (key, source[key]) for key, check in checks.items() if key in source and check(source[key])
        )
    return merged


def _of_layer(configuration: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    layers = configuration.get("layers")
    found = layers.get(name) if isinstance(layers, Mapping) else None
    return found if isinstance(found, Mapping) else {}
