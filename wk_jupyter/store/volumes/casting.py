"""Voxels stored in another type than the layer's: handed out in the layer's, where no value changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.datasource import LayerSource
from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.volumes.base import FIRST_POSITION, Position, Volume


class CastVolume:
    """A volume seen in another type. What it stores can not be passed on as it lies."""

    def __init__(self, volume: Volume, layer: LayerSource) -> None:
        self._volume = volume
        self._layer = layer
        self.info = replace(volume.info, dtype=layer.dtype)

    def read(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        """Return the voxels of ``box`` as (c, x, y, z) in the layer's type.

        Raises CorruptData where a value does not fit into it.
        """
        return self._cast(self._volume.read(box, position))

    async def read_async(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        return await asyncio.to_thread(self.read, box, position)

    def close(self) -> None:
        self._volume.close()

    def _cast(self, voxels: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(over="ignore"):
            cast = voxels.astype(self.info.dtype)
        same = cast == voxels
        if voxels.dtype.kind == "f":
            same |= np.isnan(voxels)
        if not same.all():
            value = voxels[~same].flat[0]
            raise CorruptData(
                f"{self.info.label} holds {voxels.dtype} voxels, one of which is {value}; layer "
                f"{self._layer.name!r} is {self._layer.element_class}, which cannot hold that.",
                path=self.info.label,
                hint='Correct "elementClass" in the properties file.',
            )
        return cast


def in_type_of(volume: Volume, layer: LayerSource) -> Volume:
    """Return the volume in the layer's own type, where both are integers or both are floats.

    Integers of the same size are left alone: their bits mean the same to whoever reads them.
    """
    stored, wanted = volume.info.dtype, layer.dtype
    both_integers = stored.kind in "ui" and wanted.kind in "ui"
    if stored.itemsize == wanted.itemsize or not (both_integers or stored.kind == wanted.kind):
        return volume
    return CastVolume(volume, layer)
