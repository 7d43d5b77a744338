"""Which dimension of a stored array is which axis, as a layer's properties tell it."""

from __future__ import annotations

from typing import Final

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData
from wk_jupyter.store.volumes.tensorstore_volume import AxisMap

# WEBKNOSSOS's own order, where the properties say nothing.
_DEFAULT_AXES: Final = {1: "x", 2: "xy", 3: "xyz", 4: "cxyz"}


def axes_of(layer: LayerSource, mag: MagSource, rank: int, label: str) -> AxisMap:
    """Return the axes of an array of ``rank`` dimensions: ``axisOrder``, else c, x, y, z.

    Dimensions that are named neither there nor as additional axes stay at their first position.
    Raises CorruptData where the names don't fit the array.
    """
    dims = dict(mag.axis_order) if mag.axis_order is not None else _default(layer, rank, label)
    # Some writers name a channel dimension of arrays that have none.
    dims = {axis: dim for axis, dim in dims.items() if axis in "xyz" or (axis == "c" and dim < rank)}
    dims.update({axis.name: axis.index for axis in layer.additional_axes})
    if any(dim >= rank for dim in dims.values()) or len(set(dims.values())) != len(dims):
        named = ", ".join(f"{axis} is {dim}" for axis, dim in dims.items())
        raise CorruptData(
            f"{label} has {rank} dimensions, which its axis order ({named}) does not fit.",
            path=label,
            hint='Correct "axisOrder" or "additionalAxes" in the properties file.',
        )
    first = {axis.name: axis.lower for axis in layer.additional_axes}
    return AxisMap(dims, channels_of(layer, mag), first)


def channels_of(layer: LayerSource, mag: MagSource) -> slice:
    """Return which channels of an array are the layer's: all, unless a first one is named."""
    if mag.channel_index is None:
        return slice(None)
    return slice(mag.channel_index, mag.channel_index + layer.num_channels)


def _default(layer: LayerSource, rank: int, label: str) -> dict[str, int]:
    taken = {axis.index for axis in layer.additional_axes}
    free = [dim for dim in range(rank) if dim not in taken]
    if len(free) not in _DEFAULT_AXES:
        raise CorruptData(
            f"{label} has {rank} dimensions and no axisOrder.",
            path=label,
            hint='Name them under "axisOrder" in datasource-properties.json.',
        )
    return dict(zip(_DEFAULT_AXES[len(free)], free, strict=True))
