"""Is a layer an image or a segmentation? Told by its name, else guessed from its voxels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np

from wk_jupyter.datasource import LayerSource
from wk_jupyter.errors import WkError
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.properties_document import Category

_SEGMENTATION: Final = re.compile(
    r"seg(mentation)?s?\b|segmentation|labels?|mask|ids?\b|instances|supervoxel", re.IGNORECASE
)
_COLOR: Final = re.compile(r"colou?r|\bem\b|raw|image", re.IGNORECASE)
_SAMPLES: Final = 20
_SAMPLE_SIDE: Final = 16
_ENOUGH_VOXELS: Final = 1000
_DISTINCT_PER_VOXEL: Final = 1 / 200  # images have more different values than this


def category_of_name(name: str, dtype: np.dtype[np.generic], num_channels: int) -> Category | None:
    """Return what the name tells, or None. Only integers of one channel can be a segmentation."""
    if dtype.kind not in "ui" or num_channels != 1:
        return "color"
    words = re.sub(r"[_\-.]", " ", name)
    if _SEGMENTATION.search(words):
        return "segmentation"
    return "color" if _COLOR.search(words) else None


def guess_category(root: Path, layer: LayerSource) -> Category:
    """Guess from samples of the voxels, the same ones each time: ids repeat far more than grey values."""
    from wk_jupyter.store.volumes import open_volume  # noqa: PLC0415 the other way round at import

    told = category_of_name(layer.name, layer.dtype, layer.num_channels)
    if told is not None:
        return told
    mag = layer.mags[0]
    box = layer.bounding_box.in_mag(mag.mag)
    random = np.random.default_rng(0)
    seen: list[int] = []
    distinct = 0
    try:
        volume = open_volume(root, layer, mag)
        for _ in range(_SAMPLES):
            room = (box.size - _SAMPLE_SIDE).pairmax(0)
            corner = box.topleft + Vec3Int.of([int(random.integers(0, n + 1)) for n in room])
            sample = BoundingBox(corner, (_SAMPLE_SIDE,) * 3).intersection(box)
            values = volume.read(sample)
            values = values[(values != 0) & (values != np.iinfo(values.dtype).max)]
            seen.append(values.size)
            distinct += len(np.unique(values))
    except WkError:
        return "color"
    if sum(seen) < _ENOUGH_VOXELS:
        return "segmentation" if layer.dtype.itemsize == 8 else "color"
    return "color" if distinct / sum(seen) > _DISTINCT_PER_VOXEL else "segmentation"
