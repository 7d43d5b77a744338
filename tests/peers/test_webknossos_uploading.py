"""The official client, unmodified, uploads datasets."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from conftest import running_server
from sample_datasets import TOKEN

SCRIPT = Path(__file__).with_name("uploading_script.py")


@pytest.fixture(scope="module")
def seen(peer_python, tmp_path_factory):
    work = tmp_path_factory.mktemp("local")
    with running_server(tmp_path_factory.mktemp("server"), f"--WkJupyterApp.allowed_roots={work}") as server:
        done = subprocess.run(
            [str(peer_python), str(SCRIPT), server.url, TOKEN, str(work)],
            capture_output=True,
            text=True,
            check=False,
            timeout=170,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_a_dataset_over_http(seen, data_format):
    assert seen[f"http_{data_format}"] == {
        "layers": {"color": [True] * 8, "segmentation": [True] * 8},
        "name": f"cortex_{data_format}",
        "voxel_size": [4, 4, 40],
    }


def test_a_layer_that_is_linked(seen):
    assert seen["linked"] == [["borrowed", "em"], True]


def test_into_a_folder_under_another_name(seen):
    assert seen["folder"] == ["other_name", "uploads"]


def test_mags_over_http_and_by_the_disk(seen):
    modes = ("HTTP", "COPY", "MOVE_AND_SYMLINK", "SYMLINK")
    assert seen["mags"] == {f"{kind} {mode}": [True, True] for kind in ("wkw", "zarr3") for mode in modes}


def test_attachments_over_http_and_by_the_disk(seen):
    found, wanted = seen["attachments"]
    assert found == wanted
    assert len(found) == 8


def test_datasets_by_the_disk(seen):
    modes = ("COPY", "MOVE_AND_SYMLINK", "SYMLINK")
    whole = {"color": [True] * 8, "segmentation": [True] * 8}
    assert seen["paths"] == {f"{kind} {mode}": whole for kind in ("wkw", "zarr3") for mode in modes}
