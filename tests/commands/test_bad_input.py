"""Files that are damaged, hostile or no images: the command says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from malformed_files import MALFORMED
from PIL import Image
from real_files import SHARED_DATA


def convert(source: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).with_name("wk-jupyter")),
        "convert",
        str(source),
        str(target),
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def require_refused(done: subprocess.CompletedProcess[str], target: Path, reason: str) -> None:
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2  # what is wrong, and what to do
    assert not done.stdout
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("path", MALFORMED)
def test_malformed_files_are_refused(tmp_path, path: str) -> None:
    if not SHARED_DATA.exists():
        pytest.skip(f"the real sample files are not here ({SHARED_DATA})")
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "ds"
    done = convert(SHARED_DATA / "malformed" / path, target, "--voxel-size", "1,1,1")
    require_refused(done, target, MALFORMED[path])


def test_a_voxel_size_that_is_no_number_is_asked_for(tmp_path) -> None:
    source = SHARED_DATA / "malformed" / "nifti" / "nan-pixdim.nii"
    if not source.exists():
        pytest.skip(f"the real sample files are not here ({SHARED_DATA})")
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "ds"
    require_refused(convert(source, target), target, "size of a voxel")
    assert convert(source, target, "--voxel-size", "1,2,3").returncode == 0
    assert '"factor":[1.0,2.0,3.0]' in "".join((target / "datasource-properties.json").read_text().split())


@pytest.mark.parametrize("given", ["0,1,1", "nan,1,1", "-1,1,1", "inf,1,1", "1,1", "a,b,c"])
def test_a_voxel_size_that_cannot_be_is_refused(tmp_path, given: str) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    done = convert(tmp_path / "a.png", tmp_path / "ds", f"--voxel-size={given}")
    assert done.returncode in (1, 2)
    assert "voxel" in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_target_that_is_taken_is_left_as_it_is(tmp_path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / "precious").touch()
    done = convert(tmp_path / "a.png", tmp_path / "ds", "--voxel-size", "1,1,1")
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert [path.name for path in (tmp_path / "ds").iterdir()] == ["precious"]


def test_names_of_any_kind_are_converted(tmp_path) -> None:
    name = "Größe, 1 %20 'x' " + "n" * 120
    folder = tmp_path / name
    folder.mkdir()
    for number in range(2):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(folder / f"ä {number}.png")
    done = convert(folder, tmp_path / "Übersicht 1", "--voxel-size", "1,1,1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "Übersicht 1" / "datasource-properties.json").exists()
