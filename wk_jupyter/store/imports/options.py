"""What a person says about a delivery: corrections of what was recognised, and how it shall be stored."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import VoxelSize
from wk_jupyter.properties_document import Category


class LayerCorrection(msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise than proposed for the layer of a ``number``; what is unset stays.

    ``element_class``: the type to write. ``is_left_out``: no layer is made of it.
    """

    number: int
    name: str | None = None
    category: Category | None = None
    element_class: str | None = None
    topleft: tuple[int, int, int] | None = None
    is_left_out: bool = False


class ImportOptions(msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """``voxel_size``: of mag 1 along x, y, z in ``unit``; null: as the files tell.

    ``data_format``: null is the server's default. ``compression``: ``zstd:1`` … for Zarr, ``lz4`` or
    ``lz4hc`` for WKW. ``hints`` are for files that don't describe themselves (RAW: ``shape``, ``dtype``,
    ``order``, ``byteorder``, ``offset``). ``downsampling`` is that of grey values.
    """

    voxel_size: tuple[float, float, float] | None = None
    unit: str = "nanometer"
    data_format: Literal["zarr3", "wkw"] | None = None
    compression: str | None = None
    downsampling: Literal["median", "mean"] | None = None
    category: Category | None = None
    layer_name: str | None = None
    layers: tuple[LayerCorrection, ...] = ()
    hints: dict[str, Any] = {}

    def voxels(self) -> VoxelSize | None:
        """Return the voxel size that was given. Raises InvalidInput."""
        if self.voxel_size is None:
            return None
        if not all(math.isfinite(number) and number > 0 for number in self.voxel_size):
            raise InvalidInput("voxelSize: it is three positive numbers, x, y, z.")
        return VoxelSize(self.voxel_size, self.unit)


def parse_options(document: Any) -> ImportOptions:
    """Read options as JSON has them. Raises InvalidInput naming the field."""
    try:
        return msgspec.convert(document or {}, ImportOptions)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"options: {error}.") from None
