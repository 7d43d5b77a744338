"""The official client, unmodified, opens what was converted, and reads the voxels that we do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "store" / "convert"))

from conversions import converted, layer_of, plan_of, read_layer

from wk_jupyter.geometry import Mag, VoxelSize

SCRIPT = Path(__file__).with_name("webknossos_converted_script.py")
PLACES = {"grey": (17, 40, 5), "colours": (0, 0, 0), "ids": (60, 0, 33)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("converted")
    rng = np.random.default_rng(4)
    grey = rng.integers(0, 60000, (1, 1, 40, 70, 90), np.uint16)
    colours = rng.integers(0, 255, (1, 3, 20, 66, 31), np.uint8)
    ids = rng.integers(0, 2, (1, 1, 50, 60, 70), np.uint64) * np.uint64(2**53 + 1)
    layers = (
        layer_of(home, grey, name="grey", topleft=PLACES["grey"]),
        layer_of(home, colours, name="colours"),
        layer_of(home, ids, name="ids", topleft=PLACES["ids"], category="segmentation"),
    )
    size = VoxelSize((4, 4, 35))
    plans = {
        "zarr3": plan_of(*layers, voxel_size=size),
        "lz4": plan_of(*layers, voxel_size=size, format="wkw"),
        "lz4hc": plan_of(*layers, voxel_size=size, format="wkw", compression="lz4hc"),
        "times": plan_of(layer_of(home, rng.integers(0, 9, (3, 1, 9, 40, 50), np.uint8), name="times")),
    }
    return {name: converted(plan, home / name) for name, plan in plans.items()}


@pytest.fixture(scope="module")
def seen(peer_python, folders, tmp_path_factory) -> tuple[dict[str, Any], Path]:
    into = tmp_path_factory.mktemp("read")
    command = [str(peer_python), str(SCRIPT), str(into), *map(str, folders.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1]), into


@pytest.mark.parametrize("kind", ["zarr3", "lz4", "lz4hc"])
def test_it_sees_the_same_layers(seen, kind: str) -> None:
    found = seen[0][kind]
    assert found["voxel_size"] == [4, 4, 35]
    assert found["layers"] == {
        "grey": {
            "category": "color",
            "dtype": "uint16",
            "channels": 1,
            "box": [[17, 40, 5], [90, 70, 40]],
            "mags": ["1", "2-2-1", "4-4-1"],
            "largest": None,
        },
        "colours": {
            "category": "color",
            "dtype": "uint8",
            "channels": 3,
            "box": [[0, 0, 0], [31, 66, 20]],
            "mags": ["1", "2-2-1", "4-4-1"],
            "largest": None,
        },
        "ids": {
            "category": "segmentation",
            "dtype": "uint64",
            "channels": 1,
            "box": [[60, 0, 33], [70, 60, 50]],
            "mags": ["1", "2-2-1", "4-4-1"],
            "largest": 2**53 + 1,
        },
    }


@pytest.mark.parametrize("mag", ["1", "2-2-1", "4-4-1"])
@pytest.mark.parametrize("layer", ["grey", "colours", "ids"])
@pytest.mark.parametrize("kind", ["zarr3", "lz4", "lz4hc"])
def test_it_reads_the_same_voxels(seen, folders, kind: str, layer: str, mag: str) -> None:
    ours = read_layer(folders[kind], layer, Mag(mag))
    theirs = np.load(seen[1] / f"{kind}.{layer}.{mag}.npy").transpose(0, 3, 2, 1)
    np.testing.assert_array_equal(theirs, ours)


def test_it_reads_points_in_time(seen, folders) -> None:
    theirs = np.load(seen[1] / "times.times.1.npy")  # c, t, x, y, z
    for time in range(3):
        ours = read_layer(folders["times"], "times", Mag(1), time)
        np.testing.assert_array_equal(theirs[:, time].transpose(0, 3, 2, 1), ours)
