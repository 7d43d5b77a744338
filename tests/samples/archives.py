"""Zip files of a small dataset, honest ones and others."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Mapping

PROPERTIES = {
    "id": {"name": "anything", "team": "foreign"},
    "dataLayers": [
        {
            "name": "color",
            "category": "color",
            "boundingBox": {"topLeft": [0, 0, 0], "width": 64, "height": 64, "depth": 64},
            "wkwResolutions": [{"resolution": 1, "cubeLength": 1024}],
            "elementClass": "uint8",
            "dataFormat": "wkw",
        }
    ],
    "scale": [16.5, 16.5, 25.0],
}
BLOCK = random.Random(5).randbytes(1_000_000)


def zip_of(files: Mapping[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def dataset_zip(folder: str = "e2006_wkw/", block: bytes = BLOCK) -> bytes:
    """About a megabyte: a dataset folder with a layer of one file, and what macOS adds."""
    return zip_of(
        {
            f"{folder}datasource-properties.json": json.dumps(PROPERTIES).encode(),
            f"{folder}color/1/z0/y0/x0.wkw": block,
            f"{folder}.DS_Store": b"finder",
            f"__MACOSX/{folder}._color": b"fork",
        }
    )
