"""The metadata of OME-NGFF multiscales, versions 0.1 to 0.5. Specification: https://ngff.openmicroscopy.org"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wk_jupyter.errors import CorruptData, UnsupportedFormat, WkError
from wk_jupyter.store.volumes.metadata_files import load_metadata

VERSIONS: Final = ("0.1", "0.2", "0.3", "0.4", "0.5")
_OLD_AXES: Final = "tczyx"  # the order of dimensions before they were named


@dataclass(frozen=True)
class Level:
    """One array of a pyramid. ``scale`` is the size of its voxels along each dimension, if that is told."""

    path: str
    scale: tuple[float, ...] | None
    translation: tuple[float, ...] | None


@dataclass(frozen=True)
class Multiscale:
    """The metadata of one pyramid. ``axes`` are None before version 0.3, ``units`` are as written."""

    version: str
    axes: tuple[str, ...] | None
    units: tuple[str | None, ...]
    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError("no datasets")

    def axes_for(self, rank: int) -> tuple[str, ...]:
        """Return the axes of arrays of this rank. Raises ValueError where they have another."""
        axes = self.axes or tuple(_OLD_AXES[-rank:])
        if len(axes) != rank:
            raise ValueError(f"the arrays have {rank} dimensions, the metadata names {len(axes)}")
        return axes


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


def parse_multiscale(attributes: Mapping[str, Any], label: str) -> Multiscale:
    """Read the first multiscale of a group's attributes. Raises UnsupportedFormat or CorruptData."""
    try:
        entry = attributes["multiscales"][0]
        version = _known_version(attributes, entry, label)
        axes, units = _axes(entry)
        overall = entry.get("coordinateTransformations")
        levels = tuple(_level(dataset, overall, axes) for dataset in entry["datasets"])
        return Multiscale(version, axes, units, levels)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, WkError):
            raise
        raise CorruptData(
            f"the OME-NGFF metadata of {label} is not valid ({type(error).__name__}: {error}).", path=label
        ) from None


def _known_version(attributes: Mapping[str, Any], entry: Mapping[str, Any], label: str) -> str:
    """Return the version. Raises UnsupportedFormat for one whose rules are not known here."""
    version = str(attributes.get("version") or entry.get("version") or "0.4")
    matched = re.match(r"[0-9]+\.[0-9]+", version)
    short = matched[0] if matched else version
    if short in VERSIONS and "coordinateSystems" not in entry:  # these came with 0.6
        return short
    raise UnsupportedFormat(
        f"{label} is OME-NGFF {version[:20]}{' with coordinate systems' * (short in VERSIONS)}; versions "
        f"{VERSIONS[0]} to {VERSIONS[-1]} are read.",
        hint="Its coordinates could be misread: write it anew as 0.5, or add a properties file.",
    )


def _axes(entry: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, tuple[str | None, ...]]:
    given = entry.get("axes")
    if not given:
        return None, ()
    names = tuple(str(axis["name"] if isinstance(axis, dict) else axis).lower() for axis in given)
    if len(set(names)) != len(names) or not {"x", "y"} <= set(names):
        raise ValueError(f"the axes {', '.join(names)} are not x, y and some others")
    units = tuple(axis.get("unit") if isinstance(axis, dict) else None for axis in given)
    return names, tuple(unit if isinstance(unit, str) else None for unit in units)


def _level(dataset: Mapping[str, Any], overall: Any, axes: Sequence[str] | None) -> Level:
    path = str(dataset["path"])
    if ".." in path.split("/"):
        raise ValueError(f"the path {path!r} leaves the folder")
    own = dataset.get("coordinateTransformations")
    if not own and not overall:
        return Level(path, None, None)
    scale, translation = _transform(own, axes)
    outer_scale, outer_translation = _transform(overall, axes)
    rank = max(map(len, (scale, translation, outer_scale, outer_translation)))
    scale, outer_scale = scale or (1.0,) * rank, outer_scale or (1.0,) * rank
    translation, outer_translation = translation or (0.0,) * rank, outer_translation or (0.0,) * rank
    return Level(
        path,
        tuple(a * b for a, b in zip(scale, outer_scale, strict=True)) or None,
        tuple(t * s + u for t, s, u in zip(translation, outer_scale, outer_translation, strict=True)) or None,
    )


def _transform(transforms: Any, axes: Sequence[str] | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return scale and translation, empty where they are not told."""
    found: dict[str, tuple[float, ...]] = {"scale": (), "translation": ()}
    for transform in transforms or []:
        kind = str(transform["type"])
        if kind == "identity":
            continue
        # Both may be kept in a file of their own, which no known writer does.
        if kind not in found or kind not in transform:
            raise ValueError(f"a transformation of type {kind[:40]!r} is not supported")
        numbers = tuple(float(number) for number in transform[kind])
        if axes is not None and len(numbers) != len(axes):
            raise ValueError(f"a {kind} of {len(numbers)} numbers for {len(axes)} axes")
        found[kind] = numbers
    scale, translation = found["scale"], found["translation"]
    if not all(math.isfinite(n) and n > 0 for n in scale) or not all(map(math.isfinite, translation)):
        raise ValueError("a scale or translation is no length")
    return scale, translation


def channel_views(omero: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Return view configurations and names of the channels that OMERO metadata describes."""
    described = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(described, list):
        return [], []
    channels = [channel if isinstance(channel, dict) else {} for channel in described]
    labels = [str(channel.get("label", "")) for channel in channels]
    return [_view(channel) for channel in channels], labels


def _view(channel: Mapping[str, Any]) -> dict[str, Any]:
    view: dict[str, Any] = {}
    color = str(channel.get("color") or "").lstrip("#")
    if len(color) in (6, 8):
        with suppress(ValueError):
            view["color"] = [int(color[at : at + 2], 16) for at in (0, 2, 4)]
    window = channel.get("window")
    if isinstance(window, dict):
        numbers = {key: n for key, n in window.items() if isinstance(n, int | float) and math.isfinite(n)}
        if {"start", "end"} <= set(numbers):
            view["intensityRange"] = [numbers["start"], numbers["end"]]
        view.update({key: numbers[key] for key in ("min", "max") if key in numbers})
    if channel.get("active") is False:
        view["isDisabled"] = True
    if channel.get("inverted") is True:
        view["isInverted"] = True
    return view
