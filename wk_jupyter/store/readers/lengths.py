"""Lengths as files write them, in nanometres."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import VoxelSize

VoxelNm = tuple[float | None, float | None, float | None]
NOTHING: Final[VoxelNm] = (None, None, None)
_SPELLINGS: Final = {
    "micron": "µm", "microns": "µm", "micrometer": "µm", "um": "µm", "\\u00B5m": "µm", "nanometer": "nm",
    "millimeter": "mm", "angstrom": "Å", "A": "Å", "inch": "in", "meter": "m",
}  # fmt: skip


def nanometers(value: Any, unit: str) -> float | None:
    """Return a length in nm; None where it is no length, or its unit none (``pixel``)."""
    with contextlib.suppress(InvalidInput, TypeError, ValueError):
        return VoxelSize((float(value), 1, 1), _SPELLINGS.get(unit, unit)).nanometers[0]
    return None
