"""What a conversion is to do, as values that go to other processes as JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np

from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import BoundingBox, VoxelSize
from wk_jupyter.properties_document import Category
from wk_jupyter.store.readers.base import ImageRef

OutputFormat = Literal["zarr3", "wkw"]
PLAN_FILE: Final = "plan.json"  # in the folder of a conversion
DATASET_FOLDER: Final = "dataset"
_COMPRESSIONS: Final = {"zarr3": r"zstd:(1?[1-9]|10)", "wkw": "lz4|lz4hc|raw"}


@dataclass(frozen=True)
class LayerPlan:
    """A layer made of a half-open range of an image's channels and points in time.

    Three channels of uint8 are a picture in colour, else there is one. ``dtype``: what is written, to which
    the image's voxels are cast. ``topleft``: where the image's first voxel lies (x, y, z) in the dataset.
    ``intensity_range`` None: found in the voxels. ``size`` of the image in voxels x, y, z.
    ``grain``: voxels (z, y, x) of the image that can only be decoded together.
    """

    name: str
    category: Category
    source: ImageRef
    size: tuple[int, int, int]
    channels: tuple[int, int] = (0, 1)
    timepoints: tuple[int, int] = (0, 1)
    dtype: str = "uint8"
    topleft: tuple[int, int, int] = (0, 0, 0)
    intensity_range: tuple[float, float] | None = None
    color: tuple[int, int, int] | None = None
    grain: tuple[int, int, int] = (1, 1, 1)

    @property
    def box(self) -> BoundingBox:
        """The layer's box in mag-1 voxels."""
        return BoundingBox(self.topleft, self.size)

    @property
    def num_channels(self) -> int:
        return self.channels[1] - self.channels[0]

    @property
    def voxel_bytes(self) -> int:
        return self.num_channels * np.dtype(self.dtype).itemsize

    @property
    def times(self) -> int:
        return self.timepoints[1] - self.timepoints[0]

    def with_timepoints(self, name: str, timepoints: tuple[int, int]) -> LayerPlan:
        """Return the same layer of other points in time, under another name."""
        return replace(self, name=name, timepoints=timepoints)


@dataclass(frozen=True)
class ConversionPlan:
    """A dataset to be made. ``compression``: ``zstd:<level>`` for Zarr, ``lz4`` or ``lz4hc`` for WKW.

    ``max_mag``: the coarsest mag along any axis; None: as coarse as an overview needs.
    ``downsampling`` is that of grey values; ids always keep the one that occurs most.
    """

    name: str
    layers: tuple[LayerPlan, ...]
    voxel_size: VoxelSize
    format: OutputFormat = "zarr3"
    compression: str = "zstd:1"
    downsampling: Literal["mean", "median"] = "mean"
    max_mag: int | None = None
    properties: dict[str, Any] = field(default_factory=dict)

    def require_possible(self) -> None:
        """Raise InvalidInput where the format cannot hold this."""
        if not self.layers:
            raise InvalidInput("a dataset has a layer at least.")
        if not re.fullmatch(_COMPRESSIONS[self.format], self.compression):
            raise InvalidInput(
                f"{self.compression!r} is no compression of {self.format}.",
                hint="Zarr v3 takes zstd:1 to zstd:19, WKW takes lz4, lz4hc and raw.",
            )
        for layer in self.layers:
            if min(layer.topleft) < 0:
                place = ", ".join(map(str, layer.topleft))
                raise InvalidInput(f"layer {layer.name} begins at {place}.", hint="Begin at 0 at least.")
            if min(*layer.size, layer.num_channels, layer.times) < 1:
                raise InvalidInput(f"layer {layer.name} is empty.")
            if self.format == "wkw" and layer.times > 1:
                raise InvalidInput(
                    f"layer {layer.name} has {layer.times} points in time, but WKW has no axis t.",
                    hint="Choose Zarr v3, or a layer for each point in time.",
                )

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @staticmethod
    def decode(raw: bytes) -> ConversionPlan:
        """Return the plan of ``encode``. Raises msgspec.MsgspecError."""
        return msgspec.json.decode(raw, type=ConversionPlan)


class ConversionProgress(NamedTuple):
    """How far a conversion is: voxels written of all mags, and what is being done."""

    done: int
    total: int
    message: str

    @property
    def fraction(self) -> float:
        return self.done / self.total if self.total else 1.0
