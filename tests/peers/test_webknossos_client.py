"""The official client, unmodified, against a running server below a URL prefix."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sample_datasets import TOKEN

SCRIPT = Path(__file__).with_name("webknossos_script.py")


@pytest.fixture(scope="module")
def visit(peer_python, server, tmp_path_factory):
    """What the client said and the folder of what it read."""
    into = tmp_path_factory.mktemp("client")
    done = subprocess.run(
        [str(peer_python), str(SCRIPT), server.url, TOKEN, str(into)],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1]), into


def test_what_it_is_told(visit):
    seen, _ = visit
    assert len(set(seen["ids"])) == 1
    assert {"cells", "rgb"} <= set(seen["listed"])
    assert seen["voxel_size"] == [4.0, 4.0, 35.0]
    assert seen["largest_segment_id"] == 2**60 + 3
    assert seen["user"] == "lab"
    assert seen["view_configuration"] is True
    assert seen["folder"]


@pytest.mark.parametrize("mode", ["zarr_streaming", "proxy_path", "direct_path", "downloaded"])
@pytest.mark.parametrize(("layer", "mag"), [("color", "1"), ("color", "2-2-1"), ("segmentation", "1")])
def test_it_reads_the_voxels(visit, server, mode, layer, mag):
    _, into = visit
    truth = server.samples.truth["cells", layer, mag]
    step = np.array([2, 2, 1] if mag == "2-2-1" else [1, 1, 1])
    x, y, z = np.array((5, 6, 7)) // step
    read = np.load(into / f"{mode}.{layer}.{mag}.npy")
    expected = truth[:, x:, y:, z:]
    assert read.shape == expected.shape
    assert read.dtype == expected.dtype
    assert np.array_equal(read, expected)
