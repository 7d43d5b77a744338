"""Small dataset folders for tests of the catalog: properties files without voxels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def properties(**changes: Any) -> dict[str, Any]:
    def layer(name: str, category: str, element: str) -> dict[str, Any]:
        return {
            "name": name,
            "category": category,
            "boundingBox": {"topLeft": [0, 0, 0], "width": 64, "height": 64, "depth": 8},
            "elementClass": element,
            "dataFormat": "wkw",
            "mags": [{"mag": [1, 1, 1], "path": f"./{name}/1"}],
        }

    document = {
        "id": {"name": "", "team": ""},
        "scale": {"factor": [11.24, 11.24, 28], "unit": "nanometer"},
        "dataLayers": [layer("color", "color", "uint8"), layer("cells", "segmentation", "uint32")],
        "version": 1,
    }
    return {**document, **changes}


def write_dataset(root: Path, name: str, document: Any = None) -> Path:
    """Make a folder with a properties file and its layers' folders; ``document`` may be raw bytes."""
    folder = root / name
    for mag in ("color/1", "cells/1"):
        (folder / mag).mkdir(parents=True, exist_ok=True)
    raw = document if isinstance(document, bytes) else json.dumps(document or properties()).encode()
    (folder / "datasource-properties.json").write_bytes(raw)
    return folder
