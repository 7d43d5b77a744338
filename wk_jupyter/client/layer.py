"""Layers and their mags, as one reads them in a cell: numpy in x, y, z[, channel] order."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.client.layer_settings import Edit, LayerSettings
from wk_jupyter.client.progress import Progress
from wk_jupyter.client.sources import VoxelSource, find_mag
from wk_jupyter.datasource import LayerSource
from wk_jupyter.errors import InvalidInput, TooLarge
from wk_jupyter.geometry import BoundingBox, Mag, MagLike, Vec3Int, VoxelSize

if TYPE_CHECKING:
    from wk_jupyter.client.images import Png

_STEP_BYTES: Final = 64 * 2**20  # larger reads show their progress, and can be interrupted, between steps
_ENVIRONMENT: Final = "WK_JUPYTER_MAX_READ_BYTES"
BoxLike: TypeAlias = "BoundingBox | tuple[Sequence[int], Sequence[int]]"


class RoundedBoxWarning(UserWarning):
    """A box was grown to whole voxels of the mag that it was read in."""


@dataclass(frozen=True)
class MagView:
    """One mag of a layer. ``bounding_box`` is in voxels of this mag, ``shape`` is x, y, z[, channel]."""

    layer: Layer
    mag: Mag

    @property
    def bounding_box(self) -> BoundingBox:
        return self.layer.bounding_box.in_mag(self.mag)

    @property
    def shape(self) -> tuple[int, ...]:
        size = tuple(self.bounding_box.size)
        return size if self.layer.num_channels == 1 else (*size, self.layer.num_channels)

    @property
    def voxel_size(self) -> VoxelSize:
        base = self.layer.voxel_size
        x, y, z = (number * factor for number, factor in zip(base.factor, self.mag, strict=True))
        return VoxelSize((x, y, z), base.unit)

    def read(self, bbox: BoxLike | None = None, **options: Any) -> NDArray[Any]:
        """Read in this mag; see ``Layer.read``."""
        return self.layer.read(bbox, self.mag, **options)

    def __repr__(self) -> str:
        return f"<Mag {self.mag}: {' × '.join(map(str, self.shape))} {self.layer.dtype}, {self.voxel_size}>"


class Mags(Mapping[Mag, MagView]):
    """A layer's mags, finest first: ``layer.mags["2-2-1"]``."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._mags = [source.mag for source in layer.source.mags]

    def __getitem__(self, mag: MagLike) -> MagView:
        return MagView(self._layer, find_mag(self._layer.source, Mag(mag)))

    def __iter__(self) -> Any:
        return iter(self._mags)

    def __len__(self) -> int:
        return len(self._mags)

    def __contains__(self, mag: object) -> bool:
        return any(mag in (known, known.name, known.long_name) for known in self._mags)

    def _ipython_key_completions_(self) -> list[str]:
        return [mag.name for mag in self._mags]

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.values()))


class Layer(LayerSettings):
    """One layer of a dataset. Boxes and positions are in mag-1 voxels."""

    voxel_size: VoxelSize

    def __init__(
        self, source: LayerSource, voxel_size: VoxelSize, voxels: VoxelSource, edit: Edit | None = None
    ) -> None:
        super().__init__(source, edit)
        self.voxel_size = voxel_size
        self._voxels = voxels

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.source.dtype

    @property
    def element_class(self) -> str:
        return self.source.element_class

    @property
    def num_channels(self) -> int:
        return self.source.num_channels

    @property
    def axes(self) -> Mapping[str, range]:
        """Axes beside x, y, z and channel, with their positions, as ``{"t": range(0, 7)}``."""
        return MappingProxyType({a.name: range(a.lower, a.upper) for a in self.source.additional_axes})

    @property
    def mags(self) -> Mags:
        return Mags(self)

    def read(
        self,
        bbox: BoxLike | None = None,
        mag: MagLike | None = None,
        *,
        position: Mapping[str, int] | None = None,
        max_bytes: int | None = None,
    ) -> NDArray[Any]:
        """Read voxels as a numpy array in x, y, z order, with channels last where there are several.

        ``bbox`` is a BoundingBox or ``(topleft, size)`` in mag-1 voxels; by default all of the layer. In
        a coarser ``mag`` (default: the finest) it is grown to whole voxels, with a RoundedBoxWarning.
        Parts outside of the layer are 0. ``position`` picks a place on other axes, as ``{"t": 3}``.

        Raises MagNotFound, InvalidInput, CorruptData (the file is named), and TooLarge over
        ``max_bytes``, by default half of this machine's memory.
        """
        at = find_mag(self.source, Mag(mag)) if mag is not None else self.source.mags[0].mag
        box = _whole_voxels(_box(bbox), at) if bbox is not None else self.bounding_box.in_mag(at)
        self._check_size(box, max_bytes)
        place = self._place(position or {})
        inside = box.intersection(self.bounding_box.in_mag(at))
        if inside == box and box.volume * self.source.bytes_per_voxel <= _STEP_BYTES:
            return _channels_last(self._voxels.read(self.source, at, box, place))
        whole = np.zeros((*reversed(box.size), self.num_channels), self.dtype).transpose(3, 2, 1, 0)
        steps = _steps(inside, self.source.bytes_per_voxel)
        with Progress(f"Reading {self.name}, mag {at}", len(steps)) as progress:
            for step in steps:
                (x0, y0, z0), (x1, y1, z1) = step.topleft - box.topleft, step.bottomright - box.topleft
                whole[:, x0:x1, y0:y1, z0:z1] = self._voxels.read(self.source, at, step, place)
                progress.advance()
        return _channels_last(whole)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read by slices of mag-1 voxels: ``layer[100:200, 100:200, 50]``.

        Numbers are positions in the dataset, as everywhere, so negative ones are not counted from the
        end; open ends are those of the layer. A number in place of a slice drops its axis.
        """
        key = key if isinstance(key, tuple) else (key,)
        if Ellipsis in key:
            at = key.index(Ellipsis)
            key = (*key[:at], *[slice(None)] * (4 - len(key)), *key[at + 1 :])
        if len(key) > 3:
            raise InvalidInput(
                f"a layer has three axes x, y, z, not {len(key)}.", hint="Pick channels afterwards."
            )
        ranges = [
            self._range(part, axis) for axis, part in enumerate((*key, *[slice(None)] * (3 - len(key))))
        ]
        begin, end = zip(*ranges, strict=True)
        voxels = self.read(BoundingBox.from_corners(begin, end))
        dropped = tuple(axis for axis, part in enumerate(key) if not isinstance(part, slice))
        return voxels.squeeze(axis=dropped) if dropped else voxels

    def to_tensorstore(self, mag: MagLike | None = None, *, position: Mapping[str, int] | None = None) -> Any:
        """Return a lazy tensorstore array x, y, z[, channel], indexed by positions in voxels of ``mag``."""
        from wk_jupyter.client import lazy  # noqa: PLC0415 loads tensorstore

        return lazy.tensorstore_array(self._view(mag), self._reader(mag, position))

    def to_dask(self, mag: MagLike | None = None, *, position: Mapping[str, int] | None = None) -> Any:
        """Return a lazy dask array x, y, z[, channel]; index 0 is the layer's first voxel."""
        from wk_jupyter.client import lazy  # noqa: PLC0415 loads dask

        return lazy.dask_array(self._view(mag), self._reader(mag, position))

    def to_zarr(self, mag: MagLike | None = None, *, position: Mapping[str, int] | None = None) -> Any:
        """Return a read-only zarr.Array x, y, z[, channel]; index 0 is the layer's first voxel."""
        from wk_jupyter.client import lazy  # noqa: PLC0415 loads zarr

        return lazy.zarr_array(self._view(mag), self._reader(mag, position))

    def thumbnail(self, width: int = 400, height: int = 400) -> Png:
        """Return a picture of the middle of the layer."""
        from wk_jupyter.client.images import Png  # noqa: PLC0415 a short way to a rarely used name

        return Png(self._voxels.thumbnail(self.name, width, height))

    def __repr__(self) -> str:
        mags = ", ".join(mag.name for mag in self.mags)
        return (
            f"<Layer {self.name!r}: {self.category}, {self.element_class}, {self.bounding_box}, mags {mags}>"
        )

    def _repr_html_(self) -> str:
        return f"<table>{LAYER_HEAD}{layer_row(self)}</table>"

    def _view(self, mag: MagLike | None) -> MagView:
        return self.mags[mag] if mag is not None else self.mags[self.source.mags[0].mag]

    def _reader(
        self, mag: MagLike | None, position: Mapping[str, int] | None
    ) -> Callable[[BoundingBox], NDArray[Any]]:
        at = self._view(mag).mag
        place = self._place(position or {})
        return lambda box: _channels_last(self._voxels.read(self.source, at, box, place))

    def _place(self, position: Mapping[str, int]) -> dict[str, int]:
        for name, number in position.items():
            if name not in self.axes:
                there = ", ".join(self.axes) or "none"
                raise InvalidInput(f"the layer {self.name!r} has no axis {name!r}; it has {there}.")
            if number not in self.axes[name]:
                axis = self.axes[name]
                raise InvalidInput(
                    f"{name} of {self.name!r} goes from {axis.start} to {axis.stop - 1}, not to {number}."
                )
        return dict(position)

    def _range(self, part: Any, axis: int) -> tuple[int, int]:
        name = "xyz"[axis]
        if isinstance(part, slice):
            if part.step not in (None, 1):
                raise InvalidInput(
                    f"steps are not read: {name} has step {part.step}.", hint="Read a coarser mag instead."
                )
            begin = self.bounding_box.topleft[axis] if part.start is None else part.start
            end = self.bounding_box.bottomright[axis] if part.stop is None else part.stop
            corners = Vec3Int.of([begin, end, 0], f"a slice of {name}")
            return corners[0], max(corners[0], corners[1])
        number = Vec3Int.of(part, f"a position of {name}")[0] if not isinstance(part, list) else None
        if number is None:
            raise InvalidInput(f"{name} is picked by a number or a slice, not by a list.")
        return number, number + 1

    def _check_size(self, box: BoundingBox, max_bytes: int | None) -> None:
        size = box.volume * self.source.bytes_per_voxel
        limit = max_bytes if max_bytes is not None else default_read_limit()
        if size > limit:
            coarsest = self.source.mags[-1].mag
            raise TooLarge(
                f"{' × '.join(map(str, box.size))} voxels of {self.name!r} are {human_bytes(size)}; "
                f"at most {human_bytes(limit)} are read at once.",
                hint=f"Read a smaller box, a coarser mag (up to {coarsest}), or lazily with to_dask(); "
                f"max_bytes=… or {_ENVIRONMENT} raises the limit.",
            )


LAYER_HEAD: Final = (
    "<tr>" + "".join(f"<th style='text-align:left'>{head}</th>" for head in
    ("Layer", "Category", "Type", "Extent (voxels)", "From", "Mags")) + "</tr>"
)  # fmt: skip


def layer_row(layer: Layer) -> str:
    """Return a row of an HTML table."""
    cells = (
        layer.name,
        layer.category,
        layer.element_class
        if layer.num_channels in (1, 3)
        else f"{layer.element_class} × {layer.num_channels}",
        " × ".join(f"{n:,}" for n in layer.bounding_box.size),
        ", ".join(map(str, layer.bounding_box.topleft)),
        ", ".join(mag.name for mag in layer.mags),
    )
    return "<tr>" + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in cells) + "</tr>"


def human_bytes(count: float) -> str:
    """Write a number of bytes for people: ``1.5 GB``."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError


def default_read_limit() -> int:
    """Return the bytes that one read may have: as the environment says, else half of the memory."""
    told = os.environ.get(_ENVIRONMENT, "")
    if told.isdecimal():
        return int(told)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):  # a system that does not tell
        return 2**32


def _box(bbox: BoxLike) -> BoundingBox:
    if isinstance(bbox, BoundingBox):
        box = bbox
    else:
        try:
            topleft, size = bbox
        except (TypeError, ValueError):
            raise InvalidInput(
                f"a box is a BoundingBox or (topleft, size), not {bbox!r}.",
                hint="As in ((0, 0, 0), (64, 64, 64)).",
            ) from None
        box = BoundingBox(topleft, size)
    if box.is_empty:
        raise InvalidInput(f"the box {box} is empty.", hint="Its sizes along x, y and z must be at least 1.")
    return box


def _whole_voxels(box: BoundingBox, mag: Mag) -> BoundingBox:
    grown = box.aligned(mag)
    if grown != box:
        message = f"the box {box} was grown to {grown}, which is whole voxels of mag {mag}."
        warnings.warn(message, RoundedBoxWarning, stacklevel=3)
    return box.in_mag(mag)


def _steps(box: BoundingBox, voxel_bytes: int) -> list[BoundingBox]:
    if box.is_empty:
        return []
    depth = max(1, _STEP_BYTES // max(1, box.size.x * box.size.y * voxel_bytes))
    starts = range(box.topleft.z, box.bottomright.z, depth)
    return [
        BoundingBox(
            (box.topleft.x, box.topleft.y, z), (box.size.x, box.size.y, min(depth, box.bottomright.z - z))
        )
        for z in starts
    ]


def _channels_last(voxels: NDArray[Any]) -> NDArray[Any]:
    return voxels[0] if len(voxels) == 1 else np.moveaxis(voxels, 0, -1)
