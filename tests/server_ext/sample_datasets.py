"""Small datasets with known voxels, written by tensorstore and by hand: not by the code under test."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorstore as ts

ORGANIZATION = "lab"
TOKEN = "0123456789abcdef-the-token"
CORNER = (5, 6, 7)
SIZE = (70, 60, 50)
BIG_ID = 2**60 + 3


@dataclass
class Samples:
    """``truth``: (dataset, layer, mag) -> (c, x, y, z) from voxel 0 of the mag to the layer's end."""

    data_dir: Path
    truth: dict[tuple[str, str, str], np.ndarray] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.data_dir / "binaryData" / ORGANIZATION


def write_samples(data_dir: Path) -> Samples:
    samples = Samples(data_dir)
    samples.folder.mkdir(parents=True)
    _write_cells(samples)
    _write_rgb(samples)
    _write_timelapse(samples)
    broken = samples.folder / "broken"
    broken.mkdir()
    (broken / "datasource-properties.json").write_text(
        '{"id": {"name": "broken", "team": ""}, "scale": [1, 1'
    )
    return samples


def box_of(corner, size) -> dict:
    return {"topLeft": list(corner), "width": size[0], "height": size[1], "depth": size[2]}


def write_properties(folder: Path, layers: list[dict], **more) -> None:
    document = {
        "id": {"name": folder.name, "team": ORGANIZATION},
        "scale": {"factor": [4.0, 4.0, 35.0], "unit": "nanometer"},
        "dataLayers": layers,
        "version": 1,
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "datasource-properties.json").write_text(json.dumps(document))


def write_array(path: Path, voxels: np.ndarray, driver: str = "zarr3") -> None:
    """Zarr v3 in shards of 64³ with zstd chunks of 32³, channels fastest, or Zarr v2 with plain chunks."""
    channels = voxels.shape[0]
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}, "create": True}
    if driver == "zarr3":
        inner = [
            {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}},
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 1}},
        ]
        sharding = {"chunk_shape": [channels, 32, 32, 32], "codecs": inner}
        spec["metadata"] = {
            "shape": voxels.shape,
            "data_type": voxels.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [channels, 64, 64, 64]}},
            "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        }
    else:
        spec["metadata"] = {
            "shape": voxels.shape,
            "chunks": [channels, 20, 30, 40],
            "dtype": voxels.dtype.str,
            "compressor": None,
        }
    ts.open(spec).result().write(voxels).result()


def _framed(voxels: np.ndarray, corner) -> np.ndarray:
    """Zeros before the layer's corner, then the voxels."""
    x, y, z = corner
    return np.pad(voxels, [(0, 0), (x, 0), (y, 0), (z, 0)])


def _write_cells(samples: Samples) -> None:
    random = np.random.default_rng(1)
    folder = samples.folder / "cells"
    color = _framed(random.integers(1, 255, (1, *SIZE), np.uint8), CORNER)
    color[:, 32:64, 0:32, 32:] = 0  # a brick that is not stored
    coarse = np.ascontiguousarray(color[:, ::2, ::2, :])
    ids = np.array([0, 1, 2, BIG_ID], np.uint64)
    segmentation = _framed(ids[random.integers(0, 4, (1, *SIZE))], CORNER)
    write_array(folder / "color" / "1", color)
    write_array(folder / "color" / "2-2-1", coarse)
    write_array(folder / "segmentation" / "1", segmentation, "zarr")
    order = {"c": 0, "x": 1, "y": 2, "z": 3}
    layers = [
        {
            "name": "color",
            "category": "color",
            "boundingBox": box_of(CORNER, SIZE),
            "elementClass": "uint8",
            "dataFormat": "zarr3",
            "numChannels": 1,
            "mags": [
                {"mag": [1, 1, 1], "path": "./color/1", "axisOrder": order, "credentialId": "kept"},
                {"mag": [2, 2, 1], "path": "./color/2-2-1", "axisOrder": order},
            ],
            "defaultViewConfiguration": {"intensityRange": [10, 200], "color": [255, 128, 0]},
        },
        {
            "name": "segmentation",
            "category": "segmentation",
            "boundingBox": box_of(CORNER, SIZE),
            "elementClass": "uint64",
            "dataFormat": "zarr",
            "numChannels": 1,
            "largestSegmentId": BIG_ID,
            "mags": [{"mag": [1, 1, 1], "path": "./segmentation/1", "axisOrder": order}],
            "attachments": {
                "agglomerates": [
                    {"name": "view 1", "path": "./segmentation/agglomerates/v1", "dataFormat": "zarr3"}
                ],
                "segmentIndex": {"name": "index", "path": "/etc/hostname", "dataFormat": "hdf5"},
            },
        },
    ]
    agglomerate = folder / "segmentation" / "agglomerates" / "v1"
    agglomerate.mkdir(parents=True)
    (agglomerate / "zarr.json").write_text('{"zarr_format": 3}')
    write_properties(folder, layers, defaultViewConfiguration={"zoom": 2.0})
    samples.truth["cells", "color", "1"] = color
    samples.truth["cells", "color", "2-2-1"] = coarse
    samples.truth["cells", "segmentation", "1"] = segmentation


def _write_rgb(samples: Samples) -> None:
    folder = samples.folder / "rgb"
    voxels = np.random.default_rng(2).integers(0, 255, (3, 40, 33, 5), np.uint8)
    write_array(folder / "photo" / "1", voxels, "zarr")
    layer = {
        "name": "photo",
        "category": "color",
        "boundingBox": box_of((0, 0, 0), (40, 33, 5)),
        "elementClass": "uint24",
        "dataFormat": "zarr",
        "numChannels": 3,
        "mags": [{"mag": 1, "path": "./photo/1", "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}}],
    }
    write_properties(folder, [layer])
    samples.truth["rgb", "photo", "1"] = voxels


def _write_timelapse(samples: Samples) -> None:
    folder = samples.folder / "timelapse"
    voxels = np.random.default_rng(3).integers(1, 60000, (1, 3, 20, 21, 22), np.uint16)
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(folder / "film" / "1")},
        "metadata": {
            "shape": voxels.shape,
            "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 1, 16, 16, 16]}},
        },
        "create": True,
    }
    ts.open(spec).result().write(voxels).result()
    layer = {
        "name": "film",
        "category": "color",
        "boundingBox": box_of((0, 0, 0), (20, 21, 22)),
        "elementClass": "uint16",
        "dataFormat": "zarr3",
        "numChannels": 1,
        "additionalAxes": [{"name": "t", "bounds": [0, 3], "index": 1}],
        "mags": [{"mag": [1, 1, 1], "path": "./film/1", "axisOrder": {"c": 0, "x": 2, "y": 3, "z": 4}}],
    }
    write_properties(folder, [layer])
    samples.truth["timelapse", "film", "1"] = voxels
