"""Zarr metadata of a served layer: arrays (c, additional axes, x, y, z) and OME-NGFF groups.

Arrays start at voxel 0 of the dataset and end where the layer's bounding box ends, so an index is a
position in the mag. A chunk holds all channels of 32³ voxels, channels fastest, then x, y, z.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wk_jupyter.geometry import Vec3Int

if TYPE_CHECKING:
    from wk_jupyter.datasource import LayerSource, MagSource
    from wk_jupyter.geometry import Mag, VoxelSize

CHUNK_EDGE: Final = 32
_TIME_AXES: Final = frozenset({"t", "time"})


def array_shape(layer: LayerSource, mag: Mag) -> tuple[int, ...]:
    """Lengths along c, the additional axes in their order, x, y and z."""
    space = Vec3Int.of(layer.bounding_box.bottomright).ceildiv(mag.as_vec())
    return (layer.num_channels, *(axis.upper for axis in layer.additional_axes), *space)


def chunk_shape(layer: LayerSource) -> tuple[int, ...]:
    return (layer.num_channels, *(1 for _ in layer.additional_axes), CHUNK_EDGE, CHUNK_EDGE, CHUNK_EDGE)


def zarr2_array(layer: LayerSource, mag: Mag) -> dict[str, Any]:
    """The ``.zarray`` of one mag."""
    return {
        "dtype": layer.dtype.newbyteorder("<").str,
        "fill_value": 0,
        "zarr_format": 2,
        "order": "F",
        "chunks": list(chunk_shape(layer)),
        "compressor": None,
        "filters": None,
        "shape": list(array_shape(layer, mag)),
        "dimension_separator": ".",
    }


def zarr3_array(layer: LayerSource, mag: Mag) -> dict[str, Any]:
    """The ``zarr.json`` of one mag."""
    shape = array_shape(layer, mag)
    reversed_axes = list(range(len(shape)))[::-1]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": layer.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape(layer))}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {"name": "transpose", "configuration": {"order": reversed_axes}},
            {"name": "bytes", "configuration": {"endian": "little"}},
        ],
        "attributes": {},
        "dimension_names": [axis["name"] for axis in _axes(layer, unit="")],
    }


def zarr2_layer_attributes(layer: LayerSource, voxel_size: VoxelSize) -> dict[str, Any]:
    """The ``.zattrs`` of a layer: OME-NGFF 0.4."""
    return {"multiscales": [{"version": "0.4", **_multiscale(layer, voxel_size)}], **_omero(layer)}


def zarr3_layer_group(layer: LayerSource, voxel_size: VoxelSize) -> dict[str, Any]:
    """The ``zarr.json`` of a layer: OME-NGFF 0.5."""
    ome = {"version": "0.5", "multiscales": [_multiscale(layer, voxel_size)], **_omero(layer)}
    return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}


def zarr3_group() -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": {}}


def _multiscale(layer: LayerSource, voxel_size: VoxelSize) -> dict[str, Any]:
    return {
        "name": layer.name,
        "axes": _axes(layer, unit=voxel_size.unit),
        "datasets": [_dataset(layer, mag, voxel_size) for mag in layer.mags],
    }


def _axes(layer: LayerSource, *, unit: str) -> list[dict[str, str]]:
    additional = [
        {"name": axis.name, "type": "time"} if axis.name in _TIME_AXES else {"name": axis.name}
        for axis in layer.additional_axes
    ]
    space = [{"name": name, "type": "space", "unit": unit} for name in "xyz"]
    return [{"name": "c", "type": "channel"}, *additional, *space]


def _dataset(layer: LayerSource, mag: MagSource, voxel_size: VoxelSize) -> dict[str, Any]:
    """OME-NGFF's coordinates are those of voxels' centres: a coarse voxel's lies amid those it stands for."""
    others = 1 + len(layer.additional_axes)
    sizes = list(zip(voxel_size.factor, mag.mag, strict=True))
    scale = [1.0] * others + [factor * step for factor, step in sizes]
    translation = [0.0] * others + [factor * (step - 1) / 2 for factor, step in sizes]
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(translation):
        transforms.append({"type": "translation", "translation": translation})
    return {"path": mag.mag.name, "coordinateTransformations": transforms}


def _omero(layer: LayerSource) -> dict[str, Any]:
    """How to show a colour layer, where its file says so in a way that OMERO's metadata can hold."""
    view = layer.default_view_configuration
    if layer.category != "color" or layer.num_channels != 1:
        return {}
    match view.get("intensityRange"), view.get("color", [255, 255, 255]):
        case [int() | float() as start, int() | float() as end], [int(), int(), int()] as color:
            window = {"min": view.get("min", start), "max": view.get("max", end), "start": start, "end": end}
        case _:
            return {}
    channel = {
        "label": layer.name,
        "active": view.get("isDisabled") is not True,
        "color": "".join(f"{min(max(part, 0), 255):02X}" for part in color),
        "inverted": view.get("isInverted") is True,
        "window": window,
    }
    return {"omero": {"channels": [channel]}}
