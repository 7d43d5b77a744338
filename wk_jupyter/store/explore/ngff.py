"""OME-NGFF multiscales, versions 0.1 to 0.5, in Zarr v2 and v3. Specification: https://ngff.openmicroscopy.org"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat, WkError
from wk_jupyter.geometry import Mag, VoxelSize, length_unit
from wk_jupyter.properties_document import DataFormat
from wk_jupyter.store.explore.category import category_of_name, guess_category
from wk_jupyter.store.explore.exploration import FoundLayers, join_paths, layer_name, moved_below
from wk_jupyter.store.explore.zarr_array import array_layer, shape_and_dtype
from wk_jupyter.store.volumes.metadata_files import load_metadata

VERSIONS: Final = ("0.1", "0.2", "0.3", "0.4", "0.5")
_OLD_AXES: Final = "tczyx"
_MAX_CHANNEL_LAYERS: Final = 64


@dataclass(frozen=True)
class Level:
    """One array of a pyramid, with the size of its voxels along each dimension."""

    path: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]


@dataclass(frozen=True)
class Multiscale:
    """The metadata of one pyramid. ``units`` are as written, None where they are not."""

    version: str
    axes: tuple[str, ...]
    units: tuple[str | None, ...]
    levels: tuple[Level, ...]
    name: str | None = None


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise a group with multiscales. Raises UnsupportedFormat for a version that is not known."""
    attributes = group_attributes(folder)
    if attributes is None or "multiscales" not in attributes:
        return None
    multiscale = parse_multiscales(attributes, str(folder))
    found = _layers(folder, multiscale, attributes)
    labels = _labels(folder)
    return FoundLayers(found.layers + labels.layers, found.voxel_size, found.notices + labels.notices)


def group_attributes(folder: Path) -> Mapping[str, Any] | None:
    """Return the OME attributes of a Zarr group of either version; None where it is none."""
    if (folder / "zarr.json").is_file():
        attributes = load_metadata(folder / "zarr.json").get("attributes")
        if not isinstance(attributes, dict):
            return None
        ome = attributes.get("ome")
        return ome if isinstance(ome, dict) else attributes
    if (folder / ".zattrs").is_file():
        return load_metadata(folder / ".zattrs")
    return None


def parse_multiscales(attributes: Mapping[str, Any], label: str) -> Multiscale:
    """Read the first multiscale of a group's attributes. Raises UnsupportedFormat or CorruptData."""
    try:
        entry = attributes["multiscales"][0]
        version = str(attributes.get("version") or entry.get("version") or "0.4")
        if version not in VERSIONS:
            raise UnsupportedFormat(
                f"{label} is OME-NGFF {version}; versions {VERSIONS[0]} to {VERSIONS[-1]} are read.",
                hint="Its coordinates could be misread. Write it anew as 0.5, or describe it in a properties file.",
            )
        datasets = entry["datasets"]
        axes, units = _axes(entry)
        overall = _transform(entry.get("coordinateTransformations"), len(axes))
        levels = []
        for dataset in datasets:
            scale, translation = _transform(dataset.get("coordinateTransformations"), len(axes))
            levels.append(
                Level(
                    path=str(dataset["path"]),
                    scale=tuple(a * b for a, b in zip(scale, overall[0], strict=True)),
                    translation=tuple(
                        a * s + b for a, s, b in zip(translation, overall[0], overall[1], strict=True)
                    ),
                )
            )
        name = entry.get("name")
        return Multiscale(version, axes, units, tuple(levels), name if isinstance(name, str) else None)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, WkError):
            raise
        raise CorruptData(
            f"the OME-NGFF metadata of {label} is not valid ({type(error).__name__}: {error}).", path=label
        ) from None


def _axes(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    given = entry.get("axes")
    if not given:  # 0.1 and 0.2: five dimensions, in this order
        return tuple(_OLD_AXES), (None,) * len(_OLD_AXES)
    names = tuple(str(axis["name"] if isinstance(axis, dict) else axis).lower() for axis in given)
    if len(set(names)) != len(names) or not {"x", "y"} <= set(names):
        raise ValueError(f"axes {names}")
    return names, tuple(axis.get("unit") if isinstance(axis, dict) else None for axis in given)


def _transform(transforms: Any, rank: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    scale, translation = (1.0,) * rank, (0.0,) * rank
    for transform in transforms or []:
        if transform["type"] == "scale":
            scale = tuple(float(number) for number in transform["scale"])
        elif transform["type"] == "translation":
            translation = tuple(float(number) for number in transform["translation"])
        elif transform["type"] != "identity":
            raise ValueError(f"a transformation of type {transform['type']!r}")
    if len(scale) != rank or len(translation) != rank or not all(math.isfinite(s) and s > 0 for s in scale):
        raise ValueError("a scale that does not fit the axes")
    return scale, translation


def voxel_size_of(multiscale: Multiscale) -> tuple[VoxelSize | None, tuple[str, ...]]:
    """Return the size of the finest level's voxels, in the unit of x, and what is not told."""
    told = {axis: number for number, axis in enumerate(multiscale.axes) if axis in "xyz"}
    units = {axis: multiscale.units[number] for axis, number in told.items()}
    known = next((unit for unit in (units.get("x"), units.get("y"), units.get("z")) if unit), None)
    finest = multiscale.levels[0].scale
    if known is None:
        if all(finest[number] == 1 for number in told.values()):
            return None, ()
        notice = "no unit of length is told: micrometers are assumed, as most microscopes write them."
        return _sized({axis: finest[number] for axis, number in told.items()}, "micrometer"), (notice,)
    try:
        base = VoxelSize((1, 1, 1), known)
        sizes = {
            axis: finest[number]
            * VoxelSize((1, 1, 1), units[axis] or known).nanometers[0]
            / base.nanometers[0]
            for axis, number in told.items()
        }
    except InvalidInput as error:
        return None, (error.message,)
    return _sized(sizes, length_unit(known)), ()


def _sized(sizes: Mapping[str, float], unit: str) -> VoxelSize:
    least = min(sizes.values())
    x, y, z = (round(sizes.get(axis, least), 12) for axis in "xyz")
    return VoxelSize((x, y, z), unit)


def mags_of(multiscale: Multiscale) -> tuple[list[tuple[Mag, Level]], tuple[str, ...]]:
    """Return the mag of each level: how often its voxels hold the finest ones. Rounded, each once."""
    finest = multiscale.levels[0].scale
    found: dict[Mag, Level] = {}
    notices = []
    for level in multiscale.levels:
        ratios = [
            level.scale[multiscale.axes.index(axis)] / finest[multiscale.axes.index(axis)]
            if axis in multiscale.axes
            else 1.0
            for axis in "xyz"
        ]
        mag = Mag([max(1, round(ratio)) for ratio in ratios])
        if mag in found:
            notices.append(
                f"the level {level.path} is left out: it has the same mag {mag} as {found[mag].path}."
            )
            continue
        if any(abs(ratio - number) > 0.05 * number for ratio, number in zip(ratios, mag, strict=True)):
            notices.append(f"the level {level.path} is {ratios} times coarser, which is taken as mag {mag}.")
        found[mag] = level
    return sorted(found.items(), key=lambda item: item[0]), tuple(notices)


def _layers(folder: Path, multiscale: Multiscale, attributes: Mapping[str, Any]) -> FoundLayers:
    voxel_size, notices = voxel_size_of(multiscale)
    mags, mag_notices = mags_of(multiscale)
    finest = folder / join_paths(mags[0][1].path)
    data_format: DataFormat = "zarr3" if (finest / "zarr.json").is_file() else "zarr"
    shape, dtype = shape_and_dtype(finest, data_format)
    axes = list(multiscale.axes)
    if len(shape) != len(axes):
        raise CorruptData(
            f"{finest} has {len(shape)} dimensions, its metadata names {len(axes)}.", path=str(finest)
        )
    layer = array_layer(layer_name(folder.name), data_format, shape, dtype, axes)
    order = layer.mags[0].axis_order
    layer = replace(layer, mags=tuple(MagSource(mag, join_paths(level.path), order) for mag, level in mags))
    layers = _channel_layers(layer, attributes.get("omero"))
    layers = tuple(replace(one, category=guess_category(folder, one)) for one in layers)
    return FoundLayers(layers, voxel_size, notices + mag_notices)


def _channel_layers(layer: LayerSource, omero: Any) -> tuple[LayerSource, ...]:
    """A channel is a layer of its own, with the name, colour and window that OMERO gives it."""
    count = layer.num_channels
    described = omero.get("channels") if isinstance(omero, dict) else None
    channels = [c for c in described if isinstance(c, dict)] if isinstance(described, list) else []
    if count == 1 and not channels:
        return (layer,)
    if count > _MAX_CHANNEL_LAYERS:
        return (layer,)
    element = "uint8" if layer.element_class == "uint24" else layer.element_class
    result = []
    for number in range(count):
        channel = channels[number] if number < len(channels) else {}
        label = channel.get("label")
        suffix = layer_name(label) if isinstance(label, str) and label.strip() else f"channel{number}"
        mags = tuple(replace(mag, channel_index=number) for mag in layer.mags) if count > 1 else layer.mags
        result.append(
            replace(
                layer,
                name=f"{layer.name}_{suffix}" if count > 1 else layer.name,
                element_class=element,
                num_channels=1,
                mags=mags,
                default_view_configuration=_channel_view(channel),
            )
        )
    return tuple(result)


def _channel_view(channel: Mapping[str, Any]) -> dict[str, Any]:
    view: dict[str, Any] = {}
    color = channel.get("color")
    if isinstance(color, str) and len(color) == 6:
        with suppress(ValueError):
            view["color"] = [int(color[at : at + 2], 16) for at in (0, 2, 4)]
    window = channel.get("window")
    if isinstance(window, dict) and {"start", "end"} <= set(window):
        view["intensityRange"] = [window["start"], window["end"]]
        view.update({key: window[key] for key in ("min", "max") if key in window})
    if channel.get("active") is False:
        view["isDisabled"] = True
    if channel.get("inverted") is True:
        view["isInverted"] = True
    return view


def _labels(folder: Path) -> FoundLayers:
    """Images below ``labels`` are segmentations; a unit that they lack is their parent's."""
    layers: list[LayerSource] = []
    notices: list[str] = []
    names = (group_attributes(folder / "labels") or {}).get("labels")
    for name in names if isinstance(names, list) else []:
        if not isinstance(name, str) or ".." in name.split("/") or not (folder / "labels" / name).is_dir():
            continue
        try:
            found = find_layers(folder / "labels" / name)
        except WkError as error:
            notices.append(f"the labels {name} are left out: {error.message}")
            continue
        for layer in found.layers if found else ():
            kind = category_of_name("segmentation", layer.dtype, layer.num_channels)
            below = moved_below(layer, f"labels/{name}", rename=True)
            layers.append(replace(below, name=layer_name(name), category=kind or layer.category))
    return FoundLayers(tuple(layers), None, tuple(notices))
