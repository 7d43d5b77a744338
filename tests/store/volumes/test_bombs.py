"""Chunks made to fill the memory of whoever unpacks them: each is refused, or read no further than it may."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bombs import SIDE, VOXELS, all_bombs, zarr2

BOMBS = dict(all_bombs())
ROOM = 512 * 2**20  # of addresses, beyond what the process has when it begins
MOST_MIB = 192  # of memory, for chunks of 2 MiB: threads and codecs take room too
READER = Path(__file__).with_name("bomb_reader.py")
# What a reader may make of it beside refusing: the first voxels of a chunk that is all there.
WHOLE = {"n5 xz dictionary", "zarr2 foreign xz dictionary"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of each, as far as the process that read them one after the other lived."""
    root = tmp_path_factory.mktemp("bombs")
    zarr2(root / "honest", None)
    cases = [{"folder": str(root / "honest"), "data_format": "zarr", "path": ".", "side": SIDE}]
    for number, bomb in enumerate(BOMBS.values()):
        folder = root / str(number)
        folder.mkdir()
        bomb.make(folder)
        case = {"folder": str(folder), "data_format": bomb.data_format, "path": bomb.path, "side": SIDE}
        cases.append(case)
    done = subprocess.run(
        [sys.executable, str(READER), str(ROOM)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    end = {
        "outcome": f"ended with {done.returncode}: {done.stderr[-2000:]}",
        "told": "",
        "grown": 0,
    }
    found += [end] * (len(BOMBS) - len(found))
    return {
        name: {**outcome, "folder": case["folder"]}
        for name, outcome, case in zip(BOMBS, found, cases[1:], strict=True)
    }


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_does_no_harm(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    outcome = outcomes[name]
    allowed = {"CorruptData", "read"} if name in WHOLE else {"CorruptData"}
    assert outcome["outcome"] in allowed
    assert outcome["grown"] < MOST_MIB
    if outcome["outcome"] == "CorruptData":
        assert outcome["folder"] in outcome["told"]


def test_the_bombs_are_larger_than_what_is_allowed() -> None:
    assert VOXELS.nbytes < MOST_MIB * 2**20 < ROOM
