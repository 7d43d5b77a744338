"""Is an image made of grey values or of ids? Told by the file, its name, or samples of its voxels."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import WkError
from wk_jupyter.properties_document import Category
from wk_jupyter.store.explore.category import (
    DISTINCT_PER_VOXEL,
    ENOUGH_VOXELS,
    SAMPLE_SIDE,
    category_of_name,
)
from wk_jupyter.store.readers.base import Image, Region

_SAMPLES: Final = 20
_PLANES: Final = 5  # of which samples are taken: to read one may mean to decode a whole page
_WINDOW: Final = 512


def image_category(name: str, image: Image, channels: tuple[int, int]) -> Category:
    """Return the category of a layer of these channels. Only integers of one channel can be ids.

    The same voxels are looked at each time. Where too few are set to tell, 64-bit integers are ids.
    """
    info = image.info
    told = category_of_name(name, info.dtype, channels[1] - channels[0])
    if info.labels is not None and not (told == "color" and info.dtype.kind not in "ui"):
        return "segmentation" if info.labels else "color"
    if told is not None:
        return told
    try:
        seen, distinct = _sample(image, channels[0])
    except WkError:  # the conversion will tell
        return "color"
    if seen < ENOUGH_VOXELS:
        return "segmentation" if info.dtype.itemsize == 8 else "color"
    return "color" if distinct / seen > DISTINCT_PER_VOXEL else "segmentation"


def _sample(image: Image, channel: int) -> tuple[int, int]:
    """Return how many voxels that are not 0 or the greatest were seen, and how many values in all.

    One window of a few planes is read each, and sampled in places.
    """
    random = np.random.default_rng(0)
    size, grain = image.info.size, image.info.grain
    planes = [int(z) for z in np.linspace(0, size.z - 1, min(_PLANES, size.z) + 2)[1:-1]]
    seen = distinct = 0
    for plane in sorted(set(planes)):
        depth = min(SAMPLE_SIDE, grain.z, size.z - plane)
        y, x = (int(random.integers(0, max(1, extent - _WINDOW + 1))) for extent in size[3:])
        ends = min(size.y, y + _WINDOW), min(size.x, x + _WINDOW)
        part = (plane, plane + depth), (y, ends[0]), (x, ends[1])
        window = image.read(Region(0, (channel, channel + 1), *part))[0]
        side = math.isqrt(SAMPLE_SIDE**3 // depth)  # as many voxels as a cube has: each id fills a part
        for _ in range(_SAMPLES // len(set(planes))):
            row, column = (int(random.integers(0, max(1, n - side + 1))) for n in window.shape[1:])
            values = _counted(window[:, row : row + side, column : column + side])
            seen += values.size
            distinct += len(np.unique(values))
    return seen, distinct


def _counted(values: NDArray[Any]) -> NDArray[Any]:
    kept: NDArray[Any] = values[(values != 0) & (values != np.iinfo(values.dtype).max)]
    return kept
