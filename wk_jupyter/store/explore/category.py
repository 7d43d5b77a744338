"""Is a layer an image or a segmentation? Told by its name, else guessed from its voxels."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from wk_jupyter.datasource import LayerSource
from wk_jupyter.errors import WkError
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.properties_document import Category
from wk_jupyter.store.volumes.base import Volume

_SEGMENTATION: Final = re.compile(
    r"segment|label|supervoxel|\bsegs?\b|\bmasks?\b|\bids?\b|\binstances?\b", re.IGNORECASE
)
_COLOR: Final = re.compile(r"colou?r|\bem\b|\braw\b|image|grayscale|greyscale", re.IGNORECASE)
_SAMPLES: Final = 20
SAMPLE_SIDE: Final = 16
ENOUGH_VOXELS: Final = 1000
DISTINCT_PER_VOXEL: Final = 1 / 200  # images have more different values than this
# For all samples of a layer, as a scan looks at many: bytes of chunks to decode, and their number.
_SAMPLE_BYTES: Final = 2**26
_SAMPLE_CHUNKS: Final = 2**14


def with_category(root: Path, layer: LayerSource) -> LayerSource:
    """Return the layer with the category that its name or its voxels tell."""
    return replace(layer, category=guess_category(root, layer))


def category_of_name(name: str, dtype: np.dtype[np.generic], num_channels: int) -> Category | None:
    """Return what the name tells, or None. Only integers of one channel can be a segmentation."""
    if dtype.kind not in "ui" or num_channels != 1:
        return "color"
    words = re.sub(r"[_\-.0-9]+", " ", name)
    if _SEGMENTATION.search(words):
        return "segmentation"
    return "color" if _COLOR.search(words) else None


def guess_category(root: Path, layer: LayerSource) -> Category:
    """Guess from samples of the voxels, the same ones each time: ids repeat far more than grey values.

    Where too few voxels are set to tell, 64-bit integers are a segmentation, all else an image.
    """
    from wk_jupyter.store.volumes import open_volume  # noqa: PLC0415 the other way round at import

    told = category_of_name(layer.name, layer.dtype, layer.num_channels)
    if told is not None:
        return told
    try:
        volume = open_volume(root, layer, layer.mags[0])
        try:
            seen, distinct = _sample(volume, layer.bounding_box.in_mag(layer.mags[0].mag))
        finally:
            volume.close()
    except WkError:
        return "color"
    if seen < ENOUGH_VOXELS:
        return "segmentation" if layer.dtype.itemsize == 8 else "color"
    return "color" if distinct / seen > DISTINCT_PER_VOXEL else "segmentation"


def _sample(volume: Volume, box: BoundingBox) -> tuple[int, int]:
    """Return how many voxels were looked at, and how many different values each sample has, summed.

    Voxels that are 0 or the greatest value are not counted: they are background in either kind.
    """
    random = np.random.default_rng(0)
    chunk = volume.info.chunk_shape
    chunk_bytes = chunk.product * volume.info.dtype.itemsize
    chunks = (Vec3Int.of(SAMPLE_SIDE) - 1).ceildiv(chunk).product + 1
    samples = max(1, min(_SAMPLES, _SAMPLE_BYTES // max(1, chunk_bytes), _SAMPLE_CHUNKS // chunks))
    seen = distinct = 0
    room = (box.size - SAMPLE_SIDE).pairmax(0)
    for _ in range(samples):
        corner = box.topleft + Vec3Int.of([int(random.integers(0, n + 1)) for n in room])
        values = volume.read(BoundingBox(corner, (SAMPLE_SIDE,) * 3).intersection(box))
        values = values[(values != 0) & (values != np.iinfo(values.dtype).max)]
        seen += values.size
        distinct += len(np.unique(values))
    return seen, distinct
