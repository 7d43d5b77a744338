"""A voxel size from lengths that are told axis by axis, each in a unit of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import VoxelSize, length_unit

LengthsByAxis: TypeAlias = Mapping[str, tuple[float, str | None]]
"""The size of a voxel and its unit (None: not told) for some of x, y, z."""


def voxel_size(lengths: LengthsByAxis, *, default_unit: str) -> tuple[VoxelSize | None, tuple[str, ...]]:
    """Bring lengths to the unit of the first axis that tells one; an axis without a length is as the least.

    Returns None where neither units nor sizes are told, and notices for what was assumed.
    Raises InvalidInput where a unit is none of length.
    """
    told = [unit for _, unit in lengths.values() if unit]
    if not lengths or (not told and all(size == 1 for size, _ in lengths.values())):
        return None, ()
    notices: tuple[str, ...] = ()
    if not told:
        notices = (f"no unit of length is told: {default_unit}s are assumed.",)
    elif len(told) < len(lengths):
        without = ", ".join(axis for axis, (_, unit) in lengths.items() if not unit)
        notices = (f"no unit of length is told for {without}: {length_unit(told[0])}s are assumed.",)
    unit = length_unit(told[0] if told else default_unit)
    by_axis = {axis: _in_unit(size, own or unit, unit) for axis, (size, own) in lengths.items()}
    least = min(by_axis.values())
    x, y, z = (float(f"{by_axis.get(axis, least):.12g}") for axis in "xyz")
    return VoxelSize((x, y, z), unit), notices


def _in_unit(size: float, own: str, unit: str) -> float:
    if length_unit(own) == unit:
        return size
    if not size > 0:
        raise InvalidInput(f"a voxel size must be positive, not {size!r}.")
    return size * VoxelSize((1, 1, 1), own).nanometers[0] / VoxelSize((1, 1, 1), unit).nanometers[0]
