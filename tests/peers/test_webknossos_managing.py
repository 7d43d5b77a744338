"""The official client, unmodified, manages people, folders, datasets, layers and links."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from sample_datasets import TOKEN

SCRIPT = Path(__file__).with_name("managing_script.py")


@pytest.fixture(scope="module")
def seen(peer_python, own_server):
    done = subprocess.run(
        [str(peer_python), str(SCRIPT), own_server.url, TOKEN],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_people(seen):
    assert seen["admin"] == [True, "lab"]
    assert seen["teams"] == seen["member"] == ["default", "reviewers"]
    assert seen["users"] == [True]
    assert seen["logged"] == []


def test_folders(seen):
    assert seen["folder"] == [True, "April", ["reviewers"]]
    assert seen["folder_metadata"] == "SBEM"
    assert seen["subfolders"] == ["April", "spare"]
    assert seen["left"] == ["April"]


def test_settings_of_a_dataset(seen):
    assert seen["dataset"] == {
        "name": "Cortex β",
        "description": "A *fine* cortex",
        "tags": ["EM", "mouse"],
        "public": True,
        "teams": ["reviewers"],
        "folder": "April",
        "metadata": {"species": "mouse", "age": 12, "doi": ["a", "b"]},
    }
    assert seen["in_folder"] == seen["by_tag"] == ["Cortex β"]


def test_a_sharing_link_opens_it_without_an_account(seen):
    assert seen["sharing"] == [True, True]
    assert seen["shared"] == "Cortex β"


def test_layers(seen):
    assert seen["layers"] == ["EM", "segmentation"]
    assert seen["view"] == [2.5, [255, 0, 0]]
    assert seen["largest"] == 2**61
    assert seen["voxels"] > 0


def test_attachments_are_renamed_and_taken_out(seen):
    assert [sorted(names) for names in seen["attached"]] == [
        ["index", "view_1"],
        ["index", "renamed"],
        ["index"],
        [],
    ]


def test_a_layer_by_reference(seen):
    assert seen["borrowed"] == seen["voxels"]
    assert seen["after"] == ["photo"]
    assert seen["source_stays"] == ["EM", "segmentation"]


def test_deleting(seen):
    assert seen["deleted"] is True
    assert seen["teams_left"] == ["default"]
