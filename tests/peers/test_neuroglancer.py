"""Neuroglancer's page, in a real browser, draws what the server serves as Zarr v2 and v3."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from sample_datasets import TOKEN

SCRIPT = Path(__file__).with_name("neuroglancer_script.py")


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium here")
    return found


@pytest.fixture
def public_cells(server) -> str:
    """The id of a dataset that pages may read without a token, as Neuroglancer sends none."""
    headers = {"X-Auth-Token": TOKEN}
    found = httpx.get(f"{server.url}/api/datasets?searchQuery=cells", headers=headers).json()
    dataset = found[0]["id"]
    with sqlite3.connect(server.samples.data_dir / "wk_jupyter.sqlite", timeout=30) as catalog:
        catalog.execute("UPDATE datasets SET is_public = 1 WHERE id = ?", [dataset])
    deadline = time.monotonic() + 20
    while httpx.get(f"{server.url}/api/datasets/{dataset}").status_code != 200:
        assert time.monotonic() < deadline
    return dataset


def test_it_draws_the_voxels(server, peer_python, chromium, public_cells, tmp_path):
    sources = [f"{kind}://{server.url}/data/{root}/{public_cells}/color/" for kind, root in
               (("zarr2", "zarr"), ("zarr3", "zarr3"))]  # fmt: skip
    into = tmp_path / "pictures.npy"
    done = subprocess.run(
        [str(peer_python), str(SCRIPT), json.dumps(sources), chromium, str(into)],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    plane = server.samples.truth["cells", "color", "1"][0, 30:50, 20:40, 40].T
    for picture in np.load(into):
        assert np.array_equal(picture[90:110, 90:110, 0], plane)
