"""Small answers about a layer that need voxels: pictures, histograms, where there is anything at all.

Each bounds what it reads whatever the layer's extent: pictures by the mag, histograms and searches by
the number of samples. Positions are in mag-1 voxels.
"""

from __future__ import annotations

import asyncio
import io
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from PIL import Image

from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.colors import segment_colors, to_rgb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wk_jupyter.geometry import Mag
    from wk_jupyter.store.bricks import LayerReader

LARGEST_EDGE: Final = 4000
_PLANE_VOXELS: Final = 2**24
_ALPHA_OVER_COLOR: Final = 20
_ALPHA_ALONE: Final = 60


@dataclass(frozen=True)
class View:
    """Which part of the x, y plane a picture shows: ``zoom`` in mag-1 voxels a pixel."""

    width: int
    height: int
    center: tuple[float, float, float]
    zoom: float


@dataclass(frozen=True)
class PictureLayer:
    """A layer with the settings of its view configuration; ``mag`` overrides the choice by zoom."""

    reader: LayerReader
    settings: Mapping[str, Any] = field(default_factory=dict)
    mag: Mag | None = None


def view_of(
    layers: Sequence[PictureLayer],
    *,
    size: tuple[int, int],
    center: Sequence[float] | None = None,
    zoom: float | None = None,
) -> View:
    """Complete a view: by default all of the layers' common box, as far as the mags allow it.

    The size is clamped to 1 … 4000 pixels, the zoom so that a plane has at most 2**24 voxels.
    """
    width, height = (min(max(edge, 1), LARGEST_EDGE) for edge in size)
    box = _common_box([layer.reader.layer.bounding_box for layer in layers])
    if center is None:
        center = [start + extent / 2 for start, extent in zip(box.topleft, box.size, strict=True)]
    if zoom is None or not zoom > 0:
        zoom = max(box.size.x / width, box.size.y / height)
    coarsest = [max(layer.reader.mags) if layer.mag is None else layer.mag for layer in layers]
    widest = min(math.sqrt(_PLANE_VOXELS * mag.x * mag.y / (width * height)) for mag in coarsest)
    x, y, z = center
    return View(width, height, (x, y, z), min(zoom, widest))


def _common_box(boxes: Sequence[BoundingBox]) -> BoundingBox:
    common = boxes[0]
    for box in boxes[1:]:
        common = common.intersection(box)
    return boxes[0] if common.is_empty else common


async def picture(
    layers: Sequence[PictureLayer],
    view: View,
    *,
    blend_mode: str = "Additive",
    image_format: Literal["JPEG", "PNG"] = "JPEG",
) -> bytes:
    """Draw the layers over one another and return an image file.

    Colour layers come first, in their order; ids of segmentations are shown over them, 0 transparent.
    Raises CorruptData where voxels cannot be decoded.
    """
    planes = await asyncio.gather(*(_read_plane(layer, view) for layer in layers))
    return await asyncio.to_thread(
        _draw, list(zip(layers, planes, strict=True)), view, blend_mode, image_format
    )


@dataclass(frozen=True)
class _Plane:
    """Voxels (c, x, y) of a mag and, as fractions of them, where the picture's edges lie."""

    voxels: NDArray[Any]
    left: float
    top: float
    voxels_per_pixel: tuple[float, float]


async def _read_plane(layer: PictureLayer, view: View) -> _Plane | None:
    mag = layer.mag or _mag_for(layer.reader, view)
    x0 = (view.center[0] - view.width * view.zoom / 2) / mag.x
    y0 = (view.center[1] - view.height * view.zoom / 2) / mag.y
    step = (view.zoom / mag.x, view.zoom / mag.y)
    topleft = Vec3Int(math.floor(x0), math.floor(y0), math.floor(view.center[2] / mag.z))
    end = Vec3Int(math.ceil(x0 + view.width * step[0]), math.ceil(y0 + view.height * step[1]), topleft.z + 1)
    seen = BoundingBox(topleft, end - topleft).intersection(layer.reader.layer.bounding_box.in_mag(mag))
    if seen.is_empty:
        return None
    voxels = await layer.reader.read(mag, seen)
    return _Plane(voxels[..., 0], x0 - seen.topleft.x, y0 - seen.topleft.y, step)


def _mag_for(reader: LayerReader, view: View) -> Mag:
    """The coarsest mag that has a voxel for each pixel; a coarser one where that is too much to read."""
    fine_enough = [mag for mag in reader.mags if max(mag.x, mag.y) <= view.zoom]
    chosen = max(fine_enough) if fine_enough else min(reader.mags)
    for mag in sorted(reader.mags):
        voxels = view.width * view.height * view.zoom**2 / (mag.x * mag.y)
        if mag >= chosen and voxels <= _PLANE_VOXELS * 1.01:
            return mag
    return max(reader.mags)


def _draw(
    drawn: list[tuple[PictureLayer, _Plane | None]], view: View, blend_mode: str, image_format: str
) -> bytes:
    canvas = np.zeros((view.height, view.width, 3), np.float32)
    colors = [item for item in drawn if item[0].reader.layer.category == "color"]
    segmentations = [item for item in drawn if item[0].reader.layer.category != "color"]
    for layer, plane in colors:
        alpha = _fraction(layer.settings.get("alpha"), 100)
        if plane is not None:
            _blend_color(canvas, _sampled_color(layer, plane, view), alpha, cover=blend_mode == "Cover")
    default_alpha = _ALPHA_OVER_COLOR if colors else _ALPHA_ALONE
    for layer, plane in segmentations:
        alpha = _fraction(layer.settings.get("alpha") if colors else None, default_alpha)
        if plane is not None:
            ids, inside = _sample(plane.voxels[:1], plane, view, average=False)
            shown = (inside & (ids[0] != 0))[..., np.newaxis] * np.float32(alpha)
            canvas[:] = canvas * (1 - shown) + segment_colors(ids[0]) * shown
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, image_format, **({"quality": 88} if image_format == "JPEG" else {}))
    return file.getvalue()


def _fraction(percent: Any, default: float) -> float:
    usable = isinstance(percent, int | float) and not isinstance(percent, bool)
    return min(max(float(percent if usable else default), 0.0), 100.0) / 100


def _blend_color(
    canvas: NDArray[np.float32],
    sampled: tuple[NDArray[np.float32], NDArray[np.bool_]],
    alpha: float,
    *,
    cover: bool,
) -> None:
    rgb, inside = sampled
    if cover:
        weight = inside[..., np.newaxis] * np.float32(alpha)
        canvas[:] = canvas * (1 - weight) + rgb * weight
    else:
        canvas += rgb * np.float32(alpha)


def _sampled_color(
    layer: PictureLayer, plane: _Plane, view: View
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    voxels, inside = _sample(plane.voxels, plane, view, average=True)
    stored = plane.voxels.dtype
    rgb = to_rgb(voxels, layer.settings, stored=stored, is_rgb=layer.reader.layer.element_class == "uint24")
    return rgb * inside[..., np.newaxis], inside


def _sample(
    voxels: NDArray[Any], plane: _Plane, view: View, *, average: bool
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Turn (c, x, y) voxels into (c, row, column) pixels; tell which of these lie inside."""
    step_x, step_y = plane.voxels_per_pixel
    voxels, in_x = _sample_axis(voxels, 1, _Grid(plane.left, step_x, view.width), average=average)
    voxels, in_y = _sample_axis(voxels, 2, _Grid(plane.top, step_y, view.height), average=average)
    return np.swapaxes(voxels, 1, 2), in_y[:, np.newaxis] & in_x[np.newaxis, :]


@dataclass(frozen=True)
class _Grid:
    """Pixels along an axis: where the first begins and how wide each is, in voxels."""

    start: float
    step: float
    count: int


def _sample_axis(
    voxels: NDArray[Any], axis: int, grid: _Grid, *, average: bool
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The voxel at each pixel's centre or, where pixels are wider than voxels, the mean of the covered."""
    length = voxels.shape[axis]
    centers = np.floor(grid.start + (np.arange(grid.count) + 0.5) * grid.step).astype(np.int64)
    inside = (centers >= 0) & (centers < length)
    if not (average and grid.step > 1 and inside.any()):
        return np.take(voxels, centers.clip(0, length - 1), axis=axis), inside
    first, last = np.flatnonzero(inside)[[0, -1]]
    edges = np.floor(grid.start + np.arange(first, last + 2) * grid.step).astype(np.int64)
    starts = edges[:-1].clip(0, length - 1)
    stop = max(min(int(edges[-1]), length), int(starts[-1]) + 1)
    counts = np.diff(np.append(starts, stop)).clip(1)
    covered = np.take(voxels, range(stop), axis=axis) if stop < length else voxels
    means = np.add.reduceat(covered, starts, axis=axis, dtype=np.float64)
    means /= counts.reshape([-1 if dimension == axis else 1 for dimension in range(voxels.ndim)])
    padding = [(0, 0)] * voxels.ndim
    padding[axis] = (int(first), grid.count - 1 - int(last))
    return np.pad(means, padding), inside
