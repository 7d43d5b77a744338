from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import wk_jupyter as wk
from wk_jupyter.client.dataset import Dataset
from wk_jupyter.store.volumes.wkw_format import WkwHeader
from wk_jupyter.store.volumes.wkw_writer import WkwWriter

SIZE = (40, 36, 34)
BOX = {"topLeft": [0, 0, 0], "width": SIZE[0], "height": SIZE[1], "depth": SIZE[2]}


@pytest.fixture(scope="session")
def voxels() -> np.ndarray:
    x, y, z = np.indices(SIZE)
    return (x + 2 * y + z).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, voxels: np.ndarray) -> Path:
    """A dataset with one layer of each category, and settings in its file."""
    ids = voxels.astype(np.uint64) + np.uint64(2**60)
    for name, array in (("color", voxels), ("ids", ids)):
        header = WkwHeader(array.dtype, file_len=2)
        WkwWriter(tmp_path / "small" / name / "1", header).write((0, 0, 0), array)
    layers = [
        {
            "name": "color",
            "category": "color",
            "boundingBox": BOX,
            "elementClass": "uint8",
            "dataFormat": "wkw",
            "mags": [{"mag": 1}],
            "defaultViewConfiguration": {"alpha": 70, "color": [1, 2, 3]},
        },
        {
            "name": "ids",
            "category": "segmentation",
            "boundingBox": BOX,
            "elementClass": "uint64",
            "dataFormat": "wkw",
            "mags": [{"mag": 1}],
            "largestSegmentId": 2**60 + 200,
        },
    ]
    document = {
        "id": {"name": "small", "team": ""},
        "scale": {"factor": [4.0, 4.0, 40.0], "unit": "nanometer"},
        "dataLayers": layers,
        "defaultViewConfiguration": {"zoom": 3.0, "blendMode": "Cover", "interpolation": True},
    }
    (tmp_path / "small" / "datasource-properties.json").write_text(json.dumps(document))
    return tmp_path / "small"


@pytest.fixture
def dataset(folder: Path) -> Dataset:
    return wk.open(folder)
