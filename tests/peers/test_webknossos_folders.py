"""The official client, unmodified, looks after folders."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from sample_datasets import TOKEN

SCRIPT = Path(__file__).with_name("webknossos_folders_script.py")


def test_it_makes_changes_moves_and_deletes_folders(peer_python, server):
    done = subprocess.run(
        [str(peer_python), str(SCRIPT), server.url, TOKEN],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert "is not empty" in seen.pop("refused")
    assert seen == {
        "same": True,
        "children": ["Lab", "other"],
        "renamed": "2027",
        "metadata": {"species": "mouse", "n": 3, "stains": ["DAPI", "GFP"]},
        "teams": ["default"],
        "parent": "other",
        "datasets": ["rgb"],
        "left": [],
    }
