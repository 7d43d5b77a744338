"""Small datasets whose every voxel is known by a formula."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from wk_jupyter.store.volumes.wkw_format import BlockType, WkwHeader, cube_path
from wk_jupyter.store.volumes.wkw_writer import WkwWriter

SIZE = (128, 96, 64)
FIRST_ID = 2**60 + 3  # JavaScript's numbers end at 2**53
BLOCK = 32
BROKEN_CUBE = (1, 1, 1)
SHOW = """\
import wk_jupyter as wk
viewer = wk.open("known").view(position=(64, 48, 32), zoom=0.5)
viewer"""  # the middle of ``known``, two pixels a voxel


def grey(x: int, y: int, z: int) -> int:
    """The intensity of a voxel of ``known`` and ``broken``."""
    return x + y // 2 + z


def segment(x: int, y: int, z: int) -> int:
    """The id of a voxel of ``known``: 0 in the first block, else large numbers that differ by one."""
    number = x // BLOCK + 4 * (y // BLOCK) + 16 * (z // BLOCK)
    return FIRST_ID + number if number else 0


def write_datasets(folder: Path) -> None:
    """Write ``known``, with both layers, and ``broken``, of which one cube file is damaged."""
    x, y, z = np.indices(SIZE)
    color = (x + y // 2 + z).astype(np.uint8)
    number = x // BLOCK + 4 * (y // BLOCK) + 16 * (z // BLOCK)
    ids = np.where(number > 0, np.uint64(FIRST_ID) + number.astype(np.uint64), np.uint64(0))
    _write(folder / "known" / "color" / "1", color, file_len=4)
    _write(folder / "known" / "color" / "2", np.ascontiguousarray(color[::2, ::2, ::2]), file_len=4)
    _write(folder / "known" / "segmentation" / "1", ids, file_len=4)
    layers = [
        _layer("color", "uint8", (1, 2)),
        {
            **_layer("segmentation", "uint64", (1,)),
            "category": "segmentation",
            "largestSegmentId": int(ids.max()),
            "defaultViewConfiguration": {"isDisabled": True},
        },
    ]
    _write_properties(folder / "known", layers)
    _write(folder / "broken" / "color" / "1", color, file_len=1)
    _write_properties(folder / "broken", [_layer("color", "uint8", (1,))])
    damage(folder / "broken")


def damage(dataset: Path) -> None:
    """Cut off the end of a cube file, as a full disk or a broken copy does."""
    file = cube_path(dataset / "color" / "1", *BROKEN_CUBE)
    file.write_bytes(file.read_bytes()[:40])


def _write(folder: Path, voxels: np.ndarray, file_len: int) -> None:
    header = WkwHeader(voxels.dtype, block_len=BLOCK, file_len=file_len, block_type=BlockType.LZ4)
    WkwWriter(folder, header).write((0, 0, 0), voxels)


def _layer(name: str, element_class: str, mags: tuple[int, ...]) -> dict[str, Any]:
    width, height, depth = SIZE
    return {
        "name": name,
        "category": "color",
        "boundingBox": {"topLeft": [0, 0, 0], "width": width, "height": height, "depth": depth},
        "elementClass": element_class,
        "dataFormat": "wkw",
        "numChannels": 1,
        "mags": [{"mag": [mag, mag, mag]} for mag in mags],
    }


def _write_properties(folder: Path, layers: list[dict[str, Any]]) -> None:
    document = {
        "id": {"name": folder.name, "team": ""},
        "scale": {"factor": [10.0, 10.0, 10.0], "unit": "nanometer"},
        "dataLayers": layers,
        "version": 1,
    }
    (folder / "datasource-properties.json").write_text(json.dumps(document))
